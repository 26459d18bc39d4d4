//! The data folder: `matrix-2fa.key` seals the secrets in the store, which lies in `store/` or in a database. Back up both, and not in one place.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::PathBuf, sync::Arc};

use matrix_2fa_core::Clock;
use matrix_2fa_engine::{Engine, Keyring, OsRandom};
use matrix_2fa_homeserver::LocalHomeserver;
use matrix_2fa_store::Store;

use crate::{
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
        let used = if settings.database.is_some() { key_file(settings) } else { storage::folder(settings) };
        if !used.exists() {
            let folder = settings.data.display();
            return Err(Failure::start(format!("{folder} is not the data folder of a server; name it with --data")));
        }
        Self::open(settings, |clock| clock).await
    }

    async fn open(settings: &Settings, tell: impl FnOnce(Arc<dyn Clock>) -> Arc<dyn Clock>) -> Result<Self, Failure> {
        let Storage { store, clock } = Storage::open(settings).await?;
        let clock = tell(clock);
        let random = Arc::new(OsRandom);
        let keys = Keyring::open_or_create(&key_file(settings), store.as_ref(), random.as_ref()).await;
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

fn key_file(settings: &Settings) -> PathBuf {
    settings.data.join("matrix-2fa.key")
}
