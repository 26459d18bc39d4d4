//! What can be said without opening the store: settings, files, and the servers that this one needs.

use std::{fs, os::unix::fs::PermissionsExt};

use matrix_2fa_core::{Clock, Timestamp};
use matrix_2fa_engine::SystemClock;
use matrix_2fa_gateway::Found;

use super::Report;
use crate::{
    failure::{Failure, chain},
    notices,
    settings::Settings,
    storage, time_source,
};

impl Report {
    /// What can be said without opening the store.
    pub(super) async fn surroundings(&mut self, settings: &Settings) {
        self.ok("limits", &settings.odds_in_words());
        self.proxies(settings);
        self.modes(settings);
        self.database(settings).await;
        self.upstream(settings).await;
        self.mail(settings).await;
        self.clock(settings.time_source.as_deref()).await;
    }

    async fn database(&mut self, settings: &Settings) {
        let Some(url) = &settings.database else { return };
        let looked = storage::look(url).await;
        let here = SystemClock.now();
        let apart = |there: Timestamp| there.since(here).max(here.since(there));
        match looked {
            Ok(look) if !look.durable => self.wrong(
                "database",
                "fsync or full_page_writes is off: a power cut loses what was answered; switch both on",
            ),
            Ok(look) if apart(look.clock) > time_source::FAR => self.wrong(
                "database",
                &format!(
                    "its clock, which is the one that counts, and this machine's are {:?} apart",
                    apart(look.clock)
                ),
            ),
            Ok(look) => self.ok("database", &format!("PostgreSQL {}; its backups are not looked at", look.version)),
            Err(failure) => self.wrong("database", &failure.to_string()),
        }
    }

    async fn upstream(&mut self, settings: &Settings) {
        let Some(address) = &settings.upstream else { return };
        let asked = async {
            let found = Found::find(settings.gateway()?).await.map_err(|error| Failure::because(&error))?;
            found.check_administrator().await.map_err(|error| Failure::start(chain(&error)))?;
            Ok::<_, Failure>(found)
        };
        match asked.await {
            Ok(found) if found.delegates() => self.ok(
                "upstream",
                &format!(
                    "{} answers at {address}; it leaves logins to an OAuth 2.0 provider, and those are not covered",
                    found.server_name()
                ),
            ),
            Ok(found) => self.ok("upstream", &format!("{} answers at {address}", found.server_name())),
            Err(failure) => self.wrong("upstream", &failure.to_string()),
        }
    }

    async fn mail(&mut self, settings: &Settings) {
        match notices::try_out(settings).await {
            None => self.ok("mail", "none goes out: there is no mail_server"),
            Some(Ok(())) => self.ok("mail", "the server takes our mail"),
            Some(Err(failure)) => self.wrong("mail", &failure.to_string()),
        }
    }

    fn proxies(&mut self, settings: &Settings) {
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
}
