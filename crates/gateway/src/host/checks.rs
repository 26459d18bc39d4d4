//! Checks of a password that are under way. Each is noted in a file before the upstream hears of it: the name, the password and the device id
//! that we chose for it, sealed with the server's key. Whoever logs in again with all three has the device of the first login, wherever that
//! got to, and ends it with every token that it has. The file goes when the check is over.
//!
//! The file is for a process that is killed, and for an answer that never came. So it need not survive a power cut and is not flushed, and
//! in its life of a moment it seldom reaches the disk. It is in no store and in no backup of one.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use io::Write as _;
use matrix_2fa::{engine::Engine, homeserver::HostError};
use matrix_2fa_core::{SealedSeed, Seed};
use matrix_2fa_store::codec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::away;
use crate::{
    calls::{Answer, Login, unavailable},
    upstream::{Upstream, UpstreamError},
};

/// What a note is sealed for, beside the device id.
const LABEL: &str = "password check";

/// Between two looks at what is left.
const ROUND: Duration = Duration::from_secs(25);

/// So often it is ended: the upstream may still be at the first login when it is asked for the second.
const ROUNDS: u32 = 3;

/// The folder of the notes.
#[derive(Clone)]
pub(super) struct Checks {
    upstream: Upstream,
    folder: PathBuf,
    engine: Engine,
    /// Whose files are not yet anybody else's business.
    running: Arc<Mutex<HashSet<String>>>,
}

/// What the upstream is asked.
#[derive(Serialize, Deserialize)]
struct Check {
    /// Of the device that the upstream makes for it. Random, so it is nobody's.
    device: String,
    identifier: Value,
    password: Zeroizing<String>,
}

/// A check that somebody is at. The note of one that is dropped before its end stays, and is found.
pub(super) struct Running {
    checks: Checks,
    check: Check,
}

impl Checks {
    pub(super) fn open(upstream: Upstream, folder: PathBuf, engine: Engine) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { upstream, folder, engine, running: Arc::default() })
    }

    /// Notes a check. An error: it must not be begun.
    pub(super) async fn begin(&self, identifier: Value, password: &str) -> Result<Running, HostError> {
        let password = Zeroizing::new(password.to_owned());
        let check = Check { device: self.engine.fresh_id(), identifier, password };
        let note = self.seal(&check).map_err(unavailable)?;
        let path = self.folder.join(&check.device);
        self.running().insert(check.device.clone());
        let running = Running { checks: self.clone(), check };
        blocking(move || write(&path, &note)).await.map_err(unavailable)?;
        Ok(running)
    }

    /// Ends what was cut short, as long as the server runs.
    pub(super) async fn end_all(&self) {
        let mut ended: HashMap<String, u32> = HashMap::new();
        loop {
            if let Err(error) = self.end_round(&mut ended).await {
                tracing::warn!(error = &error as &dyn Error, "what password checks left at the upstream is not ended");
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn end_round(&self, ended: &mut HashMap<String, u32>) -> io::Result<()> {
        for check in self.left().await? {
            match self.ask(&check).await {
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => {}
                Ok(answer) if self.is_over(&answer).await => {
                    let times = ended.entry(check.device.clone()).or_default();
                    *times += 1;
                    if *times >= ROUNDS {
                        ended.remove(&check.device);
                        self.forget(&check.device).await;
                    }
                }
                Ok(_) => {}
                // Nor would it answer the others.
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(())
    }

    async fn ask(&self, check: &Check) -> Result<Answer, UpstreamError> {
        self.upstream.probe(&check.identifier, &check.password, &check.device).await
    }

    /// Ends the login that was made. Is nothing left?
    async fn is_over(&self, answer: &Answer) -> bool {
        match Login::of(answer) {
            Some(login) => self.upstream.try_log_out(&login.token).await,
            None => !answer.status.is_server_error(),
        }
    }

    /// What nobody is at.
    async fn left(&self) -> io::Result<Vec<Check>> {
        let this = self.clone();
        blocking(move || {
            // Looked at first: a check that begins meanwhile may have a file, and one that ended meanwhile has none.
            let files = fs::read_dir(&this.folder)?.collect::<io::Result<Vec<_>>>()?;
            let mut left = Vec::new();
            for file in files {
                let Ok(device) = file.file_name().into_string() else { continue };
                if this.running().contains(&device) {
                    continue;
                }
                match fs::read(file.path()) {
                    Ok(note) => match this.unseal(&device, &note) {
                        Some(check) => left.push(check),
                        // Cut short while it was written: the upstream has not heard of it. Or the key is gone.
                        None => fs::remove_file(file.path())?,
                    },
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(left)
        })
        .await
    }

    async fn forget(&self, device: &str) {
        let path = self.folder.join(device);
        if let Err(error) = blocking(move || fs::remove_file(path)).await {
            tracing::warn!(error = &error as &dyn Error, "the note of a password check stays");
        }
    }

    fn seal(&self, check: &Check) -> Result<Vec<u8>, Unsealed> {
        let bytes = serde_json::to_vec(check).map_err(|_| Unsealed)?;
        let (keys, random) = (self.engine.keys(), self.engine.random());
        let sealed = keys.seal(LABEL, &check.device, &Seed::from_bytes(bytes), random.as_ref());
        codec::encode(LABEL, &sealed.map_err(|_| Unsealed)?).map_err(|_| Unsealed)
    }

    fn unseal(&self, device: &str, note: &[u8]) -> Option<Check> {
        let sealed: SealedSeed = codec::decode(LABEL, note).ok()?;
        let opened = self.engine.keys().open(LABEL, device, &sealed).ok()?;
        serde_json::from_slice(opened.expose()).ok()
    }

    fn running(&self) -> MutexGuard<'_, HashSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Asks the upstream.
    pub(super) async fn ask(&self) -> Result<Answer, HostError> {
        let asked = self.checks.ask(&self.check).await;
        if let Err(UpstreamError::Unreachable(error)) = &asked
            && error.is_connect()
        {
            // It has not heard of it.
            self.checks.forget(&self.check.device).await;
        }
        asked.map_err(away)
    }

    /// Ends the login, if one was made. Where that does not succeed, the note stays.
    pub(super) async fn end(self, answer: &Answer) {
        if self.checks.is_over(answer).await {
            self.checks.forget(&self.check.device).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.checks.running().remove(&self.check.device);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a password check could not be noted")]
struct Unsealed;

fn write(path: &Path, note: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(note)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
}
