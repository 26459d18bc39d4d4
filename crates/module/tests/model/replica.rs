//! One request on one replica: the module's own router over its own engine, stopped at each question to the store.
//!
//! A future cannot be copied, so a request in flight is kept as what it was told so far: its log. To go on, the request is run again from
//! its beginning over that log, until it asks something that the log does not answer. Everything that could differ between two runs
//! (time, random bytes, answers of the store) comes from the log or from the request, so the runs are equal as far as the log goes.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
};
use matrix_2fa::{
    Homeserver, HostError, PreparedLogin, Requester, RequesterKind, Settings, TwoFactor,
    core::{Clock, Event, Timestamp, recovery::HashParams},
    engine::{Engine, EngineSettings, Keyring, Random},
    store::{
        Commit, Committed, Expected, KeyedRecord, Kind, NewRecord, Record, RecordChange, Store, StoreError,
        StoredAccount,
    },
};
use serde_json::{Map, Value};
use tower::ServiceExt;

use crate::fixed::Fixed;

pub const USER: &str = "@alice:example.org";
pub const PASSWORD: &str = "wonderland";

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub path: &'static str,
    pub body: String,
    /// From what its random bytes are made: no two requests of a history have the same.
    pub number: u8,
    /// Which of the two homeservers it meets.
    pub host: Host,
}

/// How a homeserver makes the login of whoever gave a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// It prepares it for the commit of the code. Every login is on the same device, so that two of them meet.
    Prepares,
    /// It makes it afterwards.
    Makes,
}

/// What a prepared login makes.
pub const DEVICE: Kind = Kind("device");

/// What a replica asks of what it shares with the others.
#[derive(Clone, Debug)]
pub enum Question {
    Load,
    Commit(Box<Commit>),
    Record(Kind, String),
    RecordsOf(Kind, String),
    /// The homeserver shall make a device and a token.
    CreateLogin,
}

/// What it was told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    Account(Fixed<StoredAccount>),
    Committed(bool),
    Record(Option<Fixed<Record>>),
    Records(Vec<(String, Fixed<Record>)>),
    LoggedIn,
}

/// A request in flight: what was sent, when it arrived, and what it was told since, with the time at which it went on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Past {
    request: Fixed<Request>,
    arrived: Timestamp,
    log: Vec<(Told, Timestamp)>,
}

/// What a request in flight does next.
#[derive(Clone, Debug)]
pub enum Next {
    Asks(Question),
    Answers { status: u16, body: Value },
}

/// A past and what follows from it.
#[derive(Clone, Debug)]
pub struct Run {
    past: Fixed<Past>,
    next: Arc<Next>,
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.past == other.past
    }
}

impl Eq for Run {}

impl Hash for Run {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.past.hash(state);
    }
}

/// Equal pasts go on equally, so each is run once.
static KNOWN: LazyLock<Mutex<HashMap<Fixed<Past>, Arc<Next>>>> = LazyLock::new(Mutex::default);

impl Run {
    /// `request` arrives.
    pub fn new(request: Request, arrived: Timestamp) -> Self {
        Self::after(Past { request: request.into(), arrived, log: Vec::new() })
    }

    /// Its question is answered, at this time.
    pub fn told(&self, told: Told, now: Timestamp) -> Self {
        let mut past = Past::clone(&self.past);
        past.log.push((told, now));
        Self::after(past)
    }

    fn after(past: Past) -> Self {
        let past = Fixed::from(past);
        let known = KNOWN.lock().expect("no test panics in here").get(&past).cloned();
        let next = known.unwrap_or_else(|| {
            let next = Arc::new(past.replay());
            KNOWN.lock().expect("no test panics in here").insert(past.clone(), Arc::clone(&next));
            next
        });
        Self { past, next }
    }

    /// What happens next.
    pub fn next(&self) -> &Next {
        &self.next
    }

    /// Did somebody else commit before it?
    pub fn met_conflict(&self) -> bool {
        self.past.log.iter().any(|(told, _)| *told == Told::Committed(false))
    }
}

impl Past {
    fn replay(&self) -> Next {
        PLAYBACK.with_borrow_mut(|playback| {
            *playback = Playback { log: self.log.clone(), now: self.arrived, ..Playback::new(self.request.number) };
            playback.log.reverse();
        });
        let answer = REPLICA.with(|replica| replica.answer(&self.request));
        PLAYBACK.with_borrow_mut(|playback| {
            assert!(playback.log.is_empty(), "a replay went another way: {:?}", self.request);
            playback.asked.take().map_or(answer, Next::Asks)
        })
    }
}

/// A log while it is read.
struct Playback {
    log: Vec<(Told, Timestamp)>,
    now: Timestamp,
    asked: Option<Question>,
    random: u64,
}

thread_local! {
    static PLAYBACK: RefCell<Playback> = RefCell::new(Playback::new(0));
    static REPLICA: Replica = Replica::new();
}

impl Playback {
    fn new(number: u8) -> Self {
        Self { log: Vec::new(), now: Timestamp::default(), asked: None, random: u64::from(number) << 32 }
    }

    /// The next line of the log. Past its end the question is kept, and the request ends in an error that nobody sees.
    fn ask(&mut self, question: Question) -> Result<Told, StoreError> {
        if let (None, Some((told, now))) = (&self.asked, self.log.pop()) {
            self.now = now;
            return Ok(told);
        }
        self.asked.get_or_insert(question);
        Err(StoreError::Unavailable("the log ends here".into()))
    }
}

fn ask(question: Question) -> Result<Told, StoreError> {
    PLAYBACK.with_borrow_mut(|playback| playback.ask(question))
}

struct Replica {
    runtime: tokio::runtime::Runtime,
    prepares: Router,
    makes: Router,
}

impl Replica {
    fn new() -> Self {
        let settings = EngineSettings {
            hash_params: HashParams { memory_kib: 8, passes: 1, lanes: 1 },
            ..EngineSettings::default()
        };
        let keys = Keyring::ephemeral(&SameKeys);
        let engine = Engine::new(Arc::new(Shared), keys, Arc::new(Shared), Arc::new(Shared), settings);
        let router = |host| TwoFactor::new(engine.clone(), Arc::new(host), Settings::default()).router();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { runtime, prepares: router(Host::Prepares), makes: router(Host::Makes) }
    }

    fn answer(&self, request: &Request) -> Next {
        let http = http::Request::post(format!("/_matrix/client/v3/{}", request.path))
            .header("Authorization", "Bearer token")
            .body(Body::from(request.body.clone()))
            .expect("a request");
        self.runtime.block_on(async {
            let router = match request.host {
                Host::Prepares => self.prepares.clone(),
                Host::Makes => self.makes.clone(),
            };
            let response = router.oneshot(http).await.expect("routers answer everything");
            let status = response.status().as_u16();
            let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a whole body");
            Next::Answers { status, body: serde_json::from_slice(&bytes).expect("JSON") }
        })
    }
}

/// Store, clock and chance of every replica: all of them read from the log.
struct Shared;

#[async_trait]
impl Store for Shared {
    async fn load(&self, user: &str) -> Result<StoredAccount, StoreError> {
        assert_eq!(user, USER);
        match ask(Question::Load)? {
            Told::Account(stored) => Ok(StoredAccount::clone(&stored)),
            other => unreachable!("{other:?}"),
        }
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        match ask(Question::Commit(Box::new(commit)))? {
            Told::Committed(done) => Ok(if done { Committed::Done } else { Committed::Conflict }),
            other => unreachable!("{other:?}"),
        }
    }

    async fn record(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        match ask(Question::Record(kind, key.to_owned()))? {
            Told::Record(record) => Ok(record.map(|record| Record::clone(&record))),
            other => unreachable!("{other:?}"),
        }
    }

    async fn records_of(&self, kind: Kind, user: &str) -> Result<Vec<KeyedRecord>, StoreError> {
        match ask(Question::RecordsOf(kind, user.to_owned()))? {
            Told::Records(records) => {
                Ok(records.into_iter().map(|(key, record)| (key, Record::clone(&record))).collect())
            }
            other => unreachable!("{other:?}"),
        }
    }

    async fn sweep(&self, _now: Timestamp, _limit: usize) -> Result<usize, StoreError> {
        unreachable!("no request sweeps")
    }

    async fn events(&self, _user: &str, _since: Timestamp, _limit: usize) -> Result<Vec<Event>, StoreError> {
        unreachable!("no request reads the audit")
    }

    async fn users(&self, _after: Option<&str>, _limit: usize) -> Result<Vec<String>, StoreError> {
        unreachable!("no request lists users")
    }

    async fn records(&self, _kind: Kind, _after: Option<&str>, _limit: usize) -> Result<Vec<KeyedRecord>, StoreError> {
        unreachable!("no request lists a kind")
    }
}

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        PLAYBACK.with_borrow(|playback| playback.now)
    }

    /// A replica serves millions of histories and keeps nothing between them; what it counts by this clock to refuse floods has time to be
    /// forgotten.
    fn elapsed(&self) -> Duration {
        static MINUTES: AtomicU64 = AtomicU64::new(0);
        Duration::from_secs(60 * MINUTES.fetch_add(1, Ordering::Relaxed))
    }
}

impl Random for Shared {
    fn fill(&self, bytes: &mut [u8]) {
        PLAYBACK.with_borrow_mut(|playback| {
            for byte in bytes {
                playback.random += 1;
                *byte = scramble(playback.random);
            }
        });
    }
}

struct SameKeys;

impl Random for SameKeys {
    fn fill(&self, bytes: &mut [u8]) {
        (0..).zip(bytes).for_each(|(place, byte)| *byte = scramble(place));
    }
}

/// One byte of splitmix64.
fn scramble(seed: u64) -> u8 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).to_be_bytes()[0]
}

#[async_trait]
impl Homeserver for Host {
    fn server_name(&self) -> &str {
        "example.org"
    }

    fn canonical_user(&self, _given: &str) -> Option<String> {
        Some(USER.to_owned())
    }

    async fn authenticate(&self, _request: &http::request::Parts) -> Result<Requester, HostError> {
        Ok(Requester { user: USER.to_owned(), device: Some("OLD".to_owned()), kind: RequesterKind::User })
    }

    async fn verify_password(&self, _user: &str, password: &str) -> Result<bool, HostError> {
        Ok(password == PASSWORD)
    }

    async fn revoke_other_sessions(&self, _user: &str, _keep: Option<&str>) -> Result<(), HostError> {
        Ok(())
    }

    async fn prepare_login(
        &self,
        _user: &str,
        _request: &Map<String, Value>,
    ) -> Result<Option<PreparedLogin>, HostError> {
        if *self == Self::Makes {
            return Ok(None);
        }
        let expected = match ask(Question::Record(DEVICE, "NEW".to_owned())) {
            Ok(Told::Record(known)) => known.map_or(Expected::Absent, |known| Expected::Version(known.version)),
            Ok(other) => unreachable!("{other:?}"),
            Err(error) => return Err(HostError::Unavailable(Box::new(error))),
        };
        let next = NewRecord { user: Some(USER.to_owned()), ..NewRecord::default() };
        let changes = vec![RecordChange::put(DEVICE, "NEW", expected, next)];
        Ok(Some(PreparedLogin { epoch: 0, changes, answer: logged_in() }))
    }

    async fn create_login(&self, _user: &str, _request: &Map<String, Value>, _epoch: u64) -> Result<Value, HostError> {
        match ask(Question::CreateLogin) {
            Ok(_logged_in) => Ok(logged_in()),
            Err(error) => Err(HostError::Unavailable(Box::new(error))),
        }
    }
}

fn logged_in() -> Value {
    serde_json::json!({"user_id": USER, "device_id": "NEW", "access_token": "new"})
}
