//! Stage names of interactive auth: what we emit, and every alias that we take on input.

use serde::{Deserialize, Serialize};

/// A step of an interactive-auth flow that this project knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// `m.login.password`.
    Password,
    /// `m.login.token`: a login token stood for the first factor.
    Token,
    /// `m.login.dummy`: registration only.
    Dummy,
    /// `m.login.sso`: a hosted page that asks for both factors. Never a stage of a login.
    Sso,
    /// A time-based one-time password of an authenticator.
    Totp,
    /// A recovery code.
    Recovery,
}

/// The prefix of the second-factor stages that we emit. On input all known prefixes are the same stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagePrefix(String);

impl Default for StagePrefix {
    /// Issue #1997's names.
    fn default() -> Self {
        Self("m.login.2fa.".to_owned())
    }
}

/// Prefixes under which the proposals named these stages: issue #1997, MSC1998, MSC2271.
const KNOWN_PREFIXES: [&str; 3] = ["m.login.2fa.", "m.login.two-factor.", "m.login."];

impl StagePrefix {
    /// A prefix of the operator's choice. It must be non-empty, end in a dot and contain only `a-z 0-9 . _ -`.
    pub fn new(prefix: &str) -> Option<Self> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        (prefix.len() > 1 && prefix.ends_with('.') && prefix.chars().all(legal)).then(|| Self(prefix.to_owned()))
    }

    /// The name that goes out on the wire.
    pub fn name(&self, stage: Stage) -> String {
        match stage {
            Stage::Password => "m.login.password".to_owned(),
            Stage::Token => "m.login.token".to_owned(),
            Stage::Dummy => "m.login.dummy".to_owned(),
            Stage::Sso => "m.login.sso".to_owned(),
            Stage::Totp => format!("{}totp", self.0),
            Stage::Recovery => format!("{}recovery", self.0),
        }
    }

    /// The stage that a name on the wire means; `None` for a stranger's.
    pub fn parse(&self, name: &str) -> Option<Stage> {
        match name {
            "m.login.password" => return Some(Stage::Password),
            "m.login.token" => return Some(Stage::Token),
            "m.login.dummy" => return Some(Stage::Dummy),
            "m.login.sso" => return Some(Stage::Sso),
            _ => {}
        }
        let short = |prefix: &str| match name.strip_prefix(prefix)? {
            "totp" => Some(Stage::Totp),
            "recovery" => Some(Stage::Recovery),
            _ => None,
        };
        short(&self.0).or_else(|| KNOWN_PREFIXES.into_iter().find_map(short))
    }

    /// The wildcard that means every second factor in MSC1998's bodies: `m.login.2fa.*` under any known prefix.
    pub fn is_wildcard(&self, name: &str) -> bool {
        let Some(prefix) = name.strip_suffix('*') else { return false };
        prefix == self.0 || prefix == "m.login.2fa." || prefix == "m.login.two-factor."
    }
}

impl Stage {
    /// Is it one of ours, a second factor?
    pub fn is_second_factor(self) -> bool {
        matches!(self, Self::Totp | Self::Recovery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_is_the_same_stage() {
        let prefix = StagePrefix::new("org.example.2fa.").expect("legal");
        for name in ["m.login.2fa.totp", "m.login.two-factor.totp", "m.login.totp", "org.example.2fa.totp"] {
            assert_eq!(prefix.parse(name), Some(Stage::Totp), "{name}");
        }
        for name in ["m.login.2fa.", "m.login.2fa.TOTP", "totp", "m.login.saml", "org.example.totp", ""] {
            assert_eq!(prefix.parse(name), None, "{name}");
        }
        assert_eq!(prefix.name(Stage::Recovery), "org.example.2fa.recovery");
    }

    #[test]
    fn every_stage_is_known_by_the_name_that_goes_out() {
        let prefix = StagePrefix::default();
        for (stage, name, ours) in [
            (Stage::Password, "m.login.password", false),
            (Stage::Token, "m.login.token", false),
            (Stage::Dummy, "m.login.dummy", false),
            (Stage::Sso, "m.login.sso", false),
            (Stage::Totp, "m.login.2fa.totp", true),
            (Stage::Recovery, "m.login.2fa.recovery", true),
        ] {
            assert_eq!((prefix.name(stage).as_str(), prefix.parse(name)), (name, Some(stage)));
            assert_eq!(stage.is_second_factor(), ours, "{name}");
        }
    }

    #[test]
    fn a_wildcard_means_every_second_factor_and_no_other_stage() {
        let prefix = StagePrefix::new("org.example.2fa.").expect("legal");
        for name in ["org.example.2fa.*", "m.login.2fa.*", "m.login.two-factor.*"] {
            assert!(prefix.is_wildcard(name), "{name}");
        }
        for name in ["m.login.*", "*", "", "m.login.2fa.", "m.login.2fa.totp", "org.example.*", "m.login.2fa.**"] {
            assert!(!prefix.is_wildcard(name), "{name}");
        }
    }

    #[test]
    fn bad_prefixes_are_refused() {
        for bad in ["", ".", "no-dot", "Upper.", "sp ace."] {
            assert_eq!(StagePrefix::new(bad), None, "{bad}");
        }
    }
}
