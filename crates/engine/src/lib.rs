//! The use cases: load, decide (in `matrix-2fa-core`), commit, and decide again on a conflict. Nothing is answered before it is durable.
//!
//! [`Engine`] is the only thing a host holds. Its use cases, a file each: [`verify`] a code · [`enroll`] and confirm an authenticator ·
//! [`change`] names, removal, recovery codes, the administrator's reset · [`issue`] codes of administrators · [`sessions`] interactive-auth sessions ·
//! [`page_sessions`] what a browser has proved · [`policy`] who must have a factor · [`tickets`] one-use things: login tokens, proofs, recovery logins · [`rotation`] to another
//! key · [`moving`] to and from another server · what a [`restore`] forgot · what is audited (`audit`) · [`notices`] for the user, in an outbox. Underneath: [`keyring`] and sealing of seeds, [`hashing`] of recovery codes off the runtime with a
//! bound, [`ambient`] the one place that reads the clock and the random numbers. For the operator: [`alarm`] when the whole server sees too
//! many wrong codes · [`timing`] when a clock is wrong · [`numbers`] what is counted.

pub mod alarm;
pub mod ambient;
mod audit;
pub mod change;
mod crowd;
pub mod enroll;
mod everybody;
mod gate;
pub mod hashing;
pub mod issue;
pub mod keyring;
mod logins;
pub mod moving;
pub mod notices;
pub mod numbers;
pub mod page_sessions;
pub mod policy;
pub mod restore;
pub mod rotation;
pub mod sessions;
pub mod tickets;
pub mod timing;
pub mod verify;

pub use alarm::AlarmSettings;
pub use ambient::{OsRandom, Random, SystemClock};
pub use keyring::{KeyError, Keyring};

use std::{net::IpAddr, sync::Arc, time::Duration};

use alarm::Alarm;
use gate::Gate;
use hashing::{HashError, HashPool};
use matrix_2fa_core::{
    Account, Clock, Context, Proof, Rules, Timestamp, Transition,
    event::Origin,
    recovery::HashParams,
    throttle::{self, Budget, ClientTag},
};
use matrix_2fa_store::{AccountChange, Commit, Committed, RecordChange, Store, StoreError, StoredAccount};
use notices::unfinished::Due;
use page_sessions::PageStep;
use policy::PolicyInForce;
use sessions::Strangers;
use timing::Timing;
use tokio::sync::{Notify, broadcast};

/// What an operator sets.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Who may and who must, until [`Engine::change_rules`] says otherwise.
    pub rules: Rules,
    /// The name that authenticator apps show beside the account.
    pub issuer: String,
    /// Recovery codes hashed at the same time.
    pub hash_jobs: usize,
    /// Recovery codes that may wait for a hash; more are answered 429.
    pub hash_queue: usize,
    /// How new recovery codes are hashed.
    pub hash_params: HashParams,
    /// The limits for wrong TOTP codes of one account.
    pub totp_budget: Budget,
    /// And the sum of all accounts that is an alarm.
    pub alarm: AlarmSettings,
    /// Somebody delivers the [`notices`] to users: put them into the outbox.
    pub notices: bool,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            issuer: "Matrix".to_owned(),
            hash_jobs: 2,
            hash_queue: 64,
            hash_params: HashParams::default(),
            totp_budget: throttle::TOTP,
            alarm: AlarmSettings::default(),
            notices: false,
        }
    }
}

/// Why a use case could not be carried out. Never read as "no second factor".
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many hashes at once.
    #[error("too many recovery codes are being checked at once")]
    Overloaded {
        /// When to come back.
        retry_after: Duration,
    },
    /// Too many interactive-auth sessions of people whom nobody knows yet.
    #[error("too many sessions are open")]
    Crowded,
    /// A seed or another sealed value does not open: a wrong key, or a row that was moved to another user.
    #[error("a stored secret does not open with the keys of this server")]
    Sealed,
    /// A record that had to join the commit (the session, a proof) was used or changed by somebody else: nothing happened.
    #[error("the session was used meanwhile")]
    Superseded,
    /// Others changed the account again and again while this was being decided.
    #[error("too many changes of this account at once")]
    Contended,
}

impl From<KeyError> for EngineError {
    /// Keys that fail while the server runs: it is the operator who must learn which file, not the user.
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => Self::Store(error),
            error => {
                tracing::error!(%error, "the keys cannot be used");
                Self::Sealed
            }
        }
    }
}

impl From<HashError> for EngineError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Overloaded => Self::Overloaded { retry_after: Duration::from_secs(1) },
            HashError::Failed(source) => Self::Store(StoreError::Unavailable(source)),
        }
    }
}

/// From where a request comes.
#[derive(Clone, Debug, Default)]
pub struct Origination {
    /// The device of the access token.
    pub device: Option<String>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// What is being done, for the audit.
    pub operation: Option<String>,
    /// What the request proved.
    pub proof: Proof,
    /// The page that asks, if one does: its session moves on in the commit of the change.
    pub page: Option<PageStep>,
}

/// Everything the use cases need, and nothing of HTTP. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    store: Arc<dyn Store>,
    keys: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: Arc<EngineSettings>,
    policy: Arc<PolicyInForce>,
    /// For checking recovery codes.
    checks: HashPool,
    /// For making new ones.
    renewals: HashPool,
    gate: Arc<Gate>,
    strangers: Arc<Strangers>,
    visitors: Arc<Strangers>,
    alarm: Arc<Alarm>,
    timing: Arc<Timing>,
    /// Rings when there is a notice to deliver.
    outbox: Arc<Notify>,
    due: Arc<Due>,
    audited: broadcast::Sender<matrix_2fa_core::Event>,
}

/// Sets of recovery codes that one user can be making at the same time.
const RENEWALS_OF_ONE: usize = 4;

/// Audited things that somebody who watches may be behind.
const AUDITED_AT_ONCE: usize = 1024;

/// Decisions taken anew before giving up. In one process attempts on an account queue, so only other replicas can cause conflicts.
const DECISIONS: usize = 32;

impl Engine {
    /// An engine over a store whose keys are open (see [`Keyring::open_or_create`]).
    pub fn new(
        store: Arc<dyn Store>,
        keys: Keyring,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        settings: EngineSettings,
    ) -> Self {
        let checks = HashPool::new(settings.hash_jobs, settings.hash_queue);
        // Places of their own, so that whoever renews codes again and again keeps nobody from using one.
        let renewals = checks.beside(RENEWALS_OF_ONE);
        let alarm = Arc::new(Alarm::new(settings.alarm));
        let timing = Arc::new(Timing::new(clock.now(), clock.elapsed()));
        let audited = broadcast::Sender::new(AUDITED_AT_ONCE);
        let policy = Arc::new(PolicyInForce::new(settings.rules.clone()));
        let (keys, settings) = (Arc::new(keys), Arc::new(settings));
        let (gate, strangers, visitors) = (Arc::default(), Arc::default(), Arc::default());
        let (outbox, due) = (Arc::default(), Arc::default());
        Self {
            store,
            keys,
            clock,
            random,
            settings,
            policy,
            checks,
            renewals,
            gate,
            strangers,
            visitors,
            alarm,
            timing,
            outbox,
            due,
            audited,
        }
    }

    /// The clock that decides.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Now, by the clock that decides.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The source of random bytes.
    pub fn random(&self) -> &Arc<dyn Random> {
        &self.random
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What the operator set.
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    /// The keys of this server.
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// The account of a canonical user id.
    pub async fn account(&self, user: &str) -> Result<Account, EngineError> {
        Ok(self.store.load(user).await?.account)
    }

    /// What transitions are told about a request.
    fn context(&self, user: &str, from: &Origination) -> Context {
        let (now, elapsed) = (self.now(), self.clock.elapsed());
        self.timing.watch(now, elapsed);
        let budget = self.settings.totp_budget;
        let free = if self.alarm.slows(elapsed) { budget.free.min(1) } else { budget.free };
        Context {
            user: user.to_owned(),
            now,
            origin: Origin {
                device: from.device.clone(),
                ip: from.client.map(|ip| ip.to_string()),
                operation: from.operation.clone(),
            },
            client: self.client_tag(from.client),
            proof: from.proof,
            budget: Budget { free, ..budget },
        }
    }

    /// A keyed digest of an address and of its network (an IPv6 /48, an IPv4 /24); a whole IPv6 /64 is one client. A loopback peer is a proxy before us and could be anybody, so it
    /// counts as unknown: an attacker's wrong codes must not be forgiven because the owner comes through the same proxy.
    pub fn client_tag(&self, client: Option<IpAddr>) -> ClientTag {
        let (network, client) = match client.map(|ip| ip.to_canonical()).filter(|ip| !ip.is_loopback()) {
            None => return ClientTag(0),
            Some(IpAddr::V4(ip)) => (u64::from(ip.to_bits() >> 8), u64::from(ip.to_bits())),
            Some(IpAddr::V6(ip)) => ((ip.to_bits() >> 80) as u64, (ip.to_bits() >> 64) as u64),
        };
        let digest = |of, bytes: u64| {
            let [a, b, ..] = self.keys.digest(of, &bytes.to_be_bytes());
            [a, b]
        };
        ClientTag::new(digest("network", network), digest("client", client))
    }

    /// Loads, decides, commits; on a conflict decides again. `decide` must be pure. If a joined record was the cause of the conflict,
    /// nothing happened and nothing will: [`EngineError::Superseded`].
    async fn transact<O, D>(&self, user: &str, mut decide: D) -> Result<O, EngineError>
    where
        D: FnMut(&Account) -> Result<(Transition<O>, Vec<RecordChange>), EngineError>,
    {
        let mut stored = self.store.load(user).await?;
        for _ in 0..DECISIONS {
            let (transition, records) = decide(&stored.account)?;
            if transition.account.is_none() && records.is_empty() {
                return Ok(transition.outcome);
            }
            if self.swap(user, &stored, transition.account, transition.events, records).await? == Committed::Done {
                return Ok(transition.outcome);
            }
            let again = self.store.load(user).await?;
            if again.version == stored.version {
                return Err(EngineError::Superseded);
            }
            stored = again;
        }
        Err(EngineError::Contended)
    }

    async fn swap(
        &self,
        user: &str,
        stored: &StoredAccount,
        account: Option<Account>,
        events: Vec<matrix_2fa_core::Event>,
        mut records: Vec<RecordChange>,
    ) -> Result<Committed, EngineError> {
        let expected = stored.version;
        let notices = self.notices_of(user, &events, &stored.account, account.as_ref()).await?;
        let noticed = !notices.is_empty();
        records.extend(notices);
        let account = account.map(|account| AccountChange { user: user.to_owned(), expected, account });
        let audited = events.clone();
        let begun = self.clock.elapsed();
        let committed = self.store.commit(Commit { account, events, records }).await?;
        numbers::committed(self.clock.elapsed().saturating_sub(begun));
        if committed == Committed::Done {
            if noticed {
                self.outbox.notify_one();
            }
            for event in &audited {
                self.tell(event);
                self.alarm.note(event, self.clock.elapsed());
            }
        }
        Ok(committed)
    }

    /// What binds a session or an enrollment to the access token that began it.
    pub fn token_digest(&self, token: &str) -> [u8; 32] {
        self.keys.digest("access-token", token.as_bytes())
    }

    /// A fresh random name: 32 characters of `0-9a-f`, 128 bit.
    pub fn fresh_id(&self) -> String {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        data_encoding::HEXLOWER.encode(&bytes)
    }
}
