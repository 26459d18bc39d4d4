//! One user, one name: whatever a client types becomes the same canonical Matrix id, because that string keys everything.

use matrix_2fa::homeserver::HostError;
use ruma::{OwnedUserId, ServerName};

use crate::refuse::bad_request;

/// Longer device ids are refused, as the limit for every other Matrix identifier is.
const MAX_DEVICE_ID: usize = 255;

/// The canonical id of a local user, from a localpart (with or without `@`) or a full id, in any case.
///
/// `None` for other servers' users and for what the [grammar] forbids: only ASCII is folded, so no two letters of other alphabets can meet.
///
/// [grammar]: https://spec.matrix.org/v1.19/appendices/#user-identifiers
pub fn canonical_user(given: &str, server: &ServerName) -> Option<String> {
    let localpart = match (given.strip_prefix('@'), given.split_once(':')) {
        (Some(id), Some((_, host))) => {
            id.strip_suffix(host)?.strip_suffix(':').filter(|_| host.eq_ignore_ascii_case(server.as_str()))?
        }
        (Some(localpart), None) => localpart,
        (None, None) => given,
        (None, Some(_)) => return None,
    };
    if localpart.is_empty() {
        return None;
    }
    let id = OwnedUserId::try_from(format!("@{}:{server}", localpart.to_ascii_lowercase())).ok()?;
    id.validate_strict().ok()?;
    Some(id.as_str().to_owned())
}

/// Device ids are opaque, but they become keys, log lines and HTML: no control characters, not empty, not endless.
pub(crate) fn check_device_id(id: &str) -> Result<(), HostError> {
    if id.is_empty() || id.len() > MAX_DEVICE_ID || id.chars().any(char::is_control) {
        return Err(bad_request("M_INVALID_PARAM", "device_id must have 1 to 255 bytes and no control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_local_user_is_one_id_and_strangers_are_none() {
        let server = <&ServerName>::try_from("example.org:8448").expect("legal");
        for given in ["alice", "ALICE", "@alice", "@Alice:example.org:8448", "@alice:EXAMPLE.org:8448"] {
            assert_eq!(canonical_user(given, server).as_deref(), Some("@alice:example.org:8448"), "{given}");
        }
        assert_eq!(canonical_user("a.b_c=d-e/f+9", server).as_deref(), Some("@a.b_c=d-e/f+9:example.org:8448"));
        let long = "a".repeat(300);
        for given in [
            "",
            "@",
            "@:example.org:8448",
            "@alice:example.org",
            "@alice:other:8448",
            "alice:example.org:8448",
            " alice",
            "ali ce",
            "älice",
            "\u{212a}elvin",
            "alice\0",
            "@@alice",
            "@al:ice:example.org:8448",
            long.as_str(),
            "#alice:example.org:8448",
        ] {
            assert_eq!(canonical_user(given, server), None, "{given:?}");
        }
    }

    #[test]
    fn device_ids_are_opaque_within_limits() {
        for good in ["A", "my phone", "å/ä", &"x".repeat(255)] {
            assert!(check_device_id(good).is_ok(), "{good}");
        }
        for bad in ["", "a\0b", "a\nb", &"x".repeat(256)] {
            assert!(check_device_id(bad).is_err(), "{bad:?}");
        }
    }
}
