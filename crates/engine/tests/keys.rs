//! Key files, the record of them, and rotation.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use matrix_2fa_core::{
    EventKind, MockClock, Params, Seed, Stage, Timestamp, event::SERVER, recovery::HashParams, totp::code_at,
};
use matrix_2fa_engine::{
    Engine, EngineError, EngineSettings, KeyError, Keyring, Origination, OsRandom, Random, enroll::Confirmed,
    rotation::RotationError, verify::Verdict,
};
use matrix_2fa_store::{AccountChange, Commit, Committed, MemoryStore, Store};
use tempfile::TempDir;

const TOKEN: &str = "access token";
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct Bench {
    store: Arc<MemoryStore>,
    clock: MockClock,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Arc::default(), clock: MockClock::new(START), folder }
    }

    fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    async fn open(&self, keys: &Path) -> Result<Keyring, KeyError> {
        Keyring::open_or_create(keys, &*self.store, &OsRandom).await
    }

    /// A server that starts over the store, with the keys in this folder.
    async fn engine(&self, keys: &Path) -> Engine {
        let keys = self.open(keys).await.unwrap();
        // Weak hashes: these tests are not about their strength.
        let hash_params = HashParams { memory_kib: 64, passes: 1, lanes: 1 };
        let settings = EngineSettings { hash_params, ..EngineSettings::default() };
        Engine::new(self.store.clone(), keys, Arc::new(self.clock.clone()), Arc::new(OsRandom), settings)
    }

    async fn events(&self) -> Vec<EventKind> {
        self.store.events(SERVER, START, 100).await.unwrap().into_iter().map(|event| event.kind).collect()
    }

    /// Logs in with a code of a step that was never used.
    async fn logs_in(&self, engine: &Engine, user: &str, seed: &Seed) -> Result<Verdict, EngineError> {
        self.clock.advance(Duration::from_secs(30));
        let code = self.code(seed);
        engine.verify(user, &Origination::default(), Stage::Totp, &code, Vec::new()).await
    }

    fn code(&self, seed: &Seed) -> String {
        use matrix_2fa_core::Clock;
        code_at(Params::default(), seed, self.clock.now()).unwrap().expose().to_owned()
    }

    async fn enrolled(&self, engine: &Engine, user: &str) -> Seed {
        let begun = engine.enroll(user, &Origination::default(), TOKEN, "phone").await.unwrap().unwrap();
        let code = self.code(&begun.seed);
        let confirmed = engine.confirm(user, &Origination::default(), TOKEN, &begun.id, &code).await.unwrap();
        assert!(matches!(confirmed, Confirmed::Yes { .. }));
        begun.seed
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

#[tokio::test]
async fn r64_keys_are_made_once_and_a_wrong_or_missing_file_is_refused() {
    let bench = Bench::new();
    let keys = bench.keys();
    let first = bench.open(&keys).await.unwrap();
    let path = first.file(&first.active()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o700);
    let made = fs::read(&path).unwrap();
    bench.open(&keys).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), made, "the file is never rewritten");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(bench.open(&keys).await, Err(KeyError::Exposed { mode: 0o644, .. })));
    fs::remove_file(&path).unwrap();
    let missing = bench.open(&keys).await.unwrap_err();
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(matches!(missing, KeyError::Missing(_)) && missing.to_string().contains(name), "{missing}");
    assert_eq!(names(&keys), [""; 0], "a refused start makes no new key");

    // The right name, another key in it.
    let other = Bench::new();
    let stranger = other.open(&other.keys()).await.unwrap();
    let text = fs::read_to_string(stranger.file(&stranger.active()).unwrap()).unwrap();
    fs::write(&path, text.replace(&stranger.active(), &first.active())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(bench.open(&keys).await, Err(KeyError::Wrong(at)) if at == path));
}

#[tokio::test]
async fn a_store_with_accounts_and_without_its_keys_gets_no_new_ones() {
    let bench = Bench::new();
    let change = AccountChange { user: "@a:b".to_owned(), expected: 0, account: Default::default() };
    let commit = Commit { account: Some(change), ..Commit::default() };
    assert_eq!(bench.store.commit(commit).await.unwrap(), Committed::Done);
    assert!(matches!(bench.open(&bench.keys()).await, Err(KeyError::Unknown(_))));
    assert!(!bench.keys().exists());
}

#[tokio::test]
async fn a_key_file_from_a_start_that_got_no_further_is_used() {
    let (bench, donor) = (Bench::new(), Bench::new());
    let key = donor.open(&donor.keys()).await.unwrap().active();
    fs::create_dir(bench.keys()).unwrap();
    fs::copy(donor.keys().join(format!("{key}.key")), bench.keys().join(format!("{key}.key"))).unwrap();
    assert_eq!(bench.open(&bench.keys()).await.unwrap().active(), key);
    assert_eq!(names(&bench.keys()).len(), 1);
}

#[tokio::test]
async fn r64_rotation_seals_everything_anew_and_the_old_key_can_go() {
    let bench = Bench::new();
    let keys = bench.keys();
    let engine = bench.engine(&keys).await;
    let old = engine.keys().active();
    let mut seeds = Vec::new();
    for n in 0..70 {
        let user = format!("@user{n}:example.org");
        seeds.push((user.clone(), bench.enrolled(&engine, &user).await));
    }
    let pending = engine.enroll("@late:example.org", &Origination::default(), TOKEN, "phone").await.unwrap().unwrap();
    let token = engine.issue_login_token("@user0:example.org", None, 0, Duration::from_secs(3600)).await.unwrap();
    assert!(
        matches!(engine.remove_key(&old, |_| ()).await, Err(RotationError::Keys(KeyError::Unfit { .. }))),
        "active"
    );

    let (new, done) = engine.rotate_keys(None, |_| ()).await.unwrap();
    assert_eq!((done.resealed, done.broken), (71, 0));
    assert_ne!(new, old);
    let census = engine.check_keys(|_| ()).await.unwrap();
    assert_eq!((census.seeds, census.broken), (vec![(new.clone(), 71), (old.clone(), 0)], 0));
    let started = EventKind::KeyRotationStarted { key: new.clone() };
    assert_eq!(bench.events().await, [started.clone(), EventKind::KeyRotationFinished { key: new.clone() }]);

    // Both key files are needed until the old key is removed, also by a start.
    fs::rename(keys.join(format!("{old}.key")), bench.folder.path().join("kept")).unwrap();
    let missing = bench.open(&keys).await.unwrap_err();
    assert!(matches!(&missing, KeyError::Missing(path) if path.ends_with(format!("{old}.key"))), "{missing}");
    engine.remove_key(&old, |_| ()).await.unwrap();
    assert_eq!(bench.events().await.last(), Some(&EventKind::KeyRemoved { key: old.clone() }));

    // A new start without the old file: everybody logs in, and what was in flight goes on.
    let engine = bench.engine(&keys).await;
    let code = bench.code(&pending.seed);
    let confirmed = engine.confirm("@late:example.org", &Origination::default(), TOKEN, &pending.id, &code).await;
    assert!(matches!(confirmed, Ok(Confirmed::Yes { .. })), "the digest of the access token is the same");
    assert!(engine.take_login_token(&token).await.unwrap().is_some(), "and that of the login token");
    for (user, seed) in &seeds {
        assert_eq!(bench.logs_in(&engine, user, seed).await.unwrap(), Verdict::Verified, "{user}");
    }
    // The removed key comes back by no mistake.
    fs::rename(bench.folder.path().join("kept"), keys.join(format!("{old}.key"))).unwrap();
    assert!(matches!(engine.rotate_keys(Some(&old), |_| ()).await, Err(RotationError::Keys(KeyError::Unfit { .. }))));
    let (third, _) = engine.rotate_keys(None, |_| ()).await.unwrap();
    assert!(third != old && third != new);
}

#[tokio::test]
async fn r64_a_rotation_that_was_cut_short_goes_on_and_does_not_start_another() {
    let bench = Bench::new();
    let engine = bench.engine(&bench.keys()).await;
    let mut seeds = Vec::new();
    for n in 0..600 {
        let user = format!("@user{n:03}:example.org");
        seeds.push((user.clone(), engine.enroll(&user, &Origination::default(), TOKEN, "phone").await.unwrap()));
    }
    // The first page was told of; there the process dies.
    let doomed = engine.clone();
    let task = tokio::spawn(async move { doomed.rotate_keys(None, |_| panic!("killed")).await });
    assert!(task.await.is_err());
    let engine = bench.engine(&bench.keys()).await;
    assert!(engine.is_rotating().await.unwrap());
    let new = engine.keys().active();
    let halfway = engine.check_keys(|_| ()).await.unwrap();
    assert_eq!((halfway.seeds[0].clone(), halfway.seeds[1].1, halfway.broken), ((new.clone(), 512), 88, 0));
    let (key, done) = engine.rotate_keys(None, |_| ()).await.unwrap();
    assert_eq!((key, done.resealed), (new.clone(), 88));
    assert!(!engine.is_rotating().await.unwrap());
    let started =
        bench.events().await.iter().filter(|kind| matches!(kind, EventKind::KeyRotationStarted { .. })).count();
    assert_eq!((started, names(&bench.keys()).len()), (1, 2));
}

#[tokio::test]
async fn r63_a_row_copied_to_another_user_stays_closed_through_a_rotation() {
    let bench = Bench::new();
    let engine = bench.engine(&bench.keys()).await;
    let old = engine.keys().active();
    let seed = bench.enrolled(&engine, "@alice:example.org").await;
    let copied = bench.store.load("@alice:example.org").await.unwrap().account;
    let mallory = "@mallory:example.org";
    let change = AccountChange { user: mallory.to_owned(), expected: 0, account: copied };
    let commit = Commit { account: Some(change), ..Commit::default() };
    assert_eq!(bench.store.commit(commit).await.unwrap(), Committed::Done);

    let (_, done) = engine.rotate_keys(None, |_| ()).await.unwrap();
    assert_eq!((done.resealed, done.broken), (1, 1), "the others are not kept from it");
    let census = engine.check_keys(|_| ()).await.unwrap();
    assert_eq!(census.named.iter().map(|(user, _)| user.as_str()).collect::<Vec<_>>(), [mallory]);
    assert!(matches!(bench.logs_in(&engine, mallory, &seed).await, Err(EngineError::Sealed)));
    assert_eq!(bench.logs_in(&engine, "@alice:example.org", &seed).await.unwrap(), Verdict::Verified);
    let refused = engine.remove_key(&old, |_| ()).await;
    assert!(matches!(refused, Err(RotationError::InUse { seeds: 1, .. })), "{refused:?}");
}

#[tokio::test]
async fn another_server_over_the_same_store_seals_with_the_new_key_or_not_at_all() {
    let bench = Bench::new();
    let here = bench.keys();
    let one = bench.engine(&here).await;
    let alice = bench.enrolled(&one, "@alice:example.org").await;
    let there = bench.folder.path().join("there");
    fs::create_dir(&there).unwrap();
    fs::copy(one.keys().file(&one.keys().active()).unwrap(), there.join(format!("{}.key", one.keys().active())))
        .unwrap();
    let two = bench.engine(&there).await;

    // Nobody brought the new key there.
    let (new, _) = one.rotate_keys(None, |_| ()).await.unwrap();
    assert!(matches!(bench.logs_in(&two, "@alice:example.org", &alice).await, Err(EngineError::Sealed)));
    let enrolling = two.enroll("@bob:example.org", &Origination::default(), TOKEN, "phone").await;
    assert!(matches!(enrolling, Err(EngineError::Sealed)), "{enrolling:?}");
    let start = bench.open(&there).await.unwrap_err();
    assert!(matches!(&start, KeyError::Missing(path) if path.ends_with(format!("{new}.key"))), "{start}");

    // Once it is there, the running server takes it up by itself.
    fs::copy(here.join(format!("{new}.key")), there.join(format!("{new}.key"))).unwrap();
    assert_eq!(bench.logs_in(&two, "@alice:example.org", &alice).await.unwrap(), Verdict::Verified);
    let bob = bench.enrolled(&two, "@bob:example.org").await;
    assert_eq!(bench.logs_in(&one, "@bob:example.org", &bob).await.unwrap(), Verdict::Verified);
    assert_eq!(two.keys().active(), new);

    // In order: the file first, everywhere, and then the rotation.
    let prepared = one.keys().make_file(&OsRandom).unwrap();
    fs::copy(&prepared, there.join(prepared.file_name().unwrap())).unwrap();
    let (third, _) = one.rotate_keys(None, |_| ()).await.unwrap();
    assert!(prepared.ends_with(format!("{third}.key")));
    assert_eq!(bench.logs_in(&two, "@bob:example.org", &bob).await.unwrap(), Verdict::Verified);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_during_rotations_all_succeed() {
    let bench = Bench::new();
    let engine = bench.engine(&bench.keys()).await;
    let user = "@alice:example.org";
    let seed = bench.enrolled(&engine, user).await;
    let rotations = {
        let engine = engine.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let before = engine.keys().active();
                engine.rotate_keys(None, |_| ()).await.unwrap();
                engine.remove_key(&before, |_| ()).await.unwrap();
            }
        })
    };
    let mut logins = 0;
    while !rotations.is_finished() || logins < 10 {
        assert_eq!(bench.logs_in(&engine, user, &seed).await.unwrap(), Verdict::Verified);
        logins += 1;
    }
    rotations.await.unwrap();
}

/// While somebody draws the first random number, another server sets up the store.
struct Meanwhile {
    store: Arc<MemoryStore>,
    keys: PathBuf,
    done: AtomicBool,
}

impl Random for Meanwhile {
    fn fill(&self, bytes: &mut [u8]) {
        if !self.done.swap(true, Ordering::SeqCst) {
            let other = pin!(Keyring::open_or_create(&self.keys, &*self.store, &OsRandom));
            assert!(
                other.poll(&mut Context::from_waker(Waker::noop())).is_ready(),
                "a store in memory waits for nobody"
            );
        }
        OsRandom.fill(bytes);
    }
}

#[tokio::test]
async fn who_sets_up_a_store_a_moment_late_leaves_no_key_that_is_not_the_one() {
    for same_folder in [false, true] {
        let bench = Bench::new();
        let theirs = if same_folder { bench.keys() } else { bench.folder.path().join("theirs") };
        let random = Meanwhile { store: bench.store.clone(), keys: theirs.clone(), done: AtomicBool::new(false) };
        let opened = Keyring::open_or_create(&bench.keys(), &*bench.store, &random).await;
        let files = |folder: &Path| fs::read_dir(folder).unwrap().count();
        assert_eq!(files(&theirs), 1);
        match opened {
            Ok(ours) => assert_eq!((same_folder, ours.active()), (true, bench.open(&theirs).await.unwrap().active())),
            Err(error) => assert!(!same_folder && matches!(error, KeyError::Missing(_)), "{error}"),
        }
        assert_eq!(files(&bench.keys()), usize::from(same_folder));
    }
}
