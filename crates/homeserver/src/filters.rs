//! Sync filters: kept and given back, because clients upload one before they do anything else.

use std::time::Duration;

use matrix_2fa::homeserver::HostError;
use matrix_2fa_store::{Expected, NewRecord, RecordChange};
use serde_json::{Map, Value};

use crate::{
    host::{LocalHomeserver, until_committed},
    records::{self, device_key},
    refuse::{bad_request, kept, unavailable},
};

/// Filters of one user. Clients need a handful; without a bound a stolen token could fill the disk.
const MOST: usize = 100;

/// How long a filter is kept.
const FILTER_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl LocalHomeserver {
    /// Keeps a sync filter for a month; clients upload theirs again when it is gone. Equal filters share an id.
    pub(crate) async fn keep_filter(&self, user: &str, filter: &Map<String, Value>) -> Result<String, HostError> {
        let bytes = kept(filter)?.into_bytes();
        let id: String = records::TokenHash::of(&String::from_utf8_lossy(&bytes)).as_str().chars().take(16).collect();
        let present = self.store.records_of(records::FILTER, user).await.map_err(unavailable)?;
        let key = device_key(user, &id);
        if present.len() >= MOST && !present.iter().any(|(known, _)| *known == key) {
            return Err(bad_request("M_LIMIT_EXCEEDED", format!("You have {MOST} filters already. Use one of them.")));
        }
        let next = NewRecord { bytes, user: Some(user.to_owned()), expires_at: Some(self.now().plus(FILTER_LIFETIME)) };
        let changes = || vec![RecordChange::put(records::FILTER, key.clone(), Expected::Any, next.clone())];
        until_committed(|| self.commit(changes())).await?;
        Ok(id)
    }

    /// A sync filter as it was uploaded.
    pub(crate) async fn filter(&self, user: &str, id: &str) -> Result<Option<Value>, HostError> {
        let record = self.store.record(records::FILTER, &device_key(user, id)).await.map_err(unavailable)?;
        let live = record.filter(|record| record.expires_at.is_none_or(|at| at > self.now()));
        Ok(live.and_then(|record| serde_json::from_slice(&record.bytes).ok()))
    }
}
