//! The one access token of a request. Where a request brings several, upstreams differ in which they take: it is refused.

use std::collections::BTreeSet;

use http::{header::AUTHORIZATION, request::Parts};
use matrix_2fa::homeserver::HostError;

/// The access token, if there is exactly one.
pub(crate) fn sole_token(parts: &Parts) -> Result<Option<String>, HostError> {
    let mut tokens = BTreeSet::new();
    let mut places = 0;
    for value in parts.headers.get_all(AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|value| value.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).ok_or_else(several)?.1;
        tokens.insert(token.trim().to_owned());
        places += 1;
    }
    for (_, value) in query(parts).filter(|(key, _)| key.eq_ignore_ascii_case("access_token")) {
        tokens.insert(value);
        places += 1;
    }
    match (places, tokens.pop_first().filter(|token| !token.is_empty())) {
        (0, _) => Ok(None),
        (1, Some(token)) => Ok(Some(token)),
        _ => Err(several()),
    }
}

/// The pairs of a query.
pub(crate) fn query(parts: &Parts) -> impl Iterator<Item = (String, String)> {
    let query = parts.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).map(|(key, value)| (key.into_owned(), value.into_owned()))
}

fn several() -> HostError {
    HostError::Refused {
        status: 401,
        errcode: "M_MISSING_TOKEN",
        error: "Send exactly one access token, in the header \"Authorization: Bearer\".".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(uri: &str, headers: &[&str]) -> Result<Option<String>, ()> {
        let mut request = http::Request::get(uri);
        for value in headers {
            request = request.header("authorization", *value);
        }
        sole_token(&request.body(()).expect("a request").into_parts().0).map_err(|_| ())
    }

    #[test]
    fn one_token_or_none() {
        assert_eq!(token("/x", &[]), Ok(None));
        assert_eq!(token("/x", &["Bearer a"]), Ok(Some("a".to_owned())));
        assert_eq!(token("/x?access_token=a", &[]), Ok(Some("a".to_owned())));
        assert_eq!(token("/x?%61ccess_token=a", &[]), Ok(Some("a".to_owned())));
        for (uri, headers) in [
            ("/x?access_token=a", &["Bearer a"][..]),
            ("/x?access_token=a&access_token=b", &[]),
            ("/x", &["Bearer a", "Bearer b"]),
            ("/x", &["Basic a"]),
            ("/x", &["Bearer "]),
            ("/x?access_token=", &[]),
        ] {
            assert_eq!(token(uri, headers), Err(()), "{uri} {headers:?}");
        }
    }
}
