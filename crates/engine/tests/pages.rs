//! What a browser has proved: how many of them live, and how a change that rests on it is judged in its own commit.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::{sync::Arc, time::Duration};

use matrix_2fa_core::{
    Clock, MockClock, Params, Proof, RecoveryCode, Seed, Stage, Timestamp, account::ChangeRefused,
    recovery::HashParams, throttle::ClientTag, totp::code_at,
};
use matrix_2fa_engine::{
    Engine, EngineError, EngineSettings, Keyring, Origination, OsRandom,
    change::Disable,
    enroll::Confirmed,
    page_sessions::{PageSession, PageState, Purpose, Seen},
};
use matrix_2fa_store::{Commit, Committed, MemoryStore};

const USER: &str = "@alice:example.org";

struct Bench {
    engine: Engine,
    clock: MockClock,
}

impl Bench {
    fn new() -> Self {
        let clock = MockClock::new(Timestamp::from_millis(1_800_000_000_000));
        let settings = EngineSettings {
            hash_params: HashParams { memory_kib: 64, passes: 1, lanes: 1 },
            ..EngineSettings::default()
        };
        let (store, keys) = (Arc::new(MemoryStore::default()), Keyring::ephemeral(&OsRandom));
        let engine = Engine::new(store, keys, Arc::new(clock.clone()), Arc::new(OsRandom), settings);
        Self { engine, clock }
    }

    fn code(&self, seed: &Seed) -> String {
        code_at(Params::default(), seed, self.clock.now()).unwrap().expose().to_owned()
    }

    /// An authenticator, by whatever way `from` is; its id.
    async fn adds(&self, from: &Origination) -> String {
        let begun = self.engine.enroll(USER, from, "token", "phone").await.unwrap().unwrap();
        let code = self.code(&begun.seed);
        let confirmed = self.engine.confirm(USER, &Origination::default(), "token", &begun.id, &code).await.unwrap();
        let Confirmed::Yes { authenticator, .. } = confirmed else { panic!("{confirmed:?}") };
        authenticator.id.clone()
    }

    /// A session that has given the password from this client.
    async fn knows_the_password(&self, client: u32) -> PageSession {
        self.gives_the_password(client, false).await
    }

    /// The same, in a browser that is known or not.
    async fn gives_the_password(&self, client: u32, known: bool) -> PageSession {
        let fresh = self.engine.open_page_session(Purpose::SignIn).await.unwrap();
        let next = PageState {
            user: Some(USER.to_owned()),
            proved_at: Some(self.clock.now()),
            client: ClientTag(client),
            known,
            ..fresh.state.clone()
        };
        self.engine.renew_page_session(&fresh, next).await.unwrap()
    }

    /// One that has proved a factor too, and manages the account.
    async fn manages(&self, client: u32) -> PageSession {
        let session = self.knows_the_password(client).await;
        let factor = Some((Stage::Totp, Seen::of(&self.engine.account(USER).await.unwrap())));
        let next = PageState { purpose: Purpose::Account, factor, ..session.state.clone() };
        self.engine.renew_page_session(&session, next).await.unwrap()
    }

    fn asked_by(&self, session: &PageSession) -> Origination {
        let page = Some(self.engine.page_step(session));
        Origination { proof: Proof::SecondFactor, page, ..Origination::default() }
    }

    /// A change of the factors that leaves the authenticator.
    async fn renews(&self, from: &Origination) -> Result<Result<Vec<RecoveryCode>, ChangeRefused>, EngineError> {
        self.engine.regenerate(USER, from, self.engine.renewal_place(USER)?).await
    }

    async fn lives(&self, session: &PageSession) -> bool {
        self.engine.page_session(&session.id).await.unwrap().is_some()
    }
}

fn by_api() -> Origination {
    Origination { proof: Proof::SecondFactor, ..Origination::default() }
}

/// A page looked whether the factors had changed, and then changed them in a commit that did not: in between another session could turn
/// everything off, and a thief with the cookie put a phone of their own in its place.
#[tokio::test]
async fn r53_a_change_of_a_page_is_judged_in_its_own_commit() {
    let bench = Bench::new();
    let phone = bench.adds(&Origination::default()).await;
    let thief = bench.manages(1).await;
    let from = bench.asked_by(&thief);
    bench.clock.advance(Duration::from_millis(1));
    bench.engine.disable(USER, &by_api(), Disable::Everything).await.unwrap().unwrap();
    // What the thief's request read before is all that it knows.
    let superseded = |error: EngineError| assert!(matches!(error, EngineError::Superseded), "{error}");
    superseded(bench.engine.enroll(USER, &from, "page", "thief's").await.unwrap_err());
    superseded(bench.engine.rename(USER, &from, &phone, "x").await.unwrap_err());
    superseded(bench.engine.disable(USER, &from, Disable::Everything).await.unwrap_err());
    assert!(!bench.engine.account(USER).await.unwrap().is_enrolled());
}

#[tokio::test]
async fn r53_others_of_the_same_account_cannot_use_an_older_proof() {
    let bench = Bench::new();
    let phone = bench.adds(&Origination::default()).await;
    let (one, other) = (bench.manages(1).await, bench.manages(2).await);
    bench.clock.advance(Duration::from_millis(1));
    bench.renews(&bench.asked_by(&one)).await.unwrap().unwrap();
    let late = bench.engine.remove(USER, &bench.asked_by(&other), &phone).await;
    assert!(matches!(late, Err(EngineError::Superseded)), "{late:?}");
    // The one that changed it goes on, from its new state; a copy of the old one does not.
    let twice = bench.renews(&bench.asked_by(&one)).await;
    assert!(matches!(twice, Err(EngineError::Superseded)), "{twice:?}");
    let moved = bench.engine.page_session(&one.id).await.unwrap().unwrap();
    bench.renews(&bench.asked_by(&moved)).await.unwrap().unwrap();
}

/// Moments were compared: of a change in the very millisecond of the proof nobody noticed that it came after it.
#[tokio::test]
async fn r53_a_change_in_the_same_millisecond_ends_the_proof_too() {
    let bench = Bench::new();
    let phone = bench.adds(&Origination::default()).await;
    let (one, other) = (bench.manages(1).await, bench.manages(2).await);
    bench.renews(&bench.asked_by(&one)).await.unwrap().unwrap();
    let late = bench.engine.remove(USER, &bench.asked_by(&other), &phone).await;
    assert!(matches!(late, Err(EngineError::Superseded)), "{late:?}");
    // Two changes in one millisecond are two as well.
    let (one, other) = (bench.engine.page_session(&one.id).await.unwrap().unwrap(), bench.manages(3).await);
    bench.renews(&bench.asked_by(&one)).await.unwrap().unwrap();
    let late = bench.engine.remove(USER, &bench.asked_by(&other), &phone).await;
    assert!(matches!(late, Err(EngineError::Superseded)), "{late:?}");
}

#[tokio::test]
async fn a_session_that_has_ended_begins_no_enrollment() {
    let bench = Bench::new();
    bench.adds(&Origination::default()).await;
    let session = bench.manages(1).await;
    let from = bench.asked_by(&session);
    bench.engine.end_pending(USER).await.unwrap();
    let late = bench.engine.enroll(USER, &from, "page", "thief's").await;
    assert!(matches!(late, Err(EngineError::Superseded)), "{late:?}");
}

#[tokio::test]
async fn sessions_of_one_client_make_room_for_each_other() {
    let bench = Bench::new();
    let owner = bench.knows_the_password(1).await;
    let mut attacker = Vec::new();
    for _ in 0..40 {
        bench.clock.advance(Duration::from_millis(1));
        attacker.push(bench.knows_the_password(2).await);
    }
    assert!(bench.lives(&owner).await, "somebody who knows the password pushed the owner out");
    let mut live = 0;
    for session in &attacker {
        live += usize::from(bench.lives(session).await);
    }
    assert_eq!(live, 4);
    assert!(bench.lives(attacker.last().unwrap()).await, "the oldest goes");
}

#[tokio::test]
async fn who_knows_the_password_alone_pushes_out_nobody_who_proved_a_factor() {
    let bench = Bench::new();
    bench.adds(&Origination::default()).await;
    let owner = bench.manages(0).await;
    for client in 0..40 {
        bench.clock.advance(Duration::from_millis(1));
        bench.knows_the_password(client).await;
    }
    assert!(bench.lives(&owner).await);
}

/// Twenty addresses with the password pushed the owner's own sign-in out, between password and code.
#[tokio::test]
async fn the_password_alone_pushes_out_no_browser_that_is_known() {
    let bench = Bench::new();
    bench.adds(&Origination::default()).await;
    let owner = bench.gives_the_password(0, true).await;
    for client in 1..40 {
        bench.clock.advance(Duration::from_millis(1));
        bench.knows_the_password(client).await;
    }
    assert!(bench.lives(&owner).await);
}

#[tokio::test]
async fn who_has_no_factor_manages_in_sixteen_places_at_most() {
    let bench = Bench::new();
    let mut managing = Vec::new();
    for client in 0..40 {
        bench.clock.advance(Duration::from_millis(1));
        let session = bench.knows_the_password(client).await;
        let next = PageState { purpose: Purpose::Account, ..session.state.clone() };
        managing.push(bench.engine.renew_page_session(&session, next).await.unwrap());
    }
    let mut live = 0;
    for session in &managing {
        live += usize::from(bench.lives(session).await);
    }
    assert_eq!(live, 16);
}

/// The clock was set back an hour: a token of thirty seconds, a proof and a visit were good until it had caught up.
#[tokio::test]
async fn r68_a_clock_set_back_lengthens_no_page_session_and_no_token() {
    let bench = Bench::new();
    let hour = Duration::from_secs(60 * 60);
    let made = bench.clock.now();
    let tokens = [
        bench.engine.issue_login_token(USER, None, 0, Duration::from_secs(30)).await.unwrap(),
        bench.engine.issue_login_token(USER, None, 0, Duration::from_secs(30)).await.unwrap(),
    ];
    let proofs = vec![bench.engine.proof(USER, b"one").unwrap(), bench.engine.proof(USER, b"other").unwrap()];
    let commit = Commit { records: proofs, ..Commit::default() };
    assert_eq!(bench.engine.store().commit(commit).await.unwrap(), Committed::Done);
    let (visit, account) = (bench.knows_the_password(1).await, bench.manages(2).await);
    bench.clock.jump(Timestamp::from_millis(made.as_millis() - 2 * u64::try_from(hour.as_millis()).unwrap()));
    assert_eq!(bench.engine.take_login_token(&tokens[0]).await.unwrap(), None);
    assert!(!bench.engine.take_proof(b"one").await.unwrap());
    assert!(bench.engine.page_session(&visit.id).await.unwrap().is_none());
    assert!(bench.engine.page_session(&account.id).await.unwrap().is_none());
    // In their time they are good.
    bench.clock.jump(made);
    assert!(bench.engine.take_login_token(&tokens[1]).await.unwrap().is_some());
    assert!(bench.engine.take_proof(b"other").await.unwrap());
    assert!(bench.engine.page_session(&visit.id).await.unwrap().is_some());
    assert!(bench.engine.page_session(&account.id).await.unwrap().is_some());
}
