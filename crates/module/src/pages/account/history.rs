//! Audited things in words. Not everything is worth a line: what goes with something else, or what nothing came of, is left out.

use cookie::time::OffsetDateTime;
use matrix_2fa_core::{Event, EventKind, Stage, Timestamp};

use super::super::words::Words;

/// A moment: for machines, and for people whose browser has no script (with one it is shown in their own time zone).
pub(super) struct When {
    pub(super) iso: String,
    pub(super) text: String,
}

/// One line of the history.
pub(super) struct Line {
    pub(super) what: String,
    /// When it happened last.
    pub(super) when: When,
    pub(super) address: Option<String>,
    /// How often it happened in a row, from this address.
    pub(super) times: usize,
}

impl When {
    pub(super) fn at(moment: Timestamp) -> Self {
        let seconds = i64::try_from(moment.as_secs()).unwrap_or_default();
        let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let date = format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day());
        let time = format!("{:02}:{:02}", at.hour(), at.minute());
        Self { iso: format!("{date}T{time}:{:02}Z", at.second()), text: format!("{date} {time} UTC") }
    }
}

impl Line {
    /// The newest `limit` lines of events, the newest first. What happened again and again from one place is one line, or a guesser would
    /// push everything else off the page.
    pub(super) fn all(words: &Words, events: Vec<Event>, limit: usize) -> Vec<Self> {
        let mut lines: Vec<Self> = Vec::new();
        for event in events {
            let Some(what) = in_words(words, &event.kind) else { continue };
            let full = lines.len() == limit;
            match lines.last_mut() {
                Some(last) if last.what == what && last.address == event.origin.ip => last.times += 1,
                _ if full => break,
                _ => lines.push(Self { what, when: When::at(event.at), address: event.origin.ip, times: 1 }),
            }
        }
        lines
    }
}

fn in_words(words: &Words, kind: &EventKind) -> Option<String> {
    use EventKind as Kind;
    let key = match kind {
        Kind::EnrollmentStarted { .. } | Kind::FactorVerified { stage: Stage::Recovery, .. } => return None,
        // The server's own, and so in nobody's account.
        Kind::RestoreFinished { .. }
        | Kind::KeyRotationStarted { .. }
        | Kind::KeyRotationFinished { .. }
        | Kind::UnguardedRefused
        | Kind::ExportStarted { .. }
        | Kind::ExportFinished { .. }
        | Kind::PolicyChanged { .. }
        | Kind::KeyRemoved { .. } => return None,
        Kind::RecoveryCodeUsed { remaining } => {
            return Some(words.count("event-recovery-used", u64::try_from(*remaining).unwrap_or_default()));
        }
        Kind::EnrollmentConfirmed { first: true, .. } => "event-on",
        Kind::EnrollmentConfirmed { .. } => "event-added",
        Kind::EnrollmentFailed { .. } => "event-setup-wrong",
        Kind::FactorVerified { .. } => "event-code",
        Kind::FactorFailed { .. } => "event-wrong",
        Kind::FactorReplayed { .. } => "event-replayed",
        Kind::Locked { .. } => "event-locked",
        Kind::Unlocked => "event-unlocked",
        Kind::RecoveryCodesRegenerated => "event-recovery-renewed",
        Kind::RecoveryCodesRemoved => "event-recovery-removed",
        Kind::AuthenticatorRenamed { .. } => "event-renamed",
        Kind::AuthenticatorRemoved { .. } => "event-removed",
        Kind::Disabled => "event-off",
        Kind::Reset => "event-reset",
        Kind::Forgotten => "event-forgotten",
        Kind::EnrollmentRequired { .. } | Kind::EnrollmentDemanded { .. } => "event-required",
        Kind::DemandWithdrawn { .. } | Kind::Exempted { .. } => "event-exempted",
        Kind::CodeIssued { .. } => "event-code-issued",
        Kind::LoginStopped => "event-login-stopped",
        Kind::IssuedCodeUsed => "event-code-issued-used",
        Kind::ExemptionEnded { .. } => "event-exemption-over",
        Kind::Restored { .. } => "event-restored",
        Kind::Imported { .. } => "event-imported",
        Kind::Exported { .. } => "event-exported",
    };
    Some(words.say(key))
}
