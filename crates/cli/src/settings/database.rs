//! The address of a database. It holds a password, so nothing prints it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// As it was given; checked when it is opened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
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

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_it() {
        let url = DatabaseUrl::from("postgres://user:hunter2@host/name".to_owned());
        assert_eq!(format!("{url:?}"), "DatabaseUrl(..)");
    }
}
