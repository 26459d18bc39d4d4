//! One user, one name: whatever a client types becomes the same Matrix id, because that string keys everything.

/// The id of a local user, from a localpart (with or without `@`) or a full id, in any case.
///
/// `None` for other servers' users, and for every name that an upstream may read in its own way: only ASCII is folded, and only characters that
/// ids may have are taken. Whose such a name is only the upstream's answer tells.
pub(crate) fn canonical_user(given: &str, server: &str) -> Option<String> {
    let localpart = match (given.strip_prefix('@'), given.split_once(':')) {
        (Some(id), Some((_, host))) => {
            id.strip_suffix(host)?.strip_suffix(':').filter(|_| host.eq_ignore_ascii_case(server))?
        }
        (Some(localpart), None) => localpart,
        (None, None) => given,
        (None, Some(_)) => return None,
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._=-/+".contains(&byte);
    if localpart.is_empty() || !localpart.bytes().all(legal) {
        return None;
    }
    let id = format!("@{}:{server}", localpart.to_ascii_lowercase());
    (id.len() <= 255).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_local_user_is_one_id_and_strangers_are_none() {
        for given in ["alice", "ALICE", "@alice", "@Alice:example.org:8448", "@alice:EXAMPLE.org:8448"] {
            let id = canonical_user(given, "example.org:8448");
            assert_eq!(id.as_deref(), Some("@alice:example.org:8448"), "{given}");
        }
        for given in [
            "",
            "@",
            "@:example.org",
            "@alice:other.org",
            "alice:example.org",
            " alice",
            "alice ",
            "ali ce",
            "fran\u{212a}",
            "al\u{0}",
        ] {
            assert_eq!(canonical_user(given, "example.org"), None, "{given}");
        }
    }
}
