//! Logins whose token nobody may keep before it is known whose it is: checks of a password, and logins by a credential that names its user
//! only in the answer. Each is noted in a file before the upstream hears of it: the whole request, with a device id that we chose for it,
//! sealed with the server's key. Whoever sends the same again has the device of the first login, wherever that got to, and ends it with
//! every token that it has. The file goes when it is over.
//!
//! The file is for a process that is killed, and for an answer that never came. So it need not survive a power cut and is not flushed, and
//! in its life of a moment it seldom reaches the disk. It is in no store and in no backup of one.

use std::{
    collections::HashMap,
    error::Error,
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use io::Write as _;
use matrix_2fa::{engine::Engine, homeserver::HostError};
use matrix_2fa_core::{SealedSeed, Seed};
use matrix_2fa_store::codec;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::away;
use crate::{
    calls::{Answer, Login, PROBE_NAME, unavailable},
    upstream::{Upstream, UpstreamError},
};

/// What a note is sealed for, beside the device id.
const LABEL: &str = "login under way";

/// Between two looks at what is left.
const ROUND: Duration = Duration::from_secs(25);

/// So often it is ended: the upstream may still be at the first login when it is asked for the second.
const ROUNDS: u32 = 3;

/// Notes at a time, of what is under way and of what is left. An upstream that checks a hundred passwords a second gets through as many in
/// some seconds; one that hangs shall not have the disk filled, and itself flooded when it is back.
const MOST: usize = 512;

/// The folder of the notes.
#[derive(Clone)]
pub(crate) struct Checks {
    upstream: Upstream,
    folder: PathBuf,
    engine: Engine,
    /// All that have a file, or are just getting one, by device id.
    notes: Arc<Mutex<HashMap<String, Note>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Note {
    /// Not yet anybody else's business.
    Running,
    /// Nobody is at it.
    Left,
}

/// What the upstream is asked.
#[derive(Serialize, Deserialize)]
struct Check {
    /// Of the device that the upstream makes for it. Random, so it is nobody's.
    device: String,
    /// The JSON of the login, with that device.
    body: Zeroizing<String>,
    /// The access token of an application service, which is its credential.
    token: Option<Zeroizing<String>>,
}

/// A login that somebody is at. The note of one that is dropped before its end stays, and is found.
pub(crate) struct Running {
    checks: Checks,
    check: Check,
}

impl Checks {
    pub(super) fn open(upstream: Upstream, folder: PathBuf, engine: Engine) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut notes = HashMap::new();
        for file in fs::read_dir(&folder)? {
            if let Ok(device) = file?.file_name().into_string() {
                notes.insert(device, Note::Left);
            }
        }
        Ok(Self { upstream, folder, engine, notes: Arc::new(Mutex::new(notes)) })
    }

    /// Notes the check of a password.
    pub(super) async fn begin_check(&self, identifier: Value, password: &str) -> Result<Running, HostError> {
        let body = json!({
            "type": "m.login.password", "identifier": identifier, "password": password,
            "initial_device_display_name": PROBE_NAME,
        });
        self.begin(body.as_object().cloned().unwrap_or_default(), None).await
    }

    /// Notes a login, on a device that it must not name itself. An error: it must not be begun.
    pub(crate) async fn begin(
        &self,
        mut body: Map<String, Value>,
        token: Option<String>,
    ) -> Result<Running, HostError> {
        let device = self.engine.fresh_id();
        body.insert("device_id".to_owned(), device.as_str().into());
        let body = Zeroizing::new(Value::Object(body).to_string());
        let check = Check { device, body, token: token.map(Zeroizing::new) };
        let note = self.seal(&check).map_err(unavailable)?;
        let path = self.folder.join(&check.device);
        let running = self.take_place(check)?;
        blocking(move || write(&path, &note).map(|()| running)).await.map_err(unavailable)
    }

    fn take_place(&self, check: Check) -> Result<Running, HostError> {
        let mut notes = self.notes();
        if notes.len() >= MOST {
            tracing::warn!(notes = notes.len(), "the upstream leaves so many logins open that no more are begun");
            return Err(HostError::Overloaded { retry_after: ROUND });
        }
        notes.insert(check.device.clone(), Note::Running);
        drop(notes);
        Ok(Running { checks: self.clone(), check })
    }

    /// Ends what was cut short, as long as the server runs.
    pub(super) async fn end_all(&self) {
        let mut ended: HashMap<String, u32> = HashMap::new();
        loop {
            if let Err(error) = self.end_round(&mut ended).await {
                tracing::warn!(error = &error as &dyn Error, "what was left at the upstream is not ended");
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn end_round(&self, ended: &mut HashMap<String, u32>) -> io::Result<()> {
        for check in self.left().await? {
            match self.ask(&check, HeaderMap::new()).await {
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => {}
                Ok(answer) if self.is_over(&answer).await => {
                    let times = ended.entry(check.device.clone()).or_default();
                    *times += 1;
                    if *times >= ROUNDS {
                        ended.remove(&check.device);
                        self.drop_note(&check.device).await;
                    }
                }
                Ok(_) => {}
                // Nor would it answer the others.
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(())
    }

    async fn ask(&self, check: &Check, headers: HeaderMap) -> Result<Answer, UpstreamError> {
        self.upstream.log_in(headers, &check.body, check.token.as_ref().map(|token| token.as_str())).await
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
        let left: Vec<String> =
            self.notes().iter().filter(|(_, note)| **note == Note::Left).map(|(device, _)| device.clone()).collect();
        let this = self.clone();
        blocking(move || {
            let mut checks = Vec::new();
            for device in left {
                let path = this.folder.join(&device);
                match fs::read(&path) {
                    Ok(note) => match this.unseal(&device, &note) {
                        Some(check) => checks.push(check),
                        // Cut short while it was written: the upstream has not heard of it. Or the key is gone.
                        None => {
                            fs::remove_file(path)?;
                            this.notes().remove(&device);
                        }
                    },
                    // It was never written.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        this.notes().remove(&device);
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(checks)
        })
        .await
    }

    async fn forget(&self, device: &str) -> io::Result<()> {
        let path = self.folder.join(device);
        blocking(move || fs::remove_file(path)).await?;
        self.notes().remove(device);
        Ok(())
    }

    /// Forgets what is over. If that fails it is ended once more.
    async fn drop_note(&self, device: &str) {
        if let Err(error) = self.forget(device).await {
            tracing::warn!(error = &error as &dyn Error, "the note of a login stays");
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

    fn notes(&self) -> MutexGuard<'_, HashMap<String, Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Asks the upstream. The headers go with it this once.
    pub(crate) async fn ask(&self, headers: HeaderMap) -> Result<Answer, HostError> {
        let asked = self.checks.ask(&self.check, headers).await;
        if let Err(UpstreamError::Unreachable(error)) = &asked
            && error.is_connect()
        {
            // It has not heard of it.
            self.checks.drop_note(&self.check.device).await;
        }
        asked.map_err(away)
    }

    /// Ends the login, if one was made. Where that does not succeed, the note stays.
    pub(crate) async fn end(self, answer: &Answer) {
        if self.checks.is_over(answer).await {
            self.checks.drop_note(&self.check.device).await;
        }
    }

    /// Nobody will end it, so a client may have it. An error: it will be ended.
    pub(crate) async fn give_away(self) -> Result<(), HostError> {
        self.checks.forget(&self.check.device).await.map_err(unavailable)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(note) = self.checks.notes().get_mut(&self.check.device) {
            *note = Note::Left;
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a login could not be noted")]
struct Unsealed;

fn write(path: &Path, note: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(note)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
}
