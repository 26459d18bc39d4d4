//! Where everything is kept: a store in the data folder, or a PostgreSQL database; and the clock that decides over it.

use std::{path::PathBuf, sync::Arc};

use matrix_2fa_core::Clock;
use matrix_2fa_engine::SystemClock;
use matrix_2fa_store::Store;
use matrix_2fa_store_postgres::{Address, Look, Options as PostgresOptions, PostgresStore};
use matrix_2fa_store_sled::{Options as SledOptions, SledStore};

use crate::{
    data::warn_if_open,
    failure::{Failure, chain},
    settings::{DatabaseUrl, Settings},
};

/// An open store, and its clock: a database has one of its own, which all servers share.
pub struct Storage {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
}

impl Storage {
    /// Opens what the settings name; makes it if there is none.
    pub async fn open(settings: &Settings) -> Result<Self, Failure> {
        warn_if_open(&settings.data);
        let Self { store, clock } = match &settings.database {
            Some(url) => database(url, settings).await?,
            None => embedded(settings).await?,
        };
        #[cfg(feature = "faults")]
        let store = crate::faulty::wrap(store);
        Ok(Self { store, clock })
    }
}

/// The folder of the embedded store.
pub fn folder(settings: &Settings) -> PathBuf {
    settings.data.join("store")
}

async fn embedded(settings: &Settings) -> Result<Storage, Failure> {
    let path = folder(settings);
    warn_if_open(&path);
    let options = SledOptions { cache_bytes: settings.cache_mib.saturating_mul(1024 * 1024), ..SledOptions::default() };
    // Opening repairs a store that was killed, which can take a while.
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&path, options)).await;
    let store = opened.map_err(|error| Failure::because(&error))?.map_err(|error| Failure::because(&error))?;
    Ok(Storage { store: Arc::new(store), clock: Arc::new(SystemClock) })
}

async fn database(url: &DatabaseUrl, settings: &Settings) -> Result<Storage, Failure> {
    let address = address(url)?;
    let options = PostgresOptions { connections: settings.database_connections, ..PostgresOptions::default() };
    let store = PostgresStore::open(&address, options).await;
    let store = store.map_err(|error| Failure::start(format!("database: {}", chain(&error))))?;
    let clock = store.clock();
    Ok(Storage { store: Arc::new(store), clock })
}

/// A look at the database, which changes nothing in it.
pub async fn look(url: &DatabaseUrl) -> Result<Look, Failure> {
    let look = Look::at(&address(url)?).await;
    look.map_err(|error| Failure::start(format!("database: {}", chain(&error))))
}

fn address(url: &DatabaseUrl) -> Result<Address, Failure> {
    url.expose().parse().map_err(|error| Failure::start(format!("database: {}", chain(&error))))
}
