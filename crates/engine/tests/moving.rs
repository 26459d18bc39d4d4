//! Factors on their way from one server to another: what comes along, what stays, and what must not happen on the way.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::{sync::Arc, time::Duration};

use matrix_2fa_core::{
    Clock, EventKind, MockClock, Params, Proof, Seed, Stage, Timestamp,
    account::moving::{Arrival, Moved, Unfit},
    event::SERVER,
    recovery::HashParams,
    totp::code_at,
};
use matrix_2fa_engine::{
    Engine, EngineError, EngineSettings, Keyring, Origination, OsRandom, change::Disable, enroll::Confirmed,
    moving::ImportMode, notices::News, verify::Verdict,
};
use matrix_2fa_store::MemoryStore;

const USER: &str = "@alice:example.org";
const TOKEN: &str = "access token";
const STEP: Duration = Duration::from_secs(30);

fn engine(clock: &MockClock) -> Engine {
    let settings = EngineSettings {
        hash_params: HashParams { memory_kib: 64, passes: 1, lanes: 1 },
        notices: true,
        ..EngineSettings::default()
    };
    let keys = Keyring::ephemeral(&OsRandom);
    Engine::new(Arc::new(MemoryStore::default()), keys, Arc::new(clock.clone()), Arc::new(OsRandom), settings)
}

fn clock() -> MockClock {
    MockClock::new(Timestamp::from_millis(1_800_000_000_000))
}

fn proved() -> Origination {
    Origination { proof: Proof::SecondFactor, ..Origination::default() }
}

fn code(clock: &MockClock, seed: &Seed) -> String {
    code_at(Params::default(), seed, clock.now()).unwrap().expose().to_owned()
}

async fn enroll(engine: &Engine, clock: &MockClock, user: &str, name: &str) -> (Seed, Vec<String>) {
    let begun = engine.enroll(user, &proved(), TOKEN, name).await.unwrap().unwrap();
    let confirmed = engine.confirm(user, &proved(), TOKEN, &begun.id, &code(clock, &begun.seed)).await.unwrap();
    let Confirmed::Yes { recovery, .. } = confirmed else { panic!("{confirmed:?}") };
    clock.advance(STEP);
    (begun.seed, recovery.unwrap_or_default().iter().map(|code| code.to_grouped()).collect())
}

async fn export(engine: &Engine) -> Vec<(String, Moved)> {
    let mut all = Vec::new();
    let page = |some: Vec<(String, Moved)>| {
        all.extend(some);
        Ok::<_, EngineError>(())
    };
    let users = engine.export_everybody("root", &["age1key".to_owned()], page).await.unwrap();
    assert_eq!(users, all.len() as u64);
    all
}

async fn kinds(engine: &Engine, user: &str) -> Vec<EventKind> {
    engine.events(user, 100).await.unwrap().into_iter().rev().map(|event| event.kind).collect()
}

async fn import(engine: &Engine, moved: &Moved) -> Arrival {
    engine.import(USER, "root", moved, ImportMode::default()).await.unwrap()
}

#[tokio::test]
async fn what_was_used_there_is_used_here() {
    let clock = clock();
    let (old, new) = (engine(&clock), engine(&clock));
    let (seed, codes) = enroll(&old, &clock, USER, "phone").await;
    let used = code(&clock, &seed);
    assert_eq!(old.verify(USER, &proved(), Stage::Totp, &used, Vec::new()).await.unwrap(), Verdict::Verified);
    assert_eq!(old.verify(USER, &proved(), Stage::Recovery, &codes[0], Vec::new()).await.unwrap(), Verdict::Verified);
    old.exempt("@bridge:example.org", "root", "a bridge", clock.now().plus(30 * STEP)).await.unwrap();
    old.disable("@nobody:example.org", &proved(), Disable::Everything).await.unwrap().unwrap_err();

    let all = export(&old).await;
    let [(alice, moved), (bridge, exempt)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((alice.as_str(), bridge.as_str()), (USER, "@bridge:example.org"));
    let through_json: Moved = serde_json::from_str(&serde_json::to_string(moved).unwrap()).unwrap();
    assert_eq!(import(&new, &through_json).await, import_names(&new, USER).await);

    let refused = |verdict: Verdict| assert_ne!(verdict, Verdict::Verified);
    refused(new.verify(USER, &proved(), Stage::Totp, &used, Vec::new()).await.unwrap());
    // A code of the present step may have been used there after the export.
    clock.advance(STEP);
    refused(new.verify(USER, &proved(), Stage::Totp, &code(&clock, &seed), Vec::new()).await.unwrap());
    refused(new.verify(USER, &proved(), Stage::Recovery, &codes[0], Vec::new()).await.unwrap());
    clock.advance(Duration::from_secs(3600));
    let fresh = code(&clock, &seed);
    assert_eq!(new.verify(USER, &proved(), Stage::Totp, &fresh, Vec::new()).await.unwrap(), Verdict::Verified);
    assert_eq!(new.verify(USER, &proved(), Stage::Recovery, &codes[1], Vec::new()).await.unwrap(), Verdict::Verified);
    assert_eq!(new.account(USER).await.unwrap().recovery_remaining(), 8);

    new.import(bridge, "root", exempt, ImportMode::default()).await.unwrap();
    assert!(new.account(bridge).await.unwrap().duty().exemption.is_some());
    assert!(kinds(&new, bridge).await.iter().any(|kind| matches!(kind, EventKind::Exempted { .. })));
}

/// What an import that was done answers: the ids that the account has now.
async fn import_names(engine: &Engine, user: &str) -> Arrival {
    let account = engine.account(user).await.unwrap();
    Arrival::Done { authenticators: account.authenticators().iter().map(|one| one.id.clone()).collect() }
}

#[tokio::test]
async fn an_export_is_audited_for_each_user_before_it_is_passed_on_and_an_import_is_told() {
    let clock = clock();
    let (old, new) = (engine(&clock), engine(&clock));
    enroll(&old, &clock, USER, "phone").await;
    // Whoever writes the file fails: what was opened is audited all the same.
    let cut = |_page: Vec<(String, Moved)>| Err(EngineError::Crowded);
    old.export_everybody("root", &["age1key".to_owned()], cut).await.unwrap_err();
    let (author, recipients) = ("root".to_owned(), vec!["age1key".to_owned()]);
    let exported = EventKind::Exported { author: author.clone(), recipients: recipients.clone() };
    assert_eq!(kinds(&old, USER).await.last(), Some(&exported));
    let started = EventKind::ExportStarted { author: author.clone(), recipients };
    assert_eq!(kinds(&old, SERVER).await, std::slice::from_ref(&started));
    let all = export(&old).await;
    let finished = EventKind::ExportFinished { author: author.clone(), users: 1 };
    assert_eq!(kinds(&old, SERVER).await, [started.clone(), started, finished]);

    let Arrival::Done { authenticators } = import(&new, &all[0].1).await else { panic!("not done") };
    assert_eq!(kinds(&new, USER).await, [EventKind::Imported { author, authenticators }]);
    let claims = new.claim_notices(10).await.unwrap().claims;
    let news: Vec<_> = claims.iter().map(|claim| claim.notice.news.clone()).collect();
    assert_eq!(news, [News::Imported { names: vec!["phone".to_owned()] }]);
}

#[tokio::test]
async fn who_has_other_factors_keeps_them_and_who_came_before_is_known() {
    let clock = clock();
    let (old, new) = (engine(&clock), engine(&clock));
    let (theirs, _) = enroll(&old, &clock, USER, "phone").await;
    let (own, codes) = enroll(&new, &clock, USER, "tablet").await;
    let moved = export(&old).await.remove(0).1;
    let before = new.account(USER).await.unwrap();
    assert_eq!(import(&new, &moved).await, Arrival::Enrolled);
    let add = ImportMode { add: true, dry_run: true };
    assert!(matches!(new.import(USER, "root", &moved, add).await.unwrap(), Arrival::Done { .. }));
    assert_eq!(new.account(USER).await.unwrap(), before, "neither changed anything");
    let add = ImportMode { add: true, dry_run: false };
    assert!(matches!(new.import(USER, "root", &moved, add).await.unwrap(), Arrival::Done { .. }));
    let after = new.account(USER).await.unwrap();
    for again in [add, ImportMode::default()] {
        assert_eq!(new.import(USER, "root", &moved, again).await.unwrap(), Arrival::Already);
    }
    assert_eq!(new.account(USER).await.unwrap(), after);
    clock.advance(Duration::from_secs(3600));
    for seed in [&own, &theirs] {
        let fresh = code(&clock, seed);
        assert_eq!(new.verify(USER, &proved(), Stage::Totp, &fresh, Vec::new()).await.unwrap(), Verdict::Verified);
    }
    assert_eq!(new.verify(USER, &proved(), Stage::Recovery, &codes[0], Vec::new()).await.unwrap(), Verdict::Verified);
}

/// Whoever has the password begins an enrollment before the move, and would confirm it after: a factor beside the owner's.
#[tokio::test]
async fn an_enrollment_begun_with_the_password_alone_ends_with_the_import() {
    let clock = clock();
    let (old, new) = (engine(&clock), engine(&clock));
    enroll(&old, &clock, USER, "phone").await;
    let moved = export(&old).await.remove(0).1;
    let begun = new.enroll(USER, &Origination::default(), TOKEN, "thief").await.unwrap().unwrap();
    import(&new, &moved).await;
    let confirmed =
        new.confirm(USER, &Origination::default(), TOKEN, &begun.id, &code(&clock, &begun.seed)).await.unwrap();
    assert!(matches!(confirmed, Confirmed::Unknown), "{confirmed:?}");
    assert_eq!(new.account(USER).await.unwrap().authenticators().len(), 1);
}

#[tokio::test]
async fn a_lock_and_wrong_codes_come_along() {
    let clock = clock();
    let (old, new) = (engine(&clock), engine(&clock));
    let (seed, _) = enroll(&old, &clock, USER, "phone").await;
    let right = code(&clock, &seed);
    let wrong = (0..10).map(|n| format!("00000{n}")).find(|code| *code != right).unwrap();
    for _ in 0..5 {
        old.verify(USER, &Origination::default(), Stage::Totp, &wrong, Vec::new()).await.unwrap();
    }
    let moved = export(&old).await.remove(0).1;
    import(&new, &moved).await;
    let (there, here) = (old.account(USER).await.unwrap(), new.account(USER).await.unwrap());
    assert_eq!((here.totp_throttle().run(), here.totp_throttle().recent()), (5, 5));
    assert_eq!(here.totp_throttle().failed_at(), there.totp_throttle().failed_at());
}

#[tokio::test]
async fn what_no_account_can_bear_is_refused_and_nothing_prints_a_seed() {
    let clock = clock();
    let old = engine(&clock);
    let (seed, _) = enroll(&old, &clock, USER, "phone").await;
    let moved = export(&old).await.remove(0).1;
    assert_eq!(moved.check(), Ok(()));
    assert!(!format!("{moved:?}").contains(&seed.to_base32()));
    let changed = |change: fn(&mut Moved)| {
        let mut moved = moved.clone();
        change(&mut moved);
        moved.check()
    };
    assert_eq!(changed(|moved| moved.recovery.as_mut().unwrap().params.memory_kib = 1 << 30), Err(Unfit::Recovery));
    assert_eq!(changed(|moved| moved.authenticators[0].name = "a\nb".to_owned()), Err(Unfit::Name));
    assert_eq!(changed(|moved| moved.authenticators = vec![moved.authenticators[0].clone(); 11]), Err(Unfit::TooMany));
    let short = changed(|moved| moved.authenticators[0].seed = Seed::from_bytes(vec![7; 9]));
    assert!(matches!(short, Err(Unfit::Authenticator(_))));
    let text = serde_json::to_string(&moved).unwrap().replacen("\"name\"", "\"more\":1,\"name\"", 1);
    serde_json::from_str::<Moved>(&text).unwrap_err();
}
