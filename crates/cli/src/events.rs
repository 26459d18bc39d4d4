//! `matrix-2fa events`: is the audit log as it was written?

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use clap::Subcommand;

use crate::{
    audit::{Tap, chain},
    control::{self, Act, Teller},
    data::Data,
    failure::{Failure, chain as causes},
    settings::{DataFlags, EventsOut, Settings},
};

/// What can be done with the audit log.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look whether lines of the audit log were changed, taken out or put in
    ///
    /// Archived files come in the order in which they were written, the newest last. Without a file it is the one of events_out. While the
    /// server runs, lines that are missing at the end of its own show, too.
    Verify {
        /// Files that events_out has written
        files: Vec<PathBuf>,
        #[command(flatten)]
        flags: DataFlags,
    },
}

/// Runs one command.
pub fn run(command: &Command) -> Result<(), Failure> {
    let Command::Verify { files, flags } = command;
    let settings = Settings::load(&flags.into())?;
    let files = match (files.as_slice(), &settings.events_out) {
        ([], EventsOut::File(file)) => vec![absolute(file)?],
        ([], _) => return Err(Failure::start("name a file: the settings have no file of events (events_out)")),
        (files, _) => files.iter().map(|file| absolute(file)).collect::<Result<_, _>>()?,
    };
    control::run(Act::VerifyEvents { files }, &settings, |_nothing| Ok(()))
}

fn absolute(file: &Path) -> Result<PathBuf, Failure> {
    file.canonicalize().map_err(|error| Failure::start(format!("{}: {error}", file.display())))
}

/// Verifies these files as one log.
pub async fn verify(files: &[PathBuf], data: &Data, teller: &Teller) -> Result<(), Failure> {
    // Before the file is read: what is written then must be there.
    let written = data.audit.as_ref().map(Tap::written);
    let mac = data.engine.keys().digester("audit checkpoint");
    let ours = match &data.settings.events_out {
        EventsOut::File(file) => absolute(file).is_ok_and(|file| files.contains(&file)),
        _ => false,
    };
    let files = files.to_vec();
    let verified = tokio::task::spawn_blocking(move || {
        let mut all: Box<dyn Read> = Box::new(std::io::empty());
        for file in &files {
            let opened = File::open(file).map_err(|error| Failure::run(format!("{}: {error}", file.display())))?;
            all = Box::new(all.chain(opened));
        }
        chain::verify(BufReader::new(all), &mac).map_err(|error| Failure::run(causes(&error)))
    });
    let found = verified.await.map_err(|error| Failure::because(&error))??;
    // Archived files alone need not have what is written now.
    if let Some((writer, seq)) = written.filter(|_| ours) {
        let there = found.writers.get(&writer).map_or(0, |written| written.seq);
        if there < seq {
            return Err(Failure::run(format!(
                "the log ends after event {there}, but {seq} were written: the end is missing"
            )));
        }
    }
    let chain::Verified { events, erased, checkpoints, writers, last } = found;
    teller.answer(format!(
        "{events} events are as they were written, {erased} were blacked out, {checkpoints} checkpoints hold"
    ));
    for (writer, written) in writers.iter().filter(|(_, written)| written.open > 0) {
        let open = written.open;
        teller.answer(match last.as_ref() == Some(writer) {
            true => format!("{open} events follow the last checkpoint"),
            false => format!(
                "{open} events of writer {writer} were followed by no checkpoint: it was killed, or somebody else wrote them"
            ),
        });
    }
    Ok(())
}
