//! One interactive-auth session: ordered stages, bound to one operation, one user and one access token.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{flow::Flow, stage::Stage, throttle::ClientTag, time::Timestamp};

/// A session lives this long from its creation, however much it is used.
pub const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Clocks of replicas may differ by this much.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);

/// What somebody wants to do. The r0, v3 and unstable paths of one endpoint give the same operation; path parameters are its target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Operation {
    /// For example `account/password`.
    pub name: String,
    /// Path parameters in order, for example the device id.
    pub target: Vec<String>,
}

impl Operation {
    /// An operation without path parameters.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), target: Vec::new() }
    }

    /// An operation on `target`.
    pub fn on(name: &str, target: impl Into<String>) -> Self {
        Self { name: name.to_owned(), target: vec![target.into()] }
    }
}

/// A keyed digest of one value of a request body.
pub type BodyDigest = [u8; 32];

/// The state of one session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthSession {
    /// What it authorises.
    pub operation: Operation,
    /// Who: known from the access token, or from the passed first stage of a login.
    pub user: Option<String>,
    /// The device of the access token that opened it.
    pub device: Option<String>,
    /// Keyed digest of that access token: a login that takes the device over, or a refresh, is somebody else.
    #[serde(default)]
    pub token: Option<[u8; 32]>,
    /// The host's count of what ends logins in flight, when the first factor was proved.
    #[serde(default)]
    pub epoch: u64,
    /// The client address that opened it, as a tag.
    pub client: ClientTag,
    /// The same address as text, for the page that names it to the person who is asked to confirm.
    #[serde(default)]
    pub address: Option<String>,
    /// Final in the first answer.
    pub flows: Vec<Flow>,
    /// What was passed so far, in order: always an exact prefix of one flow.
    pub completed: Vec<Stage>,
    /// The first body, JSON, without `auth` and without secrets; later requests may leave its keys out.
    pub body: String,
    /// Keyed digests of the secrets of the first body (`new_password`), which are never kept themselves.
    pub secrets: BTreeMap<String, BodyDigest>,
    /// When it was opened.
    pub created_at: Timestamp,
}

impl fmt::Debug for AuthSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The body is the client's and may hold anything.
        let mut shown = f.debug_struct("AuthSession");
        shown.field("operation", &self.operation).field("user", &self.user).field("completed", &self.completed);
        shown.finish_non_exhaustive()
    }
}

/// Why a stage cannot be run now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// It was passed before and is not run again.
    Completed,
    /// No flow has it at this place.
    OutOfOrder,
}

/// What is left after a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More stages are to come.
    More,
    /// A flow is complete: the session authorises its operation once, and must be consumed.
    Complete,
}

impl AuthSession {
    /// May `stage` be run now? Nothing may be evaluated unless this says yes.
    pub fn admits(&self, stage: Stage) -> Result<(), NotNow> {
        if self.completed.contains(&stage) {
            return Err(NotNow::Completed);
        }
        let open = self.flows.iter().any(|flow| flow.next(&self.completed) == Some(stage));
        if open { Ok(()) } else { Err(NotNow::OutOfOrder) }
    }

    /// Records that `stage` was passed.
    pub fn complete(&mut self, stage: Stage) -> Result<Progress, NotNow> {
        self.admits(stage)?;
        self.completed.push(stage);
        Ok(self.progress())
    }

    /// Is a flow complete?
    pub fn progress(&self) -> Progress {
        let complete = self.flows.iter().any(|flow| flow.is_completed_by(&self.completed));
        if complete { Progress::Complete } else { Progress::More }
    }

    /// Was it opened for this operation, by this user, on this device, with this access token?
    pub fn belongs_to(
        &self,
        operation: &Operation,
        user: Option<&str>,
        device: Option<&str>,
        token: Option<&[u8; 32]>,
    ) -> bool {
        let opener = (self.user.as_deref(), self.device.as_deref(), self.token.as_ref());
        self.operation == *operation && opener == (user, device, token)
    }

    /// Does it live at `now`? A session from further ahead than replicas' clocks differ (the clock was set back) is dead too.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.plus(CLOCK_DIFFERENCE) >= self.created_at && now < self.expires_at()
    }

    /// When it dies.
    pub fn expires_at(&self) -> Timestamp {
        self.created_at.plus(LIFETIME)
    }
}
