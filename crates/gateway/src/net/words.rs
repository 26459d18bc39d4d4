//! What an answer says, as far as it matters here.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// What stands in an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing that matters.
    Nothing,
    /// A token, and nobody can tell whose: no JSON that could be read, or a refresh token alone.
    Unreadable,
    /// Flows of interactive auth.
    Flows,
    /// Access tokens, all of them.
    Tokens(Vec<String>),
}

/// Under which names tokens are given out that are good for requests.
const TOKEN: &str = "access_token";

/// And what `POST /refresh` gives such tokens for. Beside an access token it is that one's.
const REFRESH: &str = "refresh_token";

/// Could this be the beginning of JSON? White space alone could.
pub(super) fn may_be_json(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|first| matches!(first, b'{' | b'['))
}

/// Reads a whole answer. Every key counts, also one that stands twice: clients differ in which they take.
pub(super) fn read(bytes: &[u8]) -> Found {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(Words { tokens, refresh, flows }) = serde_json::from_slice::<Words>(text) else {
        return if super::scan::has_a_word(bytes) { Found::Unreadable } else { Found::Nothing };
    };
    match (tokens.is_empty(), flows) {
        (false, _) => Found::Tokens(tokens),
        (true, _) if refresh => Found::Unreadable,
        (true, true) => Found::Flows,
        (true, false) => Found::Nothing,
    }
}

#[derive(Default)]
struct Words {
    tokens: Vec<String>,
    refresh: bool,
    flows: bool,
}

impl Words {
    fn and(&mut self, other: Self) {
        self.tokens.extend(other.tokens);
        self.refresh |= other.refresh;
        self.flows |= other.flows;
    }
}

/// A value below a key: itself, if it is text, and what it contains.
struct Value {
    text: Option<String>,
    list: bool,
    words: Words,
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Value::deserialize(from)?.words)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

impl Value {
    fn of(words: Words, list: bool) -> Self {
        Self { text: None, list, words }
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut words = Words::default();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            words.refresh |= key.eq_ignore_ascii_case(REFRESH) && value.text.is_some();
            if key.eq_ignore_ascii_case(TOKEN) {
                words.tokens.extend(value.text);
            }
            words.flows |= key == "flows" && value.list;
            words.and(value.words);
        }
        Ok(Value::of(words, false))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut words = Words::default();
        while let Some(value) = list.next_element::<Value>()? {
            words.and(value.words);
        }
        Ok(Value::of(words, true))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value { text: Some(text.to_owned()), list: false, words: Words::default() })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::of(Words::default(), false))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::of(Words::default(), false))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::of(Words::default(), false))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::of(Words::default(), false))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::of(Words::default(), false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(answer: &str) -> Found {
        read(answer.as_bytes())
    }

    #[test]
    fn every_token_is_found() {
        let one = || Found::Tokens(vec!["t".to_owned()]);
        assert_eq!(tokens(r#"{"access_token":"t"}"#), one());
        assert_eq!(tokens(r#" {"a":[1,null,{"b":{"access_token":"t"}}],"flows":[]}"#), one());
        assert_eq!(tokens(r#"{"\u0061ccess_token":"t"}"#), one());
        assert_eq!(tokens(r#"{"Access_Token":"t"}"#), one());
        assert_eq!(tokens("\u{feff}{\"access_token\":\"t\"}"), one());
        let twice = tokens(r#"{"access_token":"a","access_token":"b"}"#);
        assert_eq!(twice, Found::Tokens(vec!["a".to_owned(), "b".to_owned()]), "clients differ in which they take");
        assert_eq!(tokens(r#"{"access_token":"t""#), Found::Unreadable);
        assert_eq!(tokens(r#"{"access_token":"t"} trailing"#), Found::Unreadable);
        assert_eq!(tokens(r#"{"access_token":"t","refresh_token":"r"}"#), one());
        for alone in [r#"{"refresh_token":"r"}"#, r#"[{"Refresh_Token":"r"}]"#, r#"{"refresh_token":"r""#] {
            assert_eq!(tokens(alone), Found::Unreadable, "{alone}");
        }
        for nothing in [
            r#"{"refresh_token":null}"#,
            r#"{"access_token":1}"#,
            r#"{"a":"access_token"}"#,
            "{}",
            "[]",
            "null",
            "",
            "{",
        ] {
            assert!(matches!(tokens(nothing), Found::Nothing), "{nothing}");
        }
        assert_eq!(tokens(r#"{"flows":[{"stages":[]}]}"#), Found::Flows);
        assert_eq!(tokens(r#"{"flows":1}"#), Found::Nothing);
    }

    #[test]
    fn what_is_no_json_is_seen_at_once() {
        for json in ["", " \n", "{", "[", " {", "\u{feff}{"] {
            assert!(may_be_json(json.as_bytes()), "{json:?}");
        }
        for other in ["<html>", "data: x", "\u{89}PNG", "a"] {
            assert!(!may_be_json(other.as_bytes()), "{other:?}");
        }
    }
}
