//! The engine over the readable store: keys, sealing, races, and what joins a commit.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::{sync::Arc, time::Duration};

use matrix_2fa_core::{
    AuthSession, Flow, MockClock, Operation, Params, Proof, Seed, Stage, Timestamp, account::ChangeRefused,
    recovery::HashParams, throttle::ClientTag, totp::code_at,
};
use matrix_2fa_engine::{
    Engine, EngineError, EngineSettings, Keyring, Origination, OsRandom, Random, change::Disable, enroll::Confirmed,
    verify::Verdict,
};
use matrix_2fa_store::{AccountChange, Commit, Committed, MemoryStore, Store};

const USER: &str = "@alice:example.org";
const TOKEN: &str = "access token";
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const STEP: Duration = Duration::from_secs(30);

struct Bench {
    engine: Arc<Engine>,
    store: Arc<MemoryStore>,
    clock: MockClock,
}

/// Weak hashes: these tests are not about their strength.
fn settings() -> EngineSettings {
    EngineSettings {
        hash_params: HashParams { memory_kib: 64, passes: 1, lanes: 1 },
        hash_queue: 1000,
        ..EngineSettings::default()
    }
}

impl Bench {
    fn new() -> Self {
        let (store, clock) = (Arc::new(MemoryStore::default()), MockClock::new(START));
        let keys = Keyring::ephemeral(&OsRandom);
        let engine = Engine::new(store.clone(), keys, Arc::new(clock.clone()), Arc::new(OsRandom), settings());
        Self { engine: Arc::new(engine), store, clock }
    }

    async fn enrolled(&self, user: &str) -> (Seed, Vec<String>) {
        let begun = self.engine.enroll(user, &Origination::default(), TOKEN, "phone").await.unwrap().unwrap();
        let code = self.code(&begun.seed);
        let confirmed = self.engine.confirm(user, &Origination::default(), TOKEN, &begun.id, &code).await.unwrap();
        let Confirmed::Yes { recovery: Some(codes), .. } = confirmed else { panic!("{confirmed:?}") };
        (begun.seed, codes.iter().map(|code| code.to_grouped()).collect())
    }

    fn code(&self, seed: &Seed) -> String {
        use matrix_2fa_core::Clock;
        code_at(Params::default(), seed, self.clock.now()).unwrap().expose().to_owned()
    }

    async fn verify(&self, stage: Stage, code: &str) -> Verdict {
        self.engine.verify(USER, &Origination::default(), stage, code, Vec::new()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r01_of_100_equal_codes_one_is_right() {
    let bench = Bench::new();
    let (seed, _) = bench.enrolled(USER).await;
    bench.clock.advance(STEP);
    let code = bench.code(&seed);
    assert_eq!(race(&bench, Stage::Totp, &code).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r07_of_100_equal_recovery_codes_one_is_right() {
    let bench = Bench::new();
    let (_, codes) = bench.enrolled(USER).await;
    assert_eq!(race(&bench, Stage::Recovery, &codes[0]).await, 1);
    assert_eq!(bench.engine.account(USER).await.unwrap().recovery_remaining(), 9);
}

async fn race(bench: &Bench, stage: Stage, code: &str) -> usize {
    let attempts: Vec<_> = (0..100)
        .map(|_| {
            let (engine, code) = (Arc::clone(&bench.engine), code.to_owned());
            tokio::spawn(async move { engine.verify(USER, &Origination::default(), stage, &code, Vec::new()).await })
        })
        .collect();
    let mut right = 0;
    for attempt in attempts {
        right += usize::from(attempt.await.unwrap().unwrap() == Verdict::Verified);
    }
    right
}

#[tokio::test]
async fn r03_the_confirming_code_does_not_log_in() {
    let bench = Bench::new();
    let (seed, _) = bench.enrolled(USER).await;
    assert_eq!(bench.verify(Stage::Totp, &bench.code(&seed)).await, Verdict::Wrong);
}

#[tokio::test]
async fn r09_codes_of_one_user_are_nothing_to_another() {
    let bench = Bench::new();
    let (seed, _) = bench.enrolled("@bob:example.org").await;
    let (_, bobs) = bench.enrolled("@bob2:example.org").await;
    bench.enrolled(USER).await;
    bench.clock.advance(STEP);
    assert_eq!(bench.verify(Stage::Totp, &bench.code(&seed)).await, Verdict::Wrong);
    assert_eq!(bench.verify(Stage::Recovery, &bobs[0]).await, Verdict::Wrong);
}

#[tokio::test]
async fn r16_recovery_stays_usable_while_totp_waits() {
    let bench = Bench::new();
    let (seed, codes) = bench.enrolled(USER).await;
    bench.clock.advance(STEP);
    let code = bench.code(&seed);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert_eq!(bench.verify(Stage::Totp, wrong).await, Verdict::Wrong);
    }
    assert!(matches!(bench.verify(Stage::Totp, &code).await, Verdict::Wait(_)));
    assert_eq!(bench.verify(Stage::Recovery, &codes[3]).await, Verdict::Verified);
    assert_eq!(bench.verify(Stage::Recovery, &codes[3]).await, Verdict::Wrong);
}

/// Who hangs up while the code is hashed must not leave a try that is in flight for ever: it barred the owner's next one.
#[tokio::test]
async fn r42_a_client_that_hangs_up_leaves_no_unsettled_try() {
    let bench = Bench::new();
    let (_, codes) = bench.enrolled(USER).await;
    let charged = async || bench.engine.account(USER).await.unwrap().recovery_throttle().run();
    let from = Origination::default();
    let wrong = "0000-0000-0000-0000";
    for (code, charge, remaining) in [(wrong, 1, 10), (&codes[0], 0, 9)] {
        let mut request = Box::pin(bench.engine.verify(USER, &from, Stage::Recovery, code, Vec::new()));
        // Asked once, and no more: on this one thread nothing of it can be over.
        tokio::select! {
            biased;
            verdict = &mut request => panic!("{verdict:?}"),
            () = std::future::ready(()) => {}
        }
        drop(request);
        // The next try of this account comes in turn, after the one that was begun.
        assert_eq!(bench.verify(Stage::Recovery, wrong).await, Verdict::Wrong);
        assert_eq!(charged().await, charge + 1);
        assert_eq!(bench.engine.account(USER).await.unwrap().recovery_remaining(), remaining);
    }
}

#[tokio::test]
async fn a_malformed_recovery_code_costs_nothing() {
    let bench = Bench::new();
    bench.enrolled(USER).await;
    for _ in 0..20 {
        assert_eq!(bench.verify(Stage::Recovery, "not a code").await, Verdict::Wrong);
    }
    assert_eq!(bench.engine.account(USER).await.unwrap().recovery_throttle().run(), 0);
}

#[tokio::test]
async fn r10_r50_a_session_is_consumed_once_and_with_the_code() {
    let bench = Bench::new();
    let (seed, codes) = bench.enrolled(USER).await;
    bench.clock.advance(STEP);
    let session = bench.engine.open_session(session(&bench)).await.unwrap();
    let from = Origination::default();
    let code = bench.code(&seed);
    let verified = bench.engine.verify(USER, &from, Stage::Totp, &code, vec![session.consume()]).await.unwrap();
    assert_eq!(verified, Verdict::Verified);
    assert!(bench.engine.session(&session.id).await.unwrap().is_none());
    // A right recovery code for the session that is gone: refused, and the code is not spent.
    let late = bench.engine.verify(USER, &from, Stage::Recovery, &codes[0], vec![session.consume()]).await;
    assert!(matches!(late, Err(EngineError::Superseded)), "{late:?}");
    assert_eq!(bench.engine.account(USER).await.unwrap().recovery_remaining(), 10);
    assert_eq!(bench.verify(Stage::Recovery, &codes[0]).await, Verdict::Verified);
}

fn session(bench: &Bench) -> AuthSession {
    AuthSession {
        operation: Operation::new("login"),
        user: Some(USER.to_owned()),
        device: None,
        token: None,
        epoch: 0,
        client: ClientTag(1),
        address: None,
        flows: vec![Flow::new([Stage::Password, Stage::Totp])],
        completed: vec![Stage::Password],
        body: "{}".to_owned(),
        secrets: Default::default(),
        created_at: bench.engine.now(),
    }
}

#[tokio::test]
async fn sessions_of_one_client_make_room_for_each_other_and_die_after_ten_minutes() {
    let bench = Bench::new();
    let mut opened = Vec::new();
    for _ in 0..5 {
        opened.push(bench.engine.open_session(session(&bench)).await.unwrap().id);
        bench.clock.advance(Duration::from_secs(1));
    }
    assert!(bench.engine.session(&opened[0]).await.unwrap().is_none(), "the oldest made room");
    assert!(bench.engine.session(&opened[1]).await.unwrap().is_some());
    bench.clock.advance(Duration::from_secs(10 * 60));
    assert!(bench.engine.session(&opened[4]).await.unwrap().is_none());
}

/// Many at once all made room in the same place, and the cap held nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_opened_at_the_same_time_keep_to_the_cap() {
    let bench = Bench::new();
    let known_only_later = AuthSession { user: None, completed: Vec::new(), ..session(&bench) };
    let mut tasks = Vec::new();
    for n in 0..40 {
        let (engine, mut state) = (Arc::clone(&bench.engine), known_only_later.clone());
        // Half of them are opened by strangers from addresses of their own, who turn out to be the user.
        state.client = if n % 2 == 0 { ClientTag(1) } else { ClientTag(100 + n) };
        tasks.push(tokio::spawn(async move {
            if n % 2 == 0 {
                state.user = Some(USER.to_owned());
                return engine.open_session(state).await.unwrap().id;
            }
            let mut live = engine.open_session(state).await.unwrap();
            live.state.user = Some(USER.to_owned());
            live.state.completed.push(Stage::Password);
            engine.save_session(&mut live).await.unwrap();
            live.id
        }));
    }
    let mut opened = Vec::new();
    for task in tasks {
        opened.push(task.await.unwrap());
    }
    let (mut of_one_client, mut of_all) = (0, 0);
    for (n, id) in opened.iter().enumerate() {
        let lives = bench.engine.session(id).await.unwrap().is_some();
        of_all += usize::from(lives);
        of_one_client += usize::from(lives && n % 2 == 0);
    }
    assert!(of_one_client <= 4 && of_all <= 16, "{of_one_client} of one client, {of_all} in all");
}

#[tokio::test]
async fn r63_a_row_copied_to_another_user_fails_closed() {
    let bench = Bench::new();
    let (seed, _) = bench.enrolled(USER).await;
    bench.clock.advance(STEP);
    let copied = bench.store.load(USER).await.unwrap().account;
    let mallory = "@mallory:example.org";
    let change = AccountChange { user: mallory.to_owned(), expected: 0, account: copied };
    let commit = Commit { account: Some(change), ..Commit::default() };
    assert_eq!(bench.store.commit(commit).await.unwrap(), Committed::Done);
    let code = bench.code(&seed);
    let verdict = bench.engine.verify(mallory, &Origination::default(), Stage::Totp, &code, Vec::new()).await;
    assert!(matches!(verdict, Err(EngineError::Sealed)), "{verdict:?}");
}

#[tokio::test]
async fn r26_ten_thousand_enrollments_give_as_many_secrets() {
    let bench = Bench::new();
    let mut seeds = std::collections::HashSet::new();
    for _ in 0..10_000 {
        let begun = bench.engine.enroll(USER, &Origination::default(), TOKEN, "phone").await.unwrap().unwrap();
        let seed = begun.seed.to_base32();
        assert!(
            seed.len() == 32 && seed.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)),
            "{seed}"
        );
        seeds.insert(seed);
    }
    assert_eq!(seeds.len(), 10_000);
}

#[tokio::test]
async fn r25_another_token_cannot_confirm() {
    let bench = Bench::new();
    let from = Origination::default();
    let begun = bench.engine.enroll(USER, &from, TOKEN, "phone").await.unwrap().unwrap();
    let code = bench.code(&begun.seed);
    let stolen = bench.engine.confirm(USER, &from, "another token", &begun.id, &code).await.unwrap();
    assert!(matches!(stolen, Confirmed::Unknown), "{stolen:?}");
    assert!(!bench.engine.account(USER).await.unwrap().is_enrolled());
}

/// Remembers what it gave out.
#[derive(Clone, Default)]
struct Remembering(Arc<std::sync::Mutex<Vec<Vec<u8>>>>);

impl Random for Remembering {
    fn fill(&self, bytes: &mut [u8]) {
        OsRandom.fill(bytes);
        self.0.lock().unwrap().push(bytes.to_vec());
    }
}

/// With the strength that ships, and a salt of which every byte is random.
#[tokio::test]
async fn r41_recovery_codes_are_hashed_as_it_is_promised_with_a_salt_of_128_bit() {
    let promised = HashParams { memory_kib: 19456, passes: 2, lanes: 1 };
    let (random, clock, settings) = (Remembering::default(), MockClock::new(START), EngineSettings::default());
    assert_eq!(settings.hash_params, promised);
    let store: Arc<MemoryStore> = Arc::default();
    let keys = Keyring::ephemeral(&OsRandom);
    let engine = Engine::new(store.clone(), keys, Arc::new(clock.clone()), Arc::new(random.clone()), settings);
    let bench = Bench { engine: Arc::new(engine), store, clock };
    bench.enrolled(USER).await;
    let account = bench.engine.account(USER).await.unwrap();
    let set = account.recovery().unwrap();
    assert_eq!(set.params, promised);
    assert!(random.0.lock().unwrap().contains(&set.salt.to_vec()), "all of it at once");
}

#[tokio::test]
async fn r50_the_name_of_a_session_is_128_random_bit() {
    let (random, clock) = (Remembering::default(), MockClock::new(START));
    let store: Arc<MemoryStore> = Arc::default();
    let keys = Keyring::ephemeral(&OsRandom);
    let engine = Engine::new(store.clone(), keys, Arc::new(clock.clone()), Arc::new(random.clone()), settings());
    let bench = Bench { engine: Arc::new(engine), store, clock };
    let opened = bench.engine.open_session(session(&bench)).await.unwrap();
    let drawn = random.0.lock().unwrap().clone();
    let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(drawn.iter().any(|bytes| bytes.len() == 16 && hex(bytes) == opened.id), "{}", opened.id);
}

/// Who writes to the store cannot give one authenticator the secret of another.
#[tokio::test]
async fn r63_a_secret_copied_to_another_authenticator_of_the_user_fails_closed() {
    let bench = Bench::new();
    let (seed, _) = bench.enrolled(USER).await;
    let proved = Origination { proof: Proof::SecondFactor, ..Origination::default() };
    let begun = bench.engine.enroll(USER, &proved, TOKEN, "tablet").await.unwrap().unwrap();
    let code = bench.code(&begun.seed);
    let confirmed = bench.engine.confirm(USER, &proved, TOKEN, &begun.id, &code).await.unwrap();
    assert!(matches!(confirmed, Confirmed::Yes { .. }));
    let stored = bench.store.load(USER).await.unwrap();
    let mut account = serde_json::to_value(&stored.account).unwrap();
    let seeds = [0, 1].map(|place| account["authenticators"][place]["seed"].clone());
    let [first, second] = seeds;
    account["authenticators"][0]["seed"] = second;
    account["authenticators"][1]["seed"] = first;
    let account = serde_json::from_value(account).unwrap();
    assert_ne!(account, stored.account);
    let change = AccountChange { user: USER.to_owned(), expected: stored.version, account };
    let commit = Commit { account: Some(change), ..Commit::default() };
    assert_eq!(bench.store.commit(commit).await.unwrap(), Committed::Done);
    bench.clock.advance(2 * STEP);
    let verdict = bench.engine.verify(USER, &Origination::default(), Stage::Totp, &bench.code(&seed), Vec::new()).await;
    assert!(matches!(verdict, Err(EngineError::Sealed)), "{verdict:?}");
}

/// Judged by what holds for this user, not by the server's policy, which is opt-in here.
#[tokio::test]
async fn r38_whom_an_administrator_requires_it_of_keeps_the_last_factor() {
    let bench = Bench::new();
    bench.enrolled(USER).await;
    let proved = Origination { proof: Proof::SecondFactor, ..Origination::default() };
    let id = bench.engine.account(USER).await.unwrap().authenticators()[0].id.clone();
    bench.engine.require_enrollment(USER, "root", Duration::ZERO).await.unwrap();
    let disabled = bench.engine.disable(USER, &proved, Disable::Everything).await.unwrap();
    assert_eq!(disabled, Err(ChangeRefused::Required));
    assert_eq!(bench.engine.remove(USER, &proved, &id).await.unwrap(), Err(ChangeRefused::Required));
    assert!(bench.engine.withdraw_requirement(USER, "root").await.unwrap());
    assert!(bench.engine.remove(USER, &proved, &id).await.unwrap().is_ok());
}

#[tokio::test]
async fn r39_forgetting_a_user_leaves_no_trace_but_the_audit() {
    let bench = Bench::new();
    bench.enrolled(USER).await;
    let session = bench.engine.open_session(session(&bench)).await.unwrap();
    let token = bench.engine.issue_login_token(USER, None, 0, STEP).await.unwrap();
    bench.engine.note_recovery_login(USER, "PHONE").await.unwrap();
    bench.engine.forget(USER, &Origination::default()).await.unwrap();
    assert_eq!(bench.store.load(USER).await.unwrap().account, Default::default());
    assert!(bench.engine.session(&session.id).await.unwrap().is_none());
    assert!(bench.engine.take_login_token(&token).await.unwrap().is_none());
    assert!(!bench.engine.is_recovery_login(USER, "PHONE").await.unwrap());
}

#[tokio::test]
async fn a_login_token_works_once_and_not_for_long() {
    let bench = Bench::new();
    let token = bench.engine.issue_login_token(USER, None, 0, STEP).await.unwrap();
    assert_eq!(bench.engine.take_login_token(&token).await.unwrap().unwrap().user, USER);
    assert!(bench.engine.take_login_token(&token).await.unwrap().is_none());
    let late = bench.engine.issue_login_token(USER, None, 0, STEP).await.unwrap();
    bench.clock.advance(STEP);
    assert!(bench.engine.take_login_token(&late).await.unwrap().is_none());
}
