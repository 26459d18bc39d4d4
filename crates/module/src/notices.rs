//! Telling users what happened to their second factors, by ways that do not pass through the login itself. The engine writes
//! [notices](matrix_2fa_engine::notices) in the commits of the changes; the [`Courier`] takes them out of the store and delivers them.
//!
//! A [`Way`] finds out where a user can be reached and sends a [`Letter`] there: [`Mail`](mail::Mail), or a message through the homeserver
//! ([`ThroughHost`]). Both may be slow or down for as long as they like: nobody waits for them, and the notices stay in the store.

mod letter;
#[cfg(feature = "mail")]
pub mod mail;

pub use letter::{LANGUAGES, Letter};

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use matrix_2fa_engine::{
    Engine,
    notices::{Claim, Notice},
};

use crate::{Homeserver, HostError, error::chain};
use letter::Stationery;

/// Counter: notices that arrived, with the label `way`.
pub const DELIVERED: &str = "matrix_2fa_notices_delivered_total";
/// Counter: deliveries that failed and are tried again, with the label `way`.
pub const FAILED: &str = "matrix_2fa_notice_failures_total";
/// Counter: notices for users who cannot be reached by this way, with the label `way`.
pub const UNREACHABLE: &str = "matrix_2fa_notices_unreachable_total";
/// Gauge: seconds since the oldest undelivered notice happened. What is read in one look; 0 if there is none.
pub const OUTBOX_AGE: &str = "matrix_2fa_outbox_age_seconds";

/// Gauge: notices in the outbox that this version cannot read. They do not hold up the others, and are given up with their age.
pub const UNREADABLE: &str = "matrix_2fa_notices_unreadable";

/// Notices that are delivered at the same time.
const AT_ONCE: usize = 16;
/// A delivery that takes longer has failed. A claim lasts a minute, and all ways are tried at the same time.
const PATIENCE: Duration = Duration::from_secs(40);
/// The store is looked at this often for what other processes put there, and for what was to be tried again.
const LOOK: Duration = Duration::from_secs(1);
/// And for what they left unfinished.
const LOOK_AT_ALL: Duration = Duration::from_secs(5 * 60);

/// Why a notice could not be delivered. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// Nobody knows now where the user is to be told.
    #[error("the address could not be looked up")]
    Lookup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was looked up is no address.
    #[error("what was found is no address")]
    NoAddress(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The letter was not taken.
    #[error("it was not accepted")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("it took too long")]
    Late,
}

/// Where a user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// A mail address, or a Matrix id.
    pub address: String,
    /// One of [`LANGUAGES`], if it is known.
    pub language: Option<String>,
}

/// Knows mail addresses.
#[async_trait]
pub trait AddressBook: Send + Sync + 'static {
    /// Where this user gets mail. `None`: nowhere.
    async fn recipient(&self, user: &str) -> Result<Option<Recipient>, NoticeError>;
}

/// A way to tell somebody something.
#[async_trait]
pub trait Way: Send + Sync + 'static {
    /// For metrics, logs, and to remember that a notice has arrived this way.
    fn name(&self) -> &'static str;

    /// Where this user is told. `None`: not this way.
    async fn recipient(&self, user: &str) -> Result<Option<Recipient>, NoticeError>;

    /// Tells it. `false`: this way does not exist after all.
    async fn send(&self, recipient: &Recipient, letter: &Letter) -> Result<bool, NoticeError>;
}

/// The addresses that the homeserver knows.
pub struct HostAddresses(pub Arc<dyn Homeserver>);

#[async_trait]
impl AddressBook for HostAddresses {
    async fn recipient(&self, user: &str) -> Result<Option<Recipient>, NoticeError> {
        let address = self.0.mail_address(user).await.map_err(lookup)?;
        Ok(address.map(|address| Recipient { address, language: None }))
    }
}

/// A message of the homeserver in the user's own client.
pub struct ThroughHost(pub Arc<dyn Homeserver>);

#[async_trait]
impl Way for ThroughHost {
    fn name(&self) -> &'static str {
        "matrix"
    }

    async fn recipient(&self, user: &str) -> Result<Option<Recipient>, NoticeError> {
        Ok(Some(Recipient { address: user.to_owned(), language: None }))
    }

    async fn send(&self, recipient: &Recipient, letter: &Letter) -> Result<bool, NoticeError> {
        let Letter { id, text, html, .. } = letter;
        self.0
            .send_notice(&recipient.address, id, text, html)
            .await
            .map_err(|error: HostError| NoticeError::Refused(error.into()))
    }
}

/// How notices look, as far as the operator decides it.
#[derive(Clone, Debug)]
pub struct NoticeSettings {
    /// The name of the server, for people.
    pub name: String,
    /// Where the page is on which people manage their second factors.
    pub manage_url: Option<String>,
    /// One of [`LANGUAGES`], for whom nobody knows better.
    pub language: String,
}

/// Delivers notices.
pub struct Courier {
    engine: Engine,
    ways: Vec<Box<dyn Way>>,
    stationery: Stationery,
    /// What could not be read at the last look.
    unreadable: AtomicUsize,
}

impl Courier {
    /// A courier over these ways. The engine must have been told to write notices ([`EngineSettings::notices`](matrix_2fa_engine::EngineSettings::notices)).
    pub fn new(engine: Engine, ways: Vec<Box<dyn Way>>, settings: NoticeSettings) -> Self {
        Self { engine, ways, stationery: Stationery::new(settings), unreadable: AtomicUsize::new(0) }
    }

    /// Delivers for ever. What is cut short is delivered later, by whoever runs then.
    pub async fn run(&self) {
        let mut looks = 0_u64;
        loop {
            let all = looks.is_multiple_of(LOOK_AT_ALL.as_secs() / LOOK.as_secs().max(1));
            looks += 1;
            let looked = match all {
                true => self.engine.look_for_all_unfinished().await,
                false => self.engine.look_for_unfinished().await,
            };
            if let Err(error) = looked {
                tracing::warn!(error = chain(&error), "unfinished logins are not looked at; it is tried again");
            }
            while self.deliver_what_is_due().await {}
            // Not the clock that decides: that one may stand still or jump.
            let _rung = tokio::time::timeout(LOOK, self.engine.notices_due()).await;
        }
    }

    /// Is there more?
    async fn deliver_what_is_due(&self) -> bool {
        let claimed = match self.engine.claim_notices(AT_ONCE).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(error = chain(&error), "the outbox cannot be read; it is tried again");
                return false;
            }
        };
        metrics::gauge!(OUTBOX_AGE).set(claimed.oldest.unwrap_or_default().as_secs_f64());
        metrics::gauge!(UNREADABLE).set(u32::try_from(claimed.unreadable).map_or(f64::INFINITY, f64::from));
        // Once, and not at every look.
        if self.unreadable.swap(claimed.unreadable, Ordering::Relaxed) < claimed.unreadable {
            tracing::error!(notices = claimed.unreadable, "notices cannot be read, and stay where they are");
        }
        join_all(claimed.claims.iter().map(|claim| self.deliver(claim))).await;
        claimed.more
    }

    /// By all ways at once: none is late because of another, and all of them end before the claim does.
    async fn deliver(&self, claim: &Claim) {
        let (before, mut arrived) = (&claim.notice.arrived, claim.notice.arrived.clone());
        let missing: Vec<_> = self.ways.iter().filter(|way| !before.iter().any(|name| name == way.name())).collect();
        let sent = join_all(missing.iter().map(|way| self.deliver_by(way.as_ref(), claim))).await;
        let late = sent.contains(&false);
        let done = missing.iter().zip(sent).filter(|(_, sent)| *sent);
        arrived.extend(done.map(|(way, _)| way.name().to_owned()));
        let written = match late {
            false => self.engine.settle_notice(claim).await,
            true if arrived != *before => self.engine.notice_arrived(claim, arrived).await,
            true => Ok(()),
        };
        if let Err(error) = written {
            tracing::warn!(error = chain(&error), "a delivered notice stays in the outbox and may be delivered again");
        }
    }

    /// False: it is to be tried again.
    async fn deliver_by(&self, way: &dyn Way, claim: &Claim) -> bool {
        let (user, way_name) = (&claim.notice.user, way.name());
        let sent = tokio::time::timeout(PATIENCE, self.send(way, &claim.notice)).await;
        match sent.unwrap_or(Err(NoticeError::Late)) {
            Ok(true) => {
                metrics::counter!(DELIVERED, "way" => way_name).increment(1);
                tracing::debug!(user.id = user, way = way_name, notice.id = claim.notice.id, "notice delivered");
            }
            Ok(false) => {
                metrics::counter!(UNREACHABLE, "way" => way_name).increment(1);
                tracing::info!(user.id = user, way = way_name, "nobody knows where to tell this user");
            }
            Err(error) => {
                metrics::counter!(FAILED, "way" => way_name).increment(1);
                tracing::warn!(
                    user.id = user,
                    way = way_name,
                    tries = claim.notice.tries,
                    error = chain(&error),
                    "a notice was not delivered; it is tried again"
                );
                return false;
            }
        }
        true
    }

    async fn send(&self, way: &dyn Way, notice: &Notice) -> Result<bool, NoticeError> {
        let Some(recipient) = way.recipient(&notice.user).await? else { return Ok(false) };
        let letter = self.stationery.write(notice, recipient.language.as_deref());
        way.send(&recipient, &letter).await
    }
}

fn lookup(error: HostError) -> NoticeError {
    NoticeError::Lookup(error.into())
}
