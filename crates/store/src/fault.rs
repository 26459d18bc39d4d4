//! Faults on purpose, so that the crash suite can show that it would find them. They exist only with the feature `faults`, where the variable
//! `MATRIX_2FA_FAULT` names one; in every other build [`is`] is the constant `false`, and the variable is a setting that does not exist.

/// A fault of a kind that people really make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `no-flush`: commits are answered before they are on disk.
    NoFlush,
    /// `no-cas`: commits do not look at the versions they expect.
    NoCas,
    /// `counter-in-memory`: wrong codes are counted in the process alone.
    CounterInMemory,
    /// `recovery-after-answer`: a recovery code is marked as spent a moment after the answer.
    RecoveryAfterAnswer,
    /// `session-not-bound`: a session serves any operation.
    SessionNotBound,
}

/// Does this process have this fault?
#[cfg(not(feature = "faults"))]
#[must_use]
pub const fn is(_fault: Fault) -> bool {
    false
}

/// Does this process have this fault?
#[cfg(feature = "faults")]
#[must_use]
pub fn is(fault: Fault) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<Fault>> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| Fault::named(std::env::var("MATRIX_2FA_FAULT").ok()?.as_str())) == Some(fault)
}

#[cfg(feature = "faults")]
impl Fault {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "no-flush" => Self::NoFlush,
            "no-cas" => Self::NoCas,
            "counter-in-memory" => Self::CounterInMemory,
            "recovery-after-answer" => Self::RecoveryAfterAnswer,
            "session-not-bound" => Self::SessionNotBound,
            _ => return None,
        })
    }
}
