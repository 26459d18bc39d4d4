//! An account on its way to another server: with its seeds open, and with everything that must not be forgotten on the way.
//!
//! What is bound to this server stays behind: an enrollment that was not confirmed (it belongs to an access token), a code of an
//! administrator (its digest is keyed), the addresses of wrong codes (their tags are keyed).

mod hex;

use serde::{Deserialize, Serialize};

use super::{Account, Authenticator, Context, MAX_AUTHENTICATORS, Transition};
use crate::{
    event::EventKind,
    otpauth::{self, Unreadable},
    policy::Duty,
    recovery::{CODES, HashParams, RecoverySet},
    secret::{RecoveryDigest, SealedSeed, Seed},
    throttle::Throttle,
    time::Timestamp,
    totp::{Params, SKEW, TimeStep},
};

/// What moves of one user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// Confirmed authenticators, oldest first.
    pub authenticators: Vec<MovedAuthenticator>,
    /// The recovery codes, as hashes.
    pub recovery: Option<MovedRecovery>,
    /// Wrong codes of authenticators: a move must be no way round the throttle.
    pub wrong_codes: Throttle,
    /// Wrong recovery codes.
    pub wrong_recovery_codes: Throttle,
    /// When the first factor was confirmed.
    pub enabled_at: Option<Timestamp>,
    /// What the policy knows of this user: since when, a demand, an exemption.
    pub duty: Duty,
}

/// An authenticator with its seed. `Debug` does not show it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedAuthenticator {
    /// What its user calls it.
    pub name: String,
    /// How it makes codes.
    pub params: Params,
    /// The seed, in base32.
    #[serde(with = "hex::seed")]
    pub seed: Seed,
    /// When it was confirmed.
    pub created_at: Timestamp,
    /// When a code of it was last accepted.
    pub last_used_at: Option<Timestamp>,
    /// The highest step ever accepted.
    pub last_step: TimeStep,
    /// Set by too many wrong codes.
    pub locked_at: Option<Timestamp>,
}

/// Recovery codes: what is needed to recognise one, and not to find one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedRecovery {
    /// In hexadecimal digits, as the hashes.
    #[serde(with = "hex::bytes")]
    pub salt: [u8; 16],
    /// How to hash a try.
    pub params: HashParams,
    /// When the set was made.
    pub created_at: Timestamp,
    /// The codes in their order.
    pub codes: Vec<MovedCode>,
}

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedCode {
    /// Argon2id of the code.
    #[serde(with = "hex::digest")]
    pub hash: RecoveryDigest,
    /// When it was used.
    pub spent_at: Option<Timestamp>,
}

/// Why what moves cannot be taken by any account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// An authenticator.
    #[error("an authenticator cannot be used here: {0}")]
    Authenticator(#[from] Unreadable),
    /// A name.
    #[error("an authenticator has a name that is empty, longer than 100 characters, or has control characters")]
    Name,
    /// The number of authenticators.
    #[error("there are more than {MAX_AUTHENTICATORS} authenticators for one user")]
    TooMany,
    /// The recovery codes.
    #[error("the recovery codes are more than {CODES}, or hashed at a cost that this server does not bear")]
    Recovery,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The account has it, these authenticators are new.
    Done {
        /// Their ids.
        authenticators: Vec<String>,
    },
    /// It was there before.
    Already,
    /// There are other factors, and nobody said that more may be added.
    Enrolled,
    /// With them there would be too many.
    TooMany,
}

/// How it is to be taken.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Who does it, for the audit.
    pub author: String,
    /// Add to the factors that are there.
    pub add: bool,
    /// For each of the authenticators: its id here, and its seed, sealed here.
    pub sealed: Vec<(String, SealedSeed)>,
    /// All of these seeds are in the account already.
    pub known: bool,
}

impl Moved {
    /// Can it be taken at all?
    pub fn check(&self) -> Result<(), Unfit> {
        if self.authenticators.len() > MAX_AUTHENTICATORS {
            return Err(Unfit::TooMany);
        }
        for MovedAuthenticator { name, params, seed, .. } in &self.authenticators {
            otpauth::usable(*params, seed)?;
            if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
                return Err(Unfit::Name);
            }
        }
        // Whoever wrote the file must not choose what a try costs.
        let bearable = |HashParams { memory_kib, passes, lanes }: HashParams| {
            (8..=1024 * 1024).contains(&memory_kib) && (1..=16).contains(&passes) && (1..=16).contains(&lanes)
        };
        match &self.recovery {
            Some(set) if set.codes.len() > CODES || !bearable(set.params) => Err(Unfit::Recovery),
            _ => Ok(()),
        }
    }

    fn recovery_set(&self) -> Option<RecoverySet> {
        let MovedRecovery { salt, params, created_at, codes } = self.recovery.clone()?;
        let codes = codes.into_iter().map(|MovedCode { hash, spent_at }| (hash, spent_at));
        Some(RecoverySet::with_spent(salt, params, created_at, codes))
    }
}

impl Account {
    /// What moves of this account; `open` gives the seed of an authenticator. `None`: nothing that is worth it.
    pub fn departing<E>(&self, mut open: impl FnMut(&Authenticator) -> Result<Seed, E>) -> Result<Option<Moved>, E> {
        let mut moved = Moved {
            wrong_codes: self.totp_throttle.without_clients(),
            wrong_recovery_codes: self.recovery_throttle.without_clients(),
            enabled_at: self.enabled_at,
            duty: self.duty.clone(),
            ..Moved::default()
        };
        for one in &self.authenticators {
            let Authenticator { name, params, created_at, last_used_at, last_step, locked_at, .. } = one.clone();
            let seed = open(one)?;
            let fields = MovedAuthenticator { name, params, seed, created_at, last_used_at, last_step, locked_at };
            moved.authenticators.push(fields);
        }
        moved.recovery = self.recovery.as_ref().map(|set| MovedRecovery {
            salt: set.salt,
            params: set.params,
            created_at: set.created_at,
            codes: set.codes().map(|(hash, spent_at)| MovedCode { hash: hash.clone(), spent_at }).collect(),
        });
        let nothing = moved.authenticators.is_empty()
            && moved.duty == Duty::default()
            && moved.wrong_codes == Throttle::default()
            && moved.wrong_recovery_codes == Throttle::default();
        Ok((!nothing).then_some(moved))
    }

    /// Takes what moved here. Codes up to the step after the present one are refused: they may have been used where it came from. A pending
    /// enrollment ends, because it was begun when a password was enough for it.
    pub fn arriving(&self, cx: &Context, moved: &Moved, admission: &Admission) -> Transition<Arrival> {
        if admission.known && !moved.authenticators.is_empty() {
            return Transition::unchanged(Arrival::Already);
        }
        let adds = !moved.authenticators.is_empty();
        if adds && self.is_enrolled() && !admission.add {
            return Transition::unchanged(Arrival::Enrolled);
        }
        if self.authenticators.len() + moved.authenticators.len() > MAX_AUTHENTICATORS {
            return Transition::unchanged(Arrival::TooMany);
        }
        let mut next = self.clone();
        next.authenticators.extend(moved.authenticators.iter().zip(&admission.sealed).map(|(one, (id, seed))| {
            let TimeStep(present) = TimeStep::at(cx.now, one.params);
            Authenticator {
                id: id.clone(),
                name: one.name.clone(),
                params: one.params,
                seed: seed.clone(),
                created_at: one.created_at,
                last_used_at: one.last_used_at,
                last_step: one.last_step.max(TimeStep(present.saturating_add(SKEW))),
                replayed_step: None,
                locked_at: one.locked_at,
            }
        }));
        next.totp_throttle = self.totp_throttle.joined(&moved.wrong_codes);
        next.recovery_throttle = self.recovery_throttle.joined(&moved.wrong_recovery_codes);
        next.duty = self.duty.joined(&moved.duty);
        if adds {
            next.pending = None;
            next.changed_at = Some(cx.now);
            if !self.is_enrolled() {
                next.enabled_at = moved.enabled_at.or(Some(cx.now));
                next.recovery = moved.recovery_set();
                next.reservation = None;
            }
        }
        if next == *self {
            return Transition::unchanged(Arrival::Already);
        }
        let authenticators: Vec<String> = admission.sealed.iter().map(|(id, _)| id.clone()).collect();
        let (author, ids) = (admission.author.clone(), authenticators.clone());
        let mut events = vec![cx.event(EventKind::Imported { author, authenticators: ids })];
        events.extend(self.duty.news_in(&next.duty).into_iter().map(|kind| cx.event(kind)));
        Transition::changed(next, Arrival::Done { authenticators }, events)
    }
}
