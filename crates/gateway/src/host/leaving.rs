//! Deactivations of users with a second factor that are under way. Each is noted in a file before the upstream hears of it, and the file goes
//! when what we keep of the user is gone, or the upstream has refused. Where neither came (a `kill -9` after the upstream's answer, an answer
//! that was lost) it is found after the next start and every 25 seconds, and the user is forgotten then.
//!
//! Forgetting somebody who is still there would take their second factor away, so three things must agree: the access token that asked for it
//! is dead, the password that was given for it is refused, and nobody has used the account here since. The note is sealed with the server's
//! key, for the token and the password.

use std::{
    collections::HashMap,
    error::Error,
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use http::StatusCode;
use matrix_2fa::{
    engine::{Engine, Origination},
    homeserver::HostError,
};
use matrix_2fa_core::{SealedSeed, Seed};
use matrix_2fa_store::{Version, codec};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Probe, UpstreamHomeserver, name};
use crate::calls::unavailable;

/// What a note is sealed for, beside its name.
const LABEL: &str = "deactivation";

/// Between two looks at what is left.
const ROUND: Duration = Duration::from_secs(25);

/// So often a user is found to be still there before that is believed: the upstream may still be at it.
const ROUNDS: u32 = 3;

/// The folder of the notes.
pub(crate) struct Leaving {
    folder: PathBuf,
    engine: Engine,
}

#[derive(Serialize, Deserialize)]
struct Note {
    user: String,
    token: Zeroizing<String>,
    password: Zeroizing<String>,
    /// Of the account, after the code was spent.
    version: Version,
}

/// What became of a user.
enum Fate {
    Gone,
    Here,
    Unknown,
}

impl Leaving {
    pub(super) fn open(folder: PathBuf, engine: Engine) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder, engine })
    }

    /// Notes a deactivation that is proved with both factors; an error: it must not be begun. [`Self::end`] takes the name of the note.
    pub(crate) async fn begin(
        &self,
        user: &str,
        token: &str,
        password: Zeroizing<String>,
    ) -> Result<String, HostError> {
        let stored = self.engine.store().load(user).await.map_err(unavailable)?;
        let token = Zeroizing::new(token.to_owned());
        let note = Note { user: user.to_owned(), token, password, version: stored.version };
        let name = self.engine.fresh_id();
        let bytes = self.seal(&name, &note).map_err(unavailable)?;
        let folder = self.folder.clone();
        let path = folder.join(&name);
        blocking(move || write(&folder, &path, &bytes)).await.map_err(unavailable)?;
        Ok(name)
    }

    /// The user is forgotten, or stays.
    pub(crate) async fn end(&self, name: &str) {
        let path = self.folder.join(name);
        match blocking(move || fs::remove_file(path)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(error = &error as &dyn Error, "the note of a deactivation stays");
            }
            Ok(()) | Err(_) => {}
        }
    }

    async fn left(&self) -> io::Result<Vec<(String, Option<Note>)>> {
        let folder = self.folder.clone();
        let read = blocking(move || {
            let mut notes = Vec::new();
            for file in fs::read_dir(folder)? {
                let file = file?;
                match (file.file_name().into_string(), fs::read(file.path())) {
                    (Ok(name), Ok(bytes)) => notes.push((name, bytes)),
                    (_, Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(notes)
        });
        let unseal = |(name, bytes): (String, Vec<u8>)| {
            let note = self.unseal(&name, &bytes);
            (name, note)
        };
        Ok(read.await?.into_iter().map(unseal).collect())
    }

    fn seal(&self, name: &str, note: &Note) -> Result<Vec<u8>, Unsealed> {
        let secret = Seed::from_bytes(serde_json::to_vec(note).map_err(|_| Unsealed)?);
        let sealed = self.engine.keys().seal(LABEL, name, &secret, self.engine.random().as_ref());
        codec::encode(LABEL, &sealed.map_err(|_| Unsealed)?).map_err(|_| Unsealed)
    }

    fn unseal(&self, name: &str, bytes: &[u8]) -> Option<Note> {
        let sealed: SealedSeed = codec::decode(LABEL, bytes).ok()?;
        serde_json::from_slice(self.engine.keys().open(LABEL, name, &sealed).ok()?.expose()).ok()
    }
}

impl UpstreamHomeserver {
    /// Finishes deactivations that were cut short, as long as the server runs.
    pub(super) async fn finish_deactivations(&self) {
        let mut seen: HashMap<String, u32> = HashMap::new();
        loop {
            if let Err(error) = self.finish_round(&mut seen).await {
                tracing::warn!(error = &*error, "what is kept of users who may have left stays for now");
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn finish_round(&self, seen: &mut HashMap<String, u32>) -> Result<(), Box<dyn Error + Send + Sync>> {
        for (file, note) in self.leaving.left().await? {
            let over = match note {
                // Cut short while it was written: the upstream has not heard of it. Or the key is gone.
                None => true,
                Some(note) => match self.fate(&note).await? {
                    Fate::Gone => {
                        self.leaving.engine.forget(&note.user, &Origination::default()).await?;
                        tracing::info!(user.id = note.user, "a deactivation that was cut short is finished");
                        true
                    }
                    Fate::Here => {
                        let times = seen.entry(file.clone()).or_default();
                        *times += 1;
                        *times >= ROUNDS
                    }
                    Fate::Unknown => false,
                },
            };
            if over {
                seen.remove(&file);
                self.leaving.end(&file).await;
            }
        }
        Ok(())
    }

    async fn fate(&self, note: &Note) -> Result<Fate, Box<dyn Error + Send + Sync>> {
        if self.leaving.engine.store().load(&note.user).await?.version != note.version {
            tracing::warn!(user.id = note.user, "somebody used this account after it was to be deactivated: it stays");
            return Ok(Fate::Here);
        }
        match self.whoami(&note.token).await {
            Ok(_) => return Ok(Fate::Here),
            Err(HostError::Answered(answer)) if answer.status() == StatusCode::UNAUTHORIZED => {}
            Err(_) => return Ok(Fate::Unknown),
        }
        let identifier = name(&self.spellings.theirs(&note.user).await?);
        Ok(match self.probe(&identifier, &note.password).await {
            Ok(Probe::Right(_)) => Fate::Here,
            Ok(Probe::Wrong(answer)) if answer.status() == StatusCode::FORBIDDEN => Fate::Gone,
            Ok(Probe::Wrong(_)) | Err(_) => Fate::Unknown,
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a deactivation could not be noted")]
struct Unsealed;

/// Durable, unlike the note of a password check: nothing else would ever remember.
fn write(folder: &Path, path: &Path, note: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(note)?;
    file.sync_all()?;
    fs::File::open(folder)?.sync_all()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
}
