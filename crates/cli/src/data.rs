//! The data folder: `matrix-2fa.key` seals the secrets in the store, which lies in `store/` or in a database. Back up both, and not in one place.

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

use crate::{
    console,
    failure::Failure,
    settings::Settings,
    storage::{self, Storage},
};

/// Everything that a server works on, opened.
pub struct Data {
    pub store: Arc<dyn Store>,
    pub engine: Engine,
    pub host: Arc<LocalHomeserver>,
}

impl Data {
    /// Opens the folder; makes it, for its owner only, if it does not exist. `tell` may put another clock before the store's.
    pub async fn open_or_create(
        settings: &Settings,
        tell: impl FnOnce(Arc<dyn Clock>) -> Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let folder = &settings.data;
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
            Failure::start(format!(
                "cannot make the data folder {}: {error}; choose another with --data",
                folder.display()
            ))
        })?;
        Self::open(settings, tell).await
    }

    /// Opens a folder that a server has used before.
    pub async fn open_existing(settings: &Settings) -> Result<Self, Failure> {
        let used = if settings.database.is_some() { key_file(&settings.data) } else { storage::folder(settings) };
        if !used.exists() {
            let folder = settings.data.display();
            return Err(Failure::start(format!("{folder} is not the data folder of a server; name it with --data")));
        }
        Self::open(settings, |clock| clock).await
    }

    async fn open(settings: &Settings, tell: impl FnOnce(Arc<dyn Clock>) -> Arc<dyn Clock>) -> Result<Self, Failure> {
        warn_if_open(&settings.data);
        let Storage { store, clock } = Storage::open(settings).await?;
        #[cfg(feature = "faults")]
        let store = crate::faulty::wrap(store);
        let clock = tell(clock);
        let random = Arc::new(OsRandom);
        let keys = Keyring::open_or_create(&key_file(&settings.data), store.as_ref(), random.as_ref()).await;
        let keys = keys.map_err(|error| Failure::because(&error))?;
        let host = LocalHomeserver::open(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::<OsRandom>::clone(&random),
            settings.homeserver(),
        );
        let host = Arc::new(host.await.map_err(|error| Failure::because(&error))?);
        let engine = Engine::new(Arc::clone(&store), keys, clock, random, settings.engine());
        Ok(Self { store, engine, host })
    }
}

/// We make these folders for their owner alone. One that was there before may be open to others on purpose (to a backup), so this is no
/// reason not to start; the key file is strictly its owner's.
pub fn warn_if_open(folder: &Path) {
    let mode = folder.metadata().map_or(0, |folder| folder.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        let shown = folder.display();
        console::warn(&format!(
            "others on this machine can look into {shown} (mode {mode:03o}): run chmod 700 {shown}"
        ));
    }
}

/// Where the key is.
pub fn key_file(data: &Path) -> PathBuf {
    data.join("matrix-2fa.key")
}
