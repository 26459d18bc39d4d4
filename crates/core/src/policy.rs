//! Who may have a second factor and who must.

use serde::{Deserialize, Serialize};

/// The server's policy. A confirmed factor is asked for under every policy until it is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Nobody can enroll a new factor.
    Disallowed,
    /// Everybody may.
    #[default]
    OptIn,
    /// Everybody must: the last factor cannot be removed, and who has none can do nothing but enroll one.
    Required,
}

impl Policy {
    /// The name in settings and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disallowed => "disallowed",
            Self::OptIn => "opt-in",
            Self::Required => "required",
        }
    }
}
