//! What an administrator lets the server do. A running server holds its store alone, so it is told over a socket in its data folder; if none
//! runs there, the same act is done here, over the store itself. One [`Act`], one function, two places.

mod client;
mod perform;
mod socket;

pub use socket::serve;

use std::path::PathBuf;

use matrix_2fa_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{admin::AdminAct, console, data::Data, failure::Failure, moving::Import, settings::Settings};

/// What can be asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Something about users or their policy.
    Admin { act: AdminAct, author: String },
    /// What is audited, and what is audited from now on.
    Follow { user: Option<String>, since: Option<Timestamp>, limit: usize },
    /// Put everybody's seeds into a file for these public keys.
    Export { file: PathBuf, recipients: Vec<String>, author: String },
    /// Bring seeds from a file.
    Import { import: Import, author: String },
    /// Open every seed, and ask every account when its last code came.
    Check,
    /// Make a key file that nothing uses yet.
    NewKey,
    /// Rotate to another key, or finish a rotation.
    RotateKeys { to: Option<String> },
    /// Open every seal.
    CheckKeys,
    /// Take a key out of use.
    RemoveKey { id: String },
    /// Verify audit logs, one after the other.
    VerifyEvents { files: Vec<PathBuf> },
    /// Write everything into a file.
    Backup { file: PathBuf, with_keys: bool },
}

/// What is heard of an act, one after the other; the last one says how it ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// How far it is.
    Progress(String),
    /// A part of the answer.
    Answer(String),
    /// The same for programs.
    Value(Value),
    /// It was done.
    Done,
    /// It was not.
    Failed(Failure),
}

/// To whom the act tells. Nobody may be listening any more; the act goes on.
#[derive(Clone)]
pub struct Teller(mpsc::UnboundedSender<Heard>);

impl Teller {
    pub fn progress(&self, line: String) {
        let _ = self.0.send(Heard::Progress(line));
    }

    pub fn value(&self, value: Value) {
        let _ = self.0.send(Heard::Value(value));
    }

    /// Returns when nobody listens any more.
    async fn left(&self) {
        self.0.closed().await;
    }

    pub fn answer(&self, line: impl Into<String>) {
        let _ = self.0.send(Heard::Answer(line.into()));
    }
}

/// Where the socket of this data folder is.
fn socket_file(settings: &Settings) -> PathBuf {
    settings.data.join("control.sock")
}

/// Does a server run over this data folder?
pub fn is_served(settings: &Settings) -> bool {
    std::os::unix::net::UnixStream::connect(socket_file(settings)).is_ok()
}

/// Has the act done by the running server, or does it here. `take` gets what it answers for programs.
pub fn run(act: Act, settings: &Settings, mut take: impl FnMut(Value) -> Result<(), Failure>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::because(&error))?;
    runtime.block_on(async {
        if let Some(running) = client::connect(&socket_file(settings)).await? {
            return running.ask(&act, |heard| hear(heard, &mut take)).await;
        }
        if matches!(act, Act::Follow { .. }) {
            return Err(Failure::run("no server runs here that could be followed"));
        }
        let data = Data::open_existing(settings).await?;
        // Servers may be running over a database, elsewhere.
        let mut heard = start(act, data, settings.database.is_some());
        while let Some(heard) = heard.recv().await {
            if let Some(end) = hear(heard, &mut take) {
                return end;
            }
        }
        Err(Failure::run("it ended before it was done"))
    })
}

/// Does the act in a task of its own, and gives what is heard of it.
fn start(act: Act, data: Data, serving: bool) -> mpsc::UnboundedReceiver<Heard> {
    let (sender, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let done = perform::perform(act, &data, serving, &Teller(sender.clone())).await;
        let _ = sender.send(done.map_or_else(Heard::Failed, |()| Heard::Done));
    });
    heard
}

/// Passes it on; gives the end when it is there.
fn hear(heard: Heard, take: &mut impl FnMut(Value) -> Result<(), Failure>) -> Option<Result<(), Failure>> {
    match heard {
        Heard::Progress(line) => console::progress(&line),
        Heard::Answer(line) => console::say(&line),
        Heard::Value(value) => return take(value).err().map(Err),
        Heard::Done => return Some(Ok(())),
        Heard::Failed(failure) => return Some(Err(failure)),
    }
    None
}
