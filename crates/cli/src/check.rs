//! `matrix-2fa check`: everything that a server should be told before its users find out. A line for each thing, and exit code 1 if
//! something is wrong. It changes nothing.

use std::{fs, os::unix::fs::PermissionsExt};

use matrix_2fa_core::{
    Account, Params,
    drift::{CodeOffsets, steps_from},
};
use matrix_2fa_engine::Engine;

use crate::{
    console,
    data::Data,
    failure::{Failure, chain},
    settings::{Flags, Settings},
    storage, time_source,
};

/// Accounts that are looked at in one step.
const PAGE: usize = 1000;

/// Runs all checks.
pub fn run(flags: &Flags) -> Result<(), Failure> {
    let settings = Settings::load(flags)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::because(&error))?;
    runtime.block_on(check(&settings))
}

async fn check(settings: &Settings) -> Result<(), Failure> {
    let mut report = Report::default();
    report.ok("limits", &settings.odds_in_words());
    report.proxies(settings);
    report.modes(settings);
    if settings.database.is_some() {
        report.ok(
            "database",
            "its clock is the one that counts; its own settings, backups and replicas are not looked at",
        );
    }
    report.clock(settings.time_source.as_deref()).await;
    match open(settings).await {
        Ok(engine) => {
            report.ok("store", "it opens");
            report.ok("keys", "they are those that this store was sealed with");
            report.accounts(&engine).await?;
        }
        Err(failure) => report.wrong("store", &failure.to_string()),
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
struct Report {
    wrong: usize,
}

impl Report {
    fn ok(&self, what: &str, finding: &str) {
        console::say(&format!("ok     {what}: {finding}"));
    }

    fn wrong(&mut self, what: &str, finding: &str) {
        self.wrong += 1;
        console::say(&format!("WRONG  {what}: {finding}"));
    }

    fn proxies(&self, settings: &Settings) {
        if settings.trusted_proxies.is_none() && settings.listen.ip().is_loopback() {
            self.ok(
                "proxies",
                "this server listens on loopback and trusts no proxy: no limit by address; set trusted_proxies if one is before it",
            );
        } else {
            self.ok("proxies", &format!("{} trusted", settings.proxies().trusted.len()));
        }
    }

    fn modes(&mut self, settings: &Settings) {
        let mut exposed = Vec::new();
        let keys = settings.key_folder();
        let files = fs::read_dir(&keys).into_iter().flatten().flatten().map(|file| file.path()).collect::<Vec<_>>();
        let store = settings.database.is_none().then(|| storage::folder(settings));
        for path in [settings.data.clone(), keys].into_iter().chain(store).chain(files) {
            match fs::metadata(&path) {
                Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                    exposed.push(format!("{} (mode {:03o})", path.display(), found.permissions().mode() & 0o777));
                }
                Ok(_) => {}
                Err(error) => exposed.push(format!("{}: {error}", path.display())),
            }
        }
        if exposed.is_empty() {
            self.ok("folders", "for their owner alone");
        } else {
            self.wrong("folders", &format!("others can get at it: {}", exposed.join(", ")));
        }
    }

    async fn clock(&mut self, source: Option<&str>) {
        let Some(source) = source else {
            return self.ok("clock", "not compared: there is no time_source");
        };
        match time_source::behind(source).await {
            Ok(seconds) if seconds.abs() <= time_source::FAR.as_secs_f64() => {
                self.ok("clock", &format!("{seconds:.1} s behind {source} (negative: ahead)"));
            }
            Ok(seconds) => self.wrong("clock", &format!("{seconds:.1} s behind {source} (negative: ahead)")),
            Err(error) => self.wrong("clock", &error),
        }
    }

    /// Opens every seed, and asks every account when its last code came.
    async fn accounts(&mut self, engine: &Engine) -> Result<(), Failure> {
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
        match self.wrong {
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
