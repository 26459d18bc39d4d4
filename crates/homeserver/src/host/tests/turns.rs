//! Many at once: who holds a stolen token against who wants to end it, and two replicas.

use std::{pin::Pin, sync::Mutex as StdMutex};

use async_trait::async_trait;
use matrix_2fa_core::Event;
use matrix_2fa_store::{KeyedRecord, Kind, Record, StoreError, StoredAccount};

use super::*;
use crate::records::USER;

type Act = Pin<Box<dyn Future<Output = ()> + Send>>;

/// No kind of record.
const COMMIT: Kind = Kind("commit");

/// A store that lets others run before each of its answers, as every real one does. Something can be made to happen right before the next
/// read of a kind, and one account can be out of reach.
#[derive(Default)]
pub(super) struct Busy {
    inner: MemoryStore,
    before: StdMutex<Option<(Kind, usize, Act)>>,
    broken: StdMutex<Option<&'static str>>,
}

impl Busy {
    pub fn before(&self, read: Kind, act: impl Future<Output = ()> + Send + 'static) {
        self.before_nth(read, 0, act);
    }

    /// The same after so many others.
    pub fn before_nth(&self, read: Kind, others: usize, act: impl Future<Output = ()> + Send + 'static) {
        *self.before.lock().expect("whole") = Some((read, others, Box::pin(act)));
    }

    /// Is there something that has not happened yet? It will not happen any more.
    pub fn is_waiting(&self) -> bool {
        self.before.lock().expect("whole").take().is_some()
    }

    pub fn before_commit(&self, act: impl Future<Output = ()> + Send + 'static) {
        self.before(COMMIT, act);
    }

    async fn pause(&self, kind: Option<Kind>) {
        tokio::task::yield_now().await;
        let due = {
            let mut before = self.before.lock().expect("whole");
            before.take_if(|(awaited, others, _)| {
                let now = Some(*awaited) == kind;
                let last = *others == 0;
                *others -= usize::from(now && !last);
                now && last
            })
        };
        if let Some((_, _, act)) = due {
            act.await;
        }
    }
}

#[async_trait]
impl Store for Busy {
    async fn load(&self, user: &str) -> Result<StoredAccount, StoreError> {
        self.pause(None).await;
        match *self.broken.lock().expect("whole") {
            Some(broken) if broken == user => Err(StoreError::Unavailable("out of reach".into())),
            _ => Ok(()),
        }?;
        self.inner.load(user).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        self.pause(Some(COMMIT)).await;
        self.inner.commit(commit).await
    }

    async fn record(&self, kind: Kind, key: &str) -> Result<Option<Record>, StoreError> {
        self.pause(Some(kind)).await;
        self.inner.record(kind, key).await
    }

    async fn records_of(&self, kind: Kind, user: &str) -> Result<Vec<KeyedRecord>, StoreError> {
        self.pause(None).await;
        self.inner.records_of(kind, user).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.sweep(now, limit).await
    }

    async fn events(&self, user: &str, since: Timestamp, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.inner.events(user, since, limit).await
    }

    async fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.inner.users(after, limit).await
    }

    async fn records(&self, kind: Kind, after: Option<&str>, limit: usize) -> Result<Vec<KeyedRecord>, StoreError> {
        self.inner.records(kind, after, limit).await
    }
}

/// Writes to the stolen device again and again, in every way that a token allows, until the token is dead.
async fn hammer(host: Arc<LocalHomeserver>, refresh: String, way: usize) {
    let keys = json!({"device_keys": {"user_id": ALICE}});
    let keys = keys.as_object().expect("an object");
    loop {
        let done = match way % 3 {
            0 => host.refresh(&refresh).await.map(drop),
            1 => host.upload_keys(ALICE, "STOLEN", keys).await.map(drop),
            _ => host.rename_device(ALICE, "STOLEN", "mine now").await,
        };
        match done {
            Ok(()) | Err(HostError::Overloaded { .. }) => tokio::task::yield_now().await,
            // Renaming does not ask for the token: that its device is gone is the same news.
            Err(HostError::UnknownToken { .. } | HostError::Refused { status: 404, .. }) => return,
            Err(other) => panic!("{other}"),
        }
    }
}

/// Without turns the owner lost all 64 attempts and was told to come back later, again and again.
#[tokio::test]
async fn the_owner_ends_a_stolen_token_however_hard_it_is_used() {
    for act in ["end all sessions", "change the password", "remove the device"] {
        let house = House::over(Arc::new(Busy::default())).await;
        house.host.register(ALICE, "correct horse", None).await.expect("registers");
        let stolen = house.login(json!({"device_id": "STOLEN", "refresh_token": true})).await;
        let mine = house.login(json!({"device_id": "MINE"})).await;
        let refresh = stolen["refresh_token"].as_str().expect("a token").to_owned();
        let thieves: Vec<_> =
            (0..12).map(|way| tokio::spawn(hammer(Arc::clone(&house.host), refresh.clone(), way))).collect();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let ended = match act {
            "end all sessions" => house.host.end_sessions(ALICE, None).await,
            "change the password" => house.host.set_password(ALICE, 0, "another horse", Some("MINE"), true).await,
            _ => house.host.remove_devices(ALICE, &["STOLEN".to_owned()], Some(0)).await,
        };
        ended.unwrap_or_else(|error| panic!("{act}: {error}"));
        for thief in thieves {
            thief.await.expect("no panic");
        }
        assert_eq!(house.who(&stolen["access_token"]).await, Err(false), "{act}");
        let kept = house.who(&mine["access_token"]).await;
        assert_eq!(kept.is_ok(), act != "end all sessions", "{act}: {kept:?}");
    }
}

/// On another replica nobody takes turns: there the pair was made for a generation that had just ended.
#[tokio::test]
async fn a_refresh_at_the_moment_of_a_password_change_gives_a_pair_that_lives() {
    let store = Arc::new(Busy::default());
    let (house, replica) = (House::over(store.clone()).await, House::over(store.clone()).await);
    house.host.register(ALICE, "correct horse", None).await.expect("registers");
    let login = house.login(json!({"device_id": "MINE", "refresh_token": true})).await;
    // The refresh has read the device, and is about to read its user.
    store.before(USER, async move {
        replica.host.set_password(ALICE, 0, "another horse", Some("MINE"), true).await.expect("changed");
    });
    let pair = house.refresh(&login["refresh_token"]).await.expect("refreshes");
    assert!(store.before.lock().expect("whole").is_none(), "the password changed in between");
    assert_eq!(house.who(&pair["access_token"]).await, Ok("MINE".to_owned()));
    assert!(house.refresh(&pair["refresh_token"]).await.is_ok());
}

/// The first use of a new token ends its predecessors, and must not bring back a generation that ended meanwhile.
#[tokio::test]
async fn a_first_use_at_the_moment_of_the_end_of_all_sessions_brings_nothing_back() {
    let store = Arc::new(Busy::default());
    let (house, replica) = (House::over(store.clone()).await, House::over(store.clone()).await);
    house.host.register(ALICE, "correct horse", None).await.expect("registers");
    let login = house.login(json!({"device_id": "MINE", "refresh_token": true})).await;
    let pair = house.refresh(&login["refresh_token"]).await.expect("refreshes");
    store.before(USER, async move {
        replica.host.end_sessions(ALICE, None).await.expect("ended");
    });
    assert_eq!(house.who(&pair["access_token"]).await, Err(false));
    assert_eq!(house.refresh(&pair["refresh_token"]).await, Err(false));
    assert!(house.host.devices(ALICE).await.expect("lists").is_empty());
}

#[tokio::test]
async fn one_user_who_cannot_be_forgotten_holds_up_nobody_else() {
    const BOB: &str = "@bob:localhost";
    let store = Arc::new(Busy::default());
    let house = House::over(store.clone()).await;
    let engine = matrix_2fa::engine::Engine::new(
        store.clone(),
        matrix_2fa::engine::Keyring::ephemeral(&OsRandom),
        Arc::new(house.clock.clone()),
        Arc::new(OsRandom),
        matrix_2fa::engine::EngineSettings::default(),
    );
    let module = matrix_2fa::TwoFactor::new(engine, Arc::clone(&house.host) as Arc<_>, Default::default());
    for user in [ALICE, BOB] {
        house.host.register(user, "correct horse", None).await.expect("registers");
        house.host.deactivate(user, 0).await.expect("deactivates");
    }
    *store.broken.lock().expect("whole") = Some(ALICE);
    crate::finish_forgetting(&house.host, &module).await.expect_err("alice is out of reach");
    assert_eq!(house.host.to_forget().await.expect("lists"), [ALICE]);
    *store.broken.lock().expect("whole") = None;
    crate::finish_forgetting(&house.host, &module).await.expect("forgets");
    assert_eq!(house.host.to_forget().await.expect("lists"), [""; 0]);
}
