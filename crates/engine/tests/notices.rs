//! The outbox: what goes into it with which change, who takes it out, and what nobody can do to it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::{net::IpAddr, sync::Arc, time::Duration};

use matrix_2fa_core::{MockClock, Params, Proof, Seed, Stage, Timestamp, recovery::HashParams, totp::code_at};
use matrix_2fa_engine::{
    Engine, EngineSettings, Keyring, Origination, OsRandom,
    change::Disable,
    enroll::Confirmed,
    notices::{
        LIFETIME, News,
        unfinished::{AT_MOST_EVERY, PATIENCE},
    },
    verify::Verdict,
};
use matrix_2fa_store::{Commit, Committed, Expected, Kind, MemoryStore, NewRecord, RecordChange, Store};

const USER: &str = "@alice:example.org";
const TOKEN: &str = "access token";
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const STEP: Duration = Duration::from_secs(30);

struct Bench {
    engine: Engine,
    store: Arc<MemoryStore>,
    clock: MockClock,
}

fn engine(store: &Arc<MemoryStore>, clock: &MockClock, notices: bool) -> Engine {
    let settings = EngineSettings {
        hash_params: HashParams { memory_kib: 64, passes: 1, lanes: 1 },
        hash_queue: 1000,
        notices,
        ..EngineSettings::default()
    };
    Engine::new(store.clone(), Keyring::ephemeral(&OsRandom), Arc::new(clock.clone()), Arc::new(OsRandom), settings)
}

/// With a second factor for this request.
fn proved() -> Origination {
    Origination { proof: Proof::SecondFactor, ..Origination::default() }
}

fn from(ip: [u8; 4]) -> Origination {
    Origination { client: Some(IpAddr::from(ip)), ..Origination::default() }
}

impl Bench {
    fn new() -> Self {
        let (store, clock) = (Arc::new(MemoryStore::default()), MockClock::new(START));
        Self { engine: engine(&store, &clock, true), store, clock }
    }

    async fn add(&self, name: &str) -> (String, Seed, Vec<String>) {
        let begun = self.engine.enroll(USER, &proved(), TOKEN, name).await.unwrap().unwrap();
        let code = self.code(&begun.seed);
        let confirmed = self.engine.confirm(USER, &proved(), TOKEN, &begun.id, &code).await.unwrap();
        let Confirmed::Yes { recovery, .. } = confirmed else { panic!("{confirmed:?}") };
        let codes = recovery.unwrap_or_default().iter().map(|code| code.to_grouped()).collect();
        self.clock.advance(STEP);
        (begun.id, begun.seed, codes)
    }

    fn code(&self, seed: &Seed) -> String {
        use matrix_2fa_core::Clock;
        code_at(Params::default(), seed, self.clock.now()).unwrap().expose().to_owned()
    }

    fn wrong(&self, seed: &Seed) -> String {
        let right = self.code(seed);
        (0..10).map(|n| format!("00000{n}")).find(|code| *code != right).unwrap()
    }

    /// Delivers everything, and gives what it was.
    async fn news(&self) -> Vec<News> {
        let claimed = self.engine.claim_notices(100).await.unwrap();
        for claim in &claimed.claims {
            assert_eq!(claim.notice.user, USER);
            self.engine.settle_notice(claim).await.unwrap();
        }
        let mut notices: Vec<_> = claimed.claims.into_iter().map(|claim| claim.notice).collect();
        notices.sort_by_key(|notice| notice.at);
        notices.into_iter().map(|notice| notice.news).collect()
    }

    async fn rows(&self, kind: &'static str) -> usize {
        self.store.records(Kind(kind), None, 1000).await.unwrap().len()
    }
}

#[tokio::test]
async fn r62_every_change_of_factors_leaves_its_notice() {
    let bench = Bench::new();
    let engine = &bench.engine;
    let (phone, seed, codes) = bench.add("phone").await;
    assert_eq!(bench.news().await, [News::Added { name: "phone".to_owned(), first: true }]);
    let (tablet, ..) = bench.add("tablet").await;
    assert_eq!(bench.news().await, [News::Added { name: "tablet".to_owned(), first: false }]);
    engine.rename(USER, &proved(), &tablet, "old tablet").await.unwrap().unwrap();
    bench.clock.advance(STEP);
    engine.remove(USER, &proved(), &tablet).await.unwrap().unwrap();
    let renamed = News::Renamed { from: "tablet".to_owned(), to: "old tablet".to_owned() };
    assert_eq!(bench.news().await, [renamed, News::Removed { name: "old tablet".to_owned() }]);
    assert_eq!(
        engine.verify(USER, &proved(), Stage::Recovery, &codes[0], Vec::new()).await.unwrap(),
        Verdict::Verified
    );
    bench.clock.advance(STEP);
    engine.regenerate(USER, &proved(), engine.renewal_place(USER).unwrap()).await.unwrap().unwrap();
    bench.clock.advance(STEP);
    engine.disable(USER, &proved(), Disable::Recovery).await.unwrap().unwrap();
    assert_eq!(bench.news().await, [News::RecoveryUsed { remaining: 9 }, News::RecoveryRenewed, News::RecoveryRemoved]);
    for _ in 0..5 {
        let code = bench.wrong(&seed);
        assert_eq!(engine.verify(USER, &proved(), Stage::Totp, &code, Vec::new()).await.unwrap(), Verdict::Wrong);
    }
    assert_eq!(bench.news().await, [News::PasswordKnown]);
    engine.unlock(USER, &Origination::default()).await.unwrap();
    bench.clock.advance(STEP);
    engine.disable(USER, &proved(), Disable::Everything).await.unwrap().unwrap();
    assert_eq!(bench.news().await, [News::Unlocked, News::TurnedOff]);
    bench.add(&phone).await;
    engine.reset(USER, &Origination::default()).await.unwrap();
    assert!(bench.news().await.ends_with(&[News::Reset]));
    assert_eq!(bench.rows("notice").await, 0);
}

#[tokio::test]
async fn r47_a_code_of_an_administrator_is_told_when_it_is_issued_and_when_it_is_used() {
    let bench = Bench::new();
    bench.add("phone").await;
    bench.news().await;
    let issued = bench.engine.issue_code(USER, "admin", STEP).await.unwrap();
    assert_eq!(bench.news().await, [News::CodeIssued]);
    let code = issued.unwrap().0.to_grouped();
    let verdict = bench.engine.verify(USER, &proved(), Stage::Recovery, &code, Vec::new()).await.unwrap();
    assert_eq!((verdict, bench.news().await), (Verdict::Verified, vec![News::IssuedCodeUsed]));
}

#[tokio::test]
async fn r62_a_lock_is_told() {
    let bench = Bench::new();
    let (_, seed, _) = bench.add("phone").await;
    bench.news().await;
    for _ in 0..100 {
        let code = bench.wrong(&seed);
        assert_eq!(bench.engine.verify(USER, &proved(), Stage::Totp, &code, Vec::new()).await.unwrap(), Verdict::Wrong);
        bench.clock.advance(AT_MOST_EVERY);
    }
    assert_eq!(bench.news().await, [News::PasswordKnown, News::Locked]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r44_of_100_equal_recovery_codes_one_notice_says_what_remains() {
    let bench = Bench::new();
    let (_, _, codes) = bench.add("phone").await;
    bench.news().await;
    let tries: Vec<_> = (0..100)
        .map(|_| {
            let (engine, code) = (bench.engine.clone(), codes[0].clone());
            tokio::spawn(async move { engine.verify(USER, &proved(), Stage::Recovery, &code, Vec::new()).await })
        })
        .collect();
    for tried in tries {
        let _verdict = tried.await.unwrap();
    }
    let used: Vec<_> =
        bench.news().await.into_iter().filter(|news| matches!(news, News::RecoveryUsed { .. })).collect();
    assert_eq!(used, [News::RecoveryUsed { remaining: 9 }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_is_taken_by_one_server_at_a_time() {
    let bench = Bench::new();
    bench.add("phone").await;
    let servers: Vec<_> = (0..8).map(|_| engine(&bench.store, &bench.clock, true)).collect();
    for round in 1..=12_u32 {
        let asking = servers.iter().map(|server| {
            let server = server.clone();
            tokio::spawn(async move { server.claim_notices(10).await.unwrap().claims })
        });
        let mut claims = Vec::new();
        for asked in asking.collect::<Vec<_>>() {
            claims.extend(asked.await.unwrap());
        }
        assert_eq!(claims.iter().map(|claim| claim.notice.tries).collect::<Vec<_>>(), [round]);
        assert!(bench.engine.claim_notices(10).await.unwrap().claims.is_empty(), "it is taken");
        // The one that has it dies. Back-off: one minute, two, four, eight, then ten.
        let patience = Duration::from_secs(60) * 2_u32.pow(round.min(5) - 1);
        bench.clock.advance(patience.min(Duration::from_secs(600)) - Duration::from_millis(1));
        assert!(bench.engine.claim_notices(10).await.unwrap().claims.is_empty());
        bench.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(bench.rows("notice").await, 1);
}

#[tokio::test]
async fn what_has_arrived_by_one_way_is_remembered() {
    let bench = Bench::new();
    bench.add("phone").await;
    let first = bench.engine.claim_notices(10).await.unwrap().claims.remove(0);
    bench.engine.notice_arrived(&first, vec!["mail".to_owned()]).await.unwrap();
    bench.clock.advance(Duration::from_secs(60));
    let second = bench.engine.claim_notices(10).await.unwrap().claims.remove(0);
    assert_eq!((&second.notice.id, &second.notice.arrived), (&first.notice.id, &vec!["mail".to_owned()]));
    bench.clock.advance(LIFETIME);
    assert!(bench.engine.claim_notices(10).await.unwrap().claims.is_empty(), "after a week it is given up");
    assert_eq!(bench.rows("notice").await, 0);
}

#[tokio::test]
async fn r62_a_password_without_a_factor_is_told_after_three_minutes_and_once_an_hour() {
    let bench = Bench::new();
    let engine = &bench.engine;
    let (_, seed, _) = bench.add("phone").await;
    bench.news().await;
    // A thief, again and again and from everywhere: one small record.
    for n in 0..100 {
        engine.expect_factor(USER, Some([192, 0, 2, n].into())).await.unwrap();
    }
    assert_eq!(bench.rows("unfinished").await, 1);
    engine.look_for_unfinished().await.unwrap();
    bench.clock.advance(PATIENCE - Duration::from_millis(1));
    engine.look_for_unfinished().await.unwrap();
    assert_eq!(bench.news().await, []);
    bench.clock.advance(Duration::from_millis(1));
    engine.look_for_unfinished().await.unwrap();
    assert_eq!(bench.news().await, [News::Unfinished]);
    for _ in 0..10 {
        engine.expect_factor(USER, Some([192, 0, 2, 200].into())).await.unwrap();
        bench.clock.advance(PATIENCE);
        engine.look_for_unfinished().await.unwrap();
        engine.look_for_all_unfinished().await.unwrap();
    }
    assert_eq!(bench.news().await, [], "within the hour");
    bench.clock.advance(AT_MOST_EVERY);
    engine.expect_factor(USER, Some([192, 0, 2, 1].into())).await.unwrap();
    // The server dies, and another one looks.
    let other = self::engine(&bench.store, &bench.clock, true);
    bench.clock.advance(PATIENCE);
    other.look_for_all_unfinished().await.unwrap();
    assert_eq!(bench.news().await, [News::Unfinished]);
    // The owner, who needs two attempts, is left alone; the thief beside them is not.
    bench.clock.advance(AT_MOST_EVERY);
    for told in [false, true] {
        let owner = from([198, 51, 100, 1]);
        engine.expect_factor(USER, owner.client).await.unwrap();
        if told {
            engine.expect_factor(USER, Some([192, 0, 2, 1].into())).await.unwrap();
        }
        bench.clock.advance(STEP);
        let right = bench.code(&seed);
        assert_eq!(engine.verify(USER, &owner, Stage::Totp, &right, Vec::new()).await.unwrap(), Verdict::Verified);
        bench.clock.advance(PATIENCE);
        engine.look_for_unfinished().await.unwrap();
        assert_eq!(bench.news().await, if told { vec![News::Unfinished] } else { vec![] });
    }
}

#[tokio::test]
async fn a_wrong_code_is_unfinished_too_and_nobody_without_a_factor_is() {
    let bench = Bench::new();
    bench.engine.expect_factor(USER, None).await.unwrap();
    assert_eq!(bench.rows("unfinished").await, 0);
    let (_, seed, _) = bench.add("phone").await;
    bench.news().await;
    let wrong = bench.wrong(&seed);
    bench.engine.verify(USER, &from([192, 0, 2, 1]), Stage::Totp, &wrong, Vec::new()).await.unwrap();
    bench.clock.advance(PATIENCE);
    bench.engine.look_for_unfinished().await.unwrap();
    assert_eq!(bench.news().await, [News::Unfinished]);
    bench.engine.forget(USER, &Origination::default()).await.unwrap();
    assert_eq!((bench.rows("unfinished").await, bench.rows("notice").await), (0, 0), "a user who left leaves nothing");
}

#[tokio::test]
async fn r62_whoever_changes_things_without_end_fills_nobodys_mailbox_and_nothing_in_silence() {
    let bench = Bench::new();
    let mut told = Vec::new();
    // Somebody with the password of a user without a factor: on and off, for two hours, on two servers.
    let other = engine(&bench.store, &bench.clock, true);
    for turn in 0..120 {
        bench.add("phone").await;
        let server = if turn % 2 == 0 { &bench.engine } else { &other };
        server.disable(USER, &proved(), Disable::Everything).await.unwrap().unwrap();
        bench.clock.advance(STEP);
        told.push(bench.news().await);
    }
    let (added, off) = (News::Added { name: "phone".to_owned(), first: true }, News::TurnedOff);
    let hour = |told: &[Vec<News>]| told.concat();
    let each = [added.clone(), off.clone()];
    let expected = [&each[..], &each, &each, &[News::More]].concat();
    assert_eq!(hour(&told[..60]), expected, "three of each kind, and then once that there is more");
    assert_eq!(hour(&told[60..]), expected, "the next hour is told anew");

    // The first of another kind is told all the same, and so is every act of an administrator.
    let (phone, ..) = bench.add("phone").await;
    bench.news().await;
    for n in 0..10 {
        bench.engine.rename(USER, &proved(), &phone, &format!("name {n}")).await.unwrap().unwrap();
        bench.engine.unlock(USER, &Origination::default()).await.unwrap();
    }
    let news = bench.news().await;
    assert_eq!(news.iter().filter(|news| matches!(news, News::Renamed { .. })).count(), 3, "{news:?}");
    assert_eq!(news.iter().filter(|news| **news == News::Unlocked).count(), 10, "{news:?}");
    bench.engine.forget(USER, &Origination::default()).await.unwrap();
    assert_eq!(bench.rows("told").await, 0, "a user who left leaves nothing");
}

/// Bytes of a version to come, in place of what is there.
async fn spoil(bench: &Bench, kind: &'static str, key: &str) {
    let bytes = NewRecord { bytes: vec![9], user: Some(USER.to_owned()), expires_at: None };
    let records = vec![RecordChange::put(Kind(kind), key, Expected::Any, bytes)];
    let done = bench.store.commit(Commit { records, ..Commit::default() }).await.unwrap();
    assert_eq!(done, Committed::Done);
}

#[tokio::test]
async fn what_cannot_be_read_in_the_outbox_holds_up_nothing() {
    let bench = Bench::new();
    for n in 0..40 {
        spoil(&bench, "notice", &format!("{n:016x}-of a newer server")).await;
    }
    bench.add("phone").await;
    let claimed = bench.engine.claim_notices(16).await.unwrap();
    assert_eq!((claimed.claims.len(), claimed.unreadable, claimed.more), (1, 40, false));
    // And what was told is then counted anew, rather than nothing told.
    spoil(&bench, "told", USER).await;
    bench.engine.reset(USER, &Origination::default()).await.unwrap();
    bench.add("tablet").await;
    assert_eq!(bench.engine.claim_notices(16).await.unwrap().claims.len(), 2);
}

#[tokio::test]
async fn unfinished_logins_that_cannot_be_read_stop_one_user_until_an_administrator_acts() {
    let bench = Bench::new();
    bench.add("phone").await;
    bench.news().await;
    spoil(&bench, "unfinished", USER).await;
    assert!(bench.engine.expect_factor(USER, None).await.is_err(), "it fails closed");
    bench.engine.look_for_all_unfinished().await.unwrap();
    assert_eq!(bench.rows("unfinished").await, 1, "nobody but an administrator removes it");
    bench.engine.unlock(USER, &Origination::default()).await.unwrap();
    bench.clock.advance(STEP);
    bench.engine.expect_factor(USER, None).await.unwrap();
    bench.clock.advance(PATIENCE);
    bench.engine.look_for_unfinished().await.unwrap();
    assert_eq!(bench.news().await, [News::Unlocked, News::Unfinished]);
}

#[tokio::test]
async fn where_nobody_delivers_nothing_is_kept() {
    let (store, clock) = (Arc::new(MemoryStore::default()), MockClock::new(START));
    let bench = Bench { engine: engine(&store, &clock, false), store, clock };
    let (_, seed, _) = bench.add("phone").await;
    let wrong = bench.wrong(&seed);
    bench.engine.verify(USER, &proved(), Stage::Totp, &wrong, Vec::new()).await.unwrap();
    bench.engine.expect_factor(USER, None).await.unwrap();
    assert_eq!((bench.rows("unfinished").await, bench.rows("notice").await), (0, 0));
}
