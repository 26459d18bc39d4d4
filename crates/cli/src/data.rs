//! The data folder: `keys/` has the keys that seal the secrets in the store, which lies in `store/` or in a database; `control.sock` is where the
//! commands reach the running server, and `marker.json` tells a restored store. Keys and marker can lie elsewhere.

use std::{
    fs::DirBuilder,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    sync::Arc,
};

use matrix_2fa::homeserver::Homeserver;
use matrix_2fa_core::Clock;
use matrix_2fa_engine::{Engine, Keyring, OsRandom};
use matrix_2fa_homeserver::LocalHomeserver;
use matrix_2fa_store::Store;

use crate::{
    audit::{self, Tap},
    console,
    failure::{Failure, chain},
    guard::Guard,
    settings::Settings,
    storage::{self, Storage},
};

/// Everything that a server works on, opened.
#[derive(Clone)]
pub struct Data {
    pub store: Arc<dyn Store>,
    pub engine: Engine,
    pub host: Arc<LocalHomeserver>,
    pub guard: Arc<Guard>,
    pub settings: Arc<Settings>,
    /// Where audited things are written beside the store.
    pub audit: Option<Tap>,
}

impl Data {
    /// Opens the folder; makes it, for its owner only, if it does not exist. `tell` may put another clock before the store's.
    pub async fn open_or_create(
        settings: &Settings,
        tell: impl FnOnce(Arc<dyn Clock>) -> Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        make_folder(&settings.data)?;
        Self::open(settings, tell).await?.guarded().await
    }

    /// Opens a folder that a server has used before.
    pub async fn open_existing(settings: &Settings) -> Result<Self, Failure> {
        Self::open_unguarded(settings).await?.guarded().await
    }

    /// The same, also if the store was restored from a backup and may not be used yet.
    pub async fn open_unguarded(settings: &Settings) -> Result<Self, Failure> {
        let used = if settings.database.is_some() { settings.key_folder() } else { storage::folder(settings) };
        if !used.is_dir() {
            let folder = settings.data.display();
            return Err(Failure::start(format!("{folder} is not the data folder of a server; name it with --data")));
        }
        Self::open(settings, |clock| clock).await
    }

    async fn open(settings: &Settings, tell: impl FnOnce(Arc<dyn Clock>) -> Arc<dyn Clock>) -> Result<Self, Failure> {
        let Storage { store, clock } = Storage::open(settings).await?;
        let clock = tell(clock);
        let random = Arc::new(OsRandom);
        let keys = Keyring::open_or_create(&settings.key_folder(), store.as_ref(), random.as_ref()).await;
        let keys = keys.map_err(|error| Failure::because(&error))?;
        let audit = audit::open(settings, &keys, clock.now())?;
        let store = audit.as_ref().map_or_else(|| Arc::clone(&store), |tap| tap.on(Arc::clone(&store)));
        let guard = Guard::open(Arc::clone(&store), Arc::clone(&clock), settings.state_folder()).await?;
        let host = LocalHomeserver::open(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::<OsRandom>::clone(&random),
            settings.homeserver(),
        );
        let host = Arc::new(host.await.map_err(|error| Failure::because(&error))?);
        let rules = settings.rules(|user| host.canonical_user(user))?;
        let engine = Engine::new(Arc::clone(&store), keys, clock, random, settings.engine(rules));
        Ok(Self { store, engine, host, guard: Arc::new(guard), settings: Arc::new(settings.clone()), audit })
    }

    /// Are the users those of a homeserver behind this one?
    pub fn is_gateway(&self) -> bool {
        self.settings.upstream.is_some()
    }

    /// Reads the settings again and puts their policy in force. False: it is what it was.
    pub async fn reload_policy(&self, author: &str) -> Result<bool, Failure> {
        let rules = self.settings.again()?.rules(|user| self.host.canonical_user(user))?;
        let changed = self.engine.change_rules(rules, author).await;
        changed.map_err(|error| Failure::run(chain(&error)))
    }

    async fn guarded(self) -> Result<Self, Failure> {
        self.guard.admit().await?;
        Ok(self)
    }
}

/// Makes a folder for its owner only, if it does not exist.
pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
        Failure::start(format!("cannot make the data folder {}: {error}; choose another with --data", folder.display()))
    })
}

/// We make these folders for their owner alone. One that was there before may be open to others on purpose (to a backup), so this is no
/// reason not to start; key files are strictly their owner's.
pub fn warn_if_open(folder: &Path) {
    let mode = folder.metadata().map_or(0, |folder| folder.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        let shown = folder.display();
        console::warn(&format!(
            "others on this machine can look into {shown} (mode {mode:03o}): run chmod 700 {shown}"
        ));
    }
}
