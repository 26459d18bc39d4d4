//! `matrix-2fa check`: everything that a server should be told before its users find out. A line for each thing, and exit code 1 if
//! something is wrong. It changes nothing, and a server that runs over the store looks into it itself.

mod surroundings;

use matrix_2fa_core::{
    Account, Params,
    drift::{CodeOffsets, steps_from},
};
use matrix_2fa_engine::Engine;

use serde::{Deserialize, Serialize};

use crate::{
    console,
    control::{self, Act},
    data::Data,
    failure::{Failure, chain},
    settings::{Flags, Settings},
    time_source,
};

/// Accounts that are looked at in one step.
const PAGE: usize = 1000;

/// Runs all checks.
pub fn run(flags: &Flags) -> Result<(), Failure> {
    let settings = Settings::load(flags)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::because(&error))?;
    let mut report = Report::default();
    runtime.block_on(report.surroundings(&settings));
    if control::is_served(&settings) {
        // It has its store for itself, so it looks into it for us.
        report.ok("store", "a server runs over it, and answers");
        let mut found = Vec::new();
        let looked = control::run(Act::Check, &settings, |lines| {
            found = serde_json::from_value(lines).map_err(|error| Failure::because(&error))?;
            Ok(())
        });
        report.lines.extend::<Vec<Line>>(found);
        if let Err(failure) = looked {
            report.wrong("store", &failure.to_string());
        }
    } else {
        runtime.block_on(report.store(&settings))?;
    }
    report.end()
}

/// Opens what is there. A key would be made in a folder that is missing, so it is looked for first.
async fn open(settings: &Settings) -> Result<Engine, Failure> {
    let keys = settings.key_folder();
    if !keys.is_dir() {
        return Err(Failure::start(format!("the key folder {} is missing", keys.display())));
    }
    let data = Data::open_unguarded(settings).await?;
    data.guard.judge().await?;
    Ok(data.engine)
}

/// What was found.
#[derive(Default)]
pub struct Report {
    pub lines: Vec<Line>,
}

/// One thing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    ok: bool,
    what: String,
    finding: String,
}

impl Report {
    fn ok(&mut self, what: &str, finding: &str) {
        self.lines.push(Line { ok: true, what: what.to_owned(), finding: finding.to_owned() });
    }

    fn wrong(&mut self, what: &str, finding: &str) {
        self.lines.push(Line { ok: false, what: what.to_owned(), finding: finding.to_owned() });
    }

    async fn store(&mut self, settings: &Settings) -> Result<(), Failure> {
        match open(settings).await {
            Ok(engine) => {
                self.ok("store", "it opens");
                self.ok("keys", "they are those that this store was sealed with");
                self.accounts(&engine).await?;
            }
            Err(failure) => self.wrong("store", &failure.to_string()),
        }
        Ok(())
    }

    /// Opens every seed, and asks every account when its last code came.
    pub async fn accounts(&mut self, engine: &Engine) -> Result<(), Failure> {
        let run = |error: &(dyn std::error::Error + 'static)| Failure::run(chain(error));
        let (mut after, mut found, mut closed) = (None::<String>, Found::default(), Vec::new());
        loop {
            let users = engine.store().users(after.as_deref(), PAGE).await.map_err(|error| run(&error))?;
            for user in &users {
                let account = engine.account(user).await.map_err(|error| run(&error))?;
                found.add(&account);
                let mut sealed = account.authenticators().iter().map(|of| (&of.id, &of.seed));
                if sealed.any(|(id, seed)| engine.keys().open(user, id, seed).is_err()) {
                    closed.push(user.clone());
                }
            }
            let Some(last) = users.last() else { break };
            after = Some(last.clone());
        }
        if closed.is_empty() {
            self.ok("seeds", &format!("all open, of {} users with a second factor", found.enrolled));
        } else {
            self.wrong("seeds", &format!("those of {} users do not open: {}", closed.len(), closed.join(" ")));
        }
        self.codes(&found.offsets);
        Ok(())
    }

    fn codes(&mut self, offsets: &CodeOffsets) {
        let steps: Vec<_> = offsets.iter().map(|(offset, count)| format!("{offset:+}: {count}")).collect();
        let seen = format!("last codes by step ({})", steps.join(", "));
        match offsets.server_is_behind(Params::default().period) {
            None => self.ok("codes", "too few were seen to say whether the clocks of phones and server agree"),
            Some(behind) if behind.unsigned_abs() <= time_source::FAR.as_secs() => {
                self.ok("codes", &format!("phones and server agree; {seen}"));
            }
            Some(behind) => {
                self.wrong(
                    "codes",
                    &format!("the server seems to be {behind} s behind the phones (negative: ahead); {seen}"),
                );
            }
        }
    }

    fn end(self) -> Result<(), Failure> {
        for Line { ok, what, finding } in &self.lines {
            console::say(&format!("{}  {what}: {finding}", if *ok { "ok   " } else { "WRONG" }));
        }
        match self.lines.iter().filter(|line| !line.ok).count() {
            0 => Ok(()),
            wrong => Err(Failure::run(format!("{wrong} of these must be mended"))),
        }
    }
}

/// What all accounts say together.
#[derive(Default)]
struct Found {
    enrolled: usize,
    offsets: CodeOffsets,
}

impl Found {
    fn add(&mut self, account: &Account) {
        self.enrolled += usize::from(account.is_enrolled());
        for of in account.authenticators() {
            if let Some(used) = of.last_used_at {
                self.offsets.record(steps_from(of.last_step, used, of.params));
            }
        }
    }
}
