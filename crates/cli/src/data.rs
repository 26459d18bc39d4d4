//! The data folder: `store/` is the database, `keys/` has the keys that seal the secrets in it, `control.sock` is where the commands reach
//! the running server, and `marker.json` tells a restored store. Keys and marker can lie elsewhere.

use std::{
    fs::DirBuilder,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use matrix_2fa_core::Clock;
use matrix_2fa_engine::{Engine, Keyring, OsRandom};
use matrix_2fa_homeserver::LocalHomeserver;
use matrix_2fa_store::Store;
use matrix_2fa_store_sled::{Options, SledStore};

use crate::{console, failure::Failure, guard::Guard, settings::Settings};

/// Everything that lives in the data folder, opened.
#[derive(Clone)]
pub struct Data {
    pub store: Arc<dyn Store>,
    pub engine: Engine,
    pub host: Arc<LocalHomeserver>,
    pub guard: Arc<Guard>,
    pub key_folder: PathBuf,
}

impl Data {
    /// Opens the folder; makes it, for its owner only, if it does not exist.
    pub async fn open_or_create(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        make_folder(&settings.data)?;
        Self::open(settings, clock).await?.guarded().await
    }

    /// Opens a folder that a server has used before.
    pub async fn open_existing(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        Self::open_unguarded(settings, clock).await?.guarded().await
    }

    /// The same, also if the store was restored from a backup and may not be used yet.
    pub async fn open_unguarded(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        if !store_folder(&settings.data).is_dir() {
            let folder = settings.data.display();
            return Err(Failure::start(format!("{folder} is not the data folder of a server; name it with --data")));
        }
        Self::open(settings, clock).await
    }

    async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let store = open_store(settings).await?;
        let guard = Guard::open(Arc::clone(&store), Arc::clone(&clock), settings.state_folder()).await?;
        let random = Arc::new(OsRandom);
        let key_folder = settings.key_folder();
        let keys = Keyring::open_or_create(&key_folder, store.as_ref(), random.as_ref()).await;
        let keys = keys.map_err(|error| Failure::because(&error))?;
        let host = LocalHomeserver::open(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::<OsRandom>::clone(&random),
            settings.homeserver(),
        );
        let host = Arc::new(host.await.map_err(|error| Failure::because(&error))?);
        let engine = Engine::new(Arc::clone(&store), keys, clock, random, settings.engine());
        Ok(Self { store, engine, host, guard: Arc::new(guard), key_folder })
    }

    async fn guarded(self) -> Result<Self, Failure> {
        self.guard.admit().await?;
        Ok(self)
    }
}

/// Opens the store; makes it if there is none.
pub async fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, Failure> {
    let path = store_folder(&settings.data);
    warn_if_open(&settings.data);
    warn_if_open(&path);
    let options = Options { cache_bytes: settings.cache_mib.saturating_mul(1024 * 1024), ..Options::default() };
    // Opening repairs a store that was killed, which can take a while.
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&path, options)).await;
    let store = opened.map_err(|error| Failure::because(&error))?.map_err(|error| Failure::because(&error))?;
    let store: Arc<dyn Store> = Arc::new(store);
    #[cfg(feature = "faults")]
    let store = crate::faulty::wrap(store);
    Ok(store)
}

/// Makes a folder for its owner only, if it does not exist.
pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
        Failure::start(format!("cannot make the data folder {}: {error}; choose another with --data", folder.display()))
    })
}

/// We make these folders for their owner alone. One that was there before may be open to others on purpose (to a backup), so this is no
/// reason not to start; key files are strictly their owner's.
fn warn_if_open(folder: &Path) {
    let mode = folder.metadata().map_or(0, |folder| folder.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        let shown = folder.display();
        console::warn(&format!(
            "others on this machine can look into {shown} (mode {mode:03o}): run chmod 700 {shown}"
        ));
    }
}

/// Where the store is.
pub fn store_folder(data: &Path) -> PathBuf {
    data.join("store")
}
