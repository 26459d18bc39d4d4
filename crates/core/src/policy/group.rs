//! Some of the users: by name, by the shape of their names, or because they administrate the homeserver.

use std::collections::BTreeSet;

use regex::Regex;
use serde::{Serialize, Serializer};

use super::Rule;

/// Some users, and their rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What the operator calls it.
    pub name: String,
    /// Who is in it.
    pub members: Members,
    /// What holds for them.
    pub rule: Rule,
}

/// Who is in a group: whoever any of these names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Members {
    /// Canonical user ids.
    pub users: BTreeSet<String>,
    /// A pattern of localparts.
    pub localparts: Option<Localparts>,
    /// The administrators of the homeserver.
    pub admins: bool,
}

/// A regular expression that must match the whole localpart of a canonical user id: one that matches a part of it would take in
/// `not-an-admin` with `admin`.
#[derive(Clone, Debug)]
pub struct Localparts {
    pattern: String,
    whole: Regex,
}

/// A pattern that is none.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{pattern:?} is no regular expression: {reason}")]
pub struct BadPattern {
    pattern: String,
    reason: String,
}

impl Localparts {
    /// Reads a pattern.
    pub fn new(pattern: &str) -> Result<Self, BadPattern> {
        let bad = |error: regex::Error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            BadPattern { pattern: pattern.to_owned(), reason }
        };
        // By itself first: `a)|(b` is none, and would become one between our own brackets.
        Regex::new(pattern).map_err(bad)?;
        let whole = Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(bad)?;
        Ok(Self { pattern: pattern.to_owned(), whole })
    }

    fn matches(&self, localpart: &str) -> bool {
        self.whole.is_match(localpart)
    }
}

impl PartialEq for Localparts {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Localparts {}

impl Serialize for Localparts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.pattern)
    }
}

impl Members {
    /// Is this user one of them? `admin`: the homeserver says that the user administrates it.
    pub fn contains(&self, user: &str, admin: bool) -> bool {
        (self.admins && admin)
            || self.users.contains(user)
            || self.localparts.as_ref().is_some_and(|pattern| localpart(user).is_some_and(|part| pattern.matches(part)))
    }
}

/// What stands between the `@` and the first `:`. No localpart has a colon.
fn localpart(user: &str) -> Option<&str> {
    user.strip_prefix('@')?.split_once(':').map(|(localpart, _server)| localpart)
}
