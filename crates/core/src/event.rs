//! Everything that is audited. An event carries no secret by construction: ids, counts and outcomes only.

use serde::{Deserialize, Serialize};

use crate::{stage::Stage, time::Timestamp};

/// One audited thing, written in the same commit as the change that it tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the clock that decided.
    pub at: Timestamp,
    /// Whose account.
    pub user: String,
    /// From where.
    pub origin: Origin,
    /// What.
    pub kind: EventKind,
}

/// Where a request came from, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The device of the access token.
    pub device: Option<String>,
    /// The client's address.
    pub ip: Option<String>,
    /// What the factor was asked for, for example `login`.
    pub operation: Option<String>,
}

/// The audited things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A new authenticator waits for its confirmation.
    EnrollmentStarted {
        /// The authenticator.
        id: String,
    },
    /// A right code confirmed it.
    EnrollmentConfirmed {
        /// The authenticator.
        id: String,
        /// Was it the first factor of this account?
        first: bool,
    },
    /// A wrong code for a pending authenticator.
    EnrollmentFailed {
        /// The authenticator.
        id: String,
        /// Was it the fifth, which discards the pending enrollment?
        discarded: bool,
    },
    /// A right second factor.
    FactorVerified {
        /// Which stage.
        stage: Stage,
        /// The authenticators whose step was burnt; empty for a recovery code.
        authenticators: Vec<String>,
    },
    /// A wrong second factor, charged.
    FactorFailed {
        /// Which stage.
        stage: Stage,
        /// Wrong ones in a row, this one included.
        run: u32,
    },
    /// A code that was right once and had been used.
    FactorReplayed {
        /// Which stage.
        stage: Stage,
        /// The authenticators that it belongs to; empty for a recovery code.
        authenticators: Vec<String>,
    },
    /// Too many wrong codes: these authenticators accept nothing until they are replaced or unlocked.
    Locked {
        /// The authenticators.
        authenticators: Vec<String>,
    },
    /// An administrator lifted the lock.
    Unlocked,
    /// A recovery code was spent.
    RecoveryCodeUsed {
        /// How many are left.
        remaining: usize,
    },
    /// A fresh set replaced the old recovery codes.
    RecoveryCodesRegenerated,
    /// The user removed the recovery codes and kept the authenticators.
    RecoveryCodesRemoved,
    /// An authenticator got another name.
    AuthenticatorRenamed {
        /// The authenticator.
        id: String,
    },
    /// An authenticator was removed by its user.
    AuthenticatorRemoved {
        /// The authenticator.
        id: String,
    },
    /// The user turned everything off.
    Disabled,
    /// An administrator removed every factor.
    Reset,
    /// The user was deactivated: everything kept about them is gone.
    Forgotten,
    /// The store was restored from a backup: recovery codes and the pending enrollment ended, and codes up to then are refused.
    Restored {
        /// Were there recovery codes?
        recovery: bool,
        /// Was there a pending enrollment?
        pending: bool,
    },
    /// A second factor is required of this user, who has none.
    EnrollmentRequired {
        /// Until when they may go on without.
        until: Timestamp,
    },
    /// An administrator requires a second factor of this user, whatever the rules of the server say.
    EnrollmentDemanded {
        /// Who.
        author: String,
        /// Until when the user may go on without.
        until: Timestamp,
    },
    /// That was taken back.
    DemandWithdrawn {
        /// By whom.
        author: String,
    },
    /// An administrator exempts this user from having to have a second factor.
    Exempted {
        /// What for.
        reason: String,
        /// Who.
        author: String,
        /// Until when.
        until: Timestamp,
    },
    /// An administrator ended the exemption before its time.
    ExemptionEnded {
        /// Who.
        author: String,
    },
    /// An administrator issued a code that stands for a recovery code, once.
    CodeIssued {
        /// Who.
        author: String,
        /// When it dies unused.
        expires_at: Timestamp,
    },
    /// It was used.
    IssuedCodeUsed,
    /// A login of this user that had not passed the second factor was ended before anybody had its token. From where: the operation.
    LoginStopped,
    /// An endpoint that cannot ask for the second factor asked for interactive auth, and was refused. Which one: the operation.
    UnguardedRefused,
    /// An administrator brought factors of this user from elsewhere.
    Imported {
        /// Who.
        author: String,
        /// The authenticators that came; empty if only what the policy or the throttle knows did.
        authenticators: Vec<String>,
    },
    /// The seeds of this user were put into a file for somebody.
    Exported {
        /// Who did it.
        author: String,
        /// Who can read the file: public keys.
        recipients: Vec<String>,
    },
    /// Of [`SERVER`]: everybody's seeds are being put into a file.
    ExportStarted {
        /// Who does it.
        author: String,
        /// Who can read the file: public keys.
        recipients: Vec<String>,
    },
    /// Of [`SERVER`]: they are in it.
    ExportFinished {
        /// Who did it.
        author: String,
        /// How many users are in the file.
        users: u64,
    },
    /// Of [`SERVER`]: the rules of who must have a second factor are others from now on.
    PolicyChanged {
        /// The rules, as they are shown to administrators.
        rules: String,
    },
    /// Of [`SERVER`]: the restored store was made safe to be used, and all logins were ended.
    RestoreFinished {
        /// Since when it is unknown what happened.
        since: Timestamp,
    },
    /// Of [`SERVER`]: seeds are sealed with another key from now on, and those that are there are sealed anew.
    KeyRotationStarted {
        /// The new key's id.
        key: String,
    },
    /// Of [`SERVER`]: every seed that opens is sealed with this key.
    KeyRotationFinished {
        /// The new key's id.
        key: String,
    },
    /// Of [`SERVER`]: a key that seals nothing any more is no longer needed.
    KeyRemoved {
        /// The key's id.
        key: String,
    },
}

impl EventKind {
    /// Its name, as it is serialised: for labels and lists.
    pub fn name(&self) -> &'static str {
        match self {
            Self::EnrollmentStarted { .. } => "enrollment_started",
            Self::EnrollmentConfirmed { .. } => "enrollment_confirmed",
            Self::EnrollmentFailed { .. } => "enrollment_failed",
            Self::FactorVerified { .. } => "factor_verified",
            Self::FactorFailed { .. } => "factor_failed",
            Self::FactorReplayed { .. } => "factor_replayed",
            Self::Locked { .. } => "locked",
            Self::Unlocked => "unlocked",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::RecoveryCodesRegenerated => "recovery_codes_regenerated",
            Self::RecoveryCodesRemoved => "recovery_codes_removed",
            Self::AuthenticatorRenamed { .. } => "authenticator_renamed",
            Self::AuthenticatorRemoved { .. } => "authenticator_removed",
            Self::Disabled => "disabled",
            Self::Reset => "reset",
            Self::Forgotten => "forgotten",
            Self::Restored { .. } => "restored",
            Self::EnrollmentRequired { .. } => "enrollment_required",
            Self::EnrollmentDemanded { .. } => "enrollment_demanded",
            Self::DemandWithdrawn { .. } => "demand_withdrawn",
            Self::Exempted { .. } => "exempted",
            Self::ExemptionEnded { .. } => "exemption_ended",
            Self::CodeIssued { .. } => "code_issued",
            Self::IssuedCodeUsed => "issued_code_used",
            Self::LoginStopped => "login_stopped",
            Self::UnguardedRefused => "unguarded_refused",
            Self::Imported { .. } => "imported",
            Self::Exported { .. } => "exported",
            Self::ExportStarted { .. } => "export_started",
            Self::ExportFinished { .. } => "export_finished",
            Self::PolicyChanged { .. } => "policy_changed",
            Self::RestoreFinished { .. } => "restore_finished",
            Self::KeyRotationStarted { .. } => "key_rotation_started",
            Self::KeyRotationFinished { .. } => "key_rotation_finished",
            Self::KeyRemoved { .. } => "key_removed",
        }
    }
}

/// The user of events that are the server's own. No Matrix id is empty.
pub const SERVER: &str = "";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_called_as_it_is_serialised() {
        let (author, until) = ("root".to_owned(), Timestamp::default());
        let kinds = [
            EventKind::EnrollmentStarted { id: "a".to_owned() },
            EventKind::FactorFailed { stage: Stage::Totp, run: 1 },
            EventKind::Unlocked,
            EventKind::RecoveryCodesRegenerated,
            EventKind::EnrollmentDemanded { author, until },
            EventKind::LoginStopped,
        ];
        for kind in kinds {
            let serialised = serde_json::to_value(&kind).expect("an object");
            assert_eq!(serialised.get("event"), Some(&kind.name().into()));
        }
    }
}
