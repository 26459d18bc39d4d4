//! Addresses of other servers that hold a password, so nothing prints them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The address of a database, as it was given; checked when it is opened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

/// The address of a mail server, as it was given.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MailUrl(String);

impl DatabaseUrl {
    /// For whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl MailUrl {
    /// For whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for DatabaseUrl {
    fn from(given: String) -> Self {
        Self(given)
    }
}

impl From<String> for MailUrl {
    fn from(given: String) -> Self {
        Self(given)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

impl fmt::Debug for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailUrl(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_it() {
        let url = "postgres://user:hunter2@host/name".to_owned();
        assert_eq!(format!("{:?}", DatabaseUrl::from(url.clone())), "DatabaseUrl(..)");
        assert_eq!(format!("{:?}", MailUrl::from(url)), "MailUrl(..)");
    }
}
