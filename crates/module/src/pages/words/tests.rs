//! Every language says everything, and nothing that no page asks for.

use std::{collections::BTreeMap, fs, path::Path};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use http::HeaderValue;

use super::*;

/// Key to the variables that its text uses.
fn texts(source: &str) -> BTreeMap<String, Vec<String>> {
    let parsed = fluent_syntax::parser::parse(source).unwrap_or_else(|(_, errors)| panic!("{errors:?}"));
    let messages = parsed.body.into_iter().filter_map(|entry| match entry {
        Entry::Message(message) => {
            let mut variables = Vec::new();
            collect(&message.value.expect("a text"), &mut variables);
            variables.sort();
            variables.dedup();
            Some((message.id.name.to_owned(), variables))
        }
        _ => None,
    });
    messages.collect()
}

fn collect(pattern: &Pattern<&str>, into: &mut Vec<String>) {
    for element in &pattern.elements {
        let PatternElement::Placeable { expression } = element else { continue };
        let inline = match expression {
            Expression::Select { selector, variants } => {
                variants.iter().for_each(|variant| collect(&variant.value, into));
                selector
            }
            Expression::Inline(inline) => inline,
        };
        if let InlineExpression::VariableReference { id } = inline {
            into.push(id.name.to_owned());
        }
    }
}

fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all += &sources(&path);
        } else if !path.ends_with("words/tests.rs") {
            all += &fs::read_to_string(path).expect("readable");
        }
    }
    all
}

#[test]
fn no_language_lacks_a_text_or_a_variable() {
    let [(_, _, english), others @ ..] = SOURCES;
    for (name, _, source) in others {
        assert_eq!(texts(source), texts(english), "{name}");
    }
}

#[test]
fn every_text_is_used_and_every_used_text_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages =
        sources(&root.join("src/pages")) + &sources(&root.join("src/notices")) + &sources(&root.join("templates"));
    let texts = texts(SOURCES[0].2);
    for key in texts.keys() {
        assert!(pages.contains(&format!("\"{key}\"")), "{key} is used nowhere");
    }
    for call in ["say(\"", "put(\"", "count(\""] {
        for (at, _) in pages.match_indices(call) {
            let key = pages[at + call.len()..].split('"').next().expect("a key");
            assert!(texts.contains_key(key), "{key} is in no language");
        }
    }
}

#[test]
fn no_language_speaks_of_a_recovery_key() {
    for (name, _, source) in SOURCES {
        let source = source.to_lowercase();
        for word in ["recovery key", "wiederherstellungsschlüssel", "clé de récupération"] {
            assert!(!source.contains(word), "{name}: {word} is Matrix's key backup, not ours");
        }
    }
}

#[test]
fn accept_language_chooses_by_weight() {
    let language = |asked: &'static str| {
        let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, HeaderValue::from_static(asked))]);
        Words::negotiate(&headers).language
    };
    assert_eq!(Words::negotiate(&HeaderMap::new()).language, "en");
    for (asked, expected) in [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("FR-ca", "fr"),
        ("pt-BR, fr;q=0.4, de;q=0.6", "de"),
        ("ja", "en"),
        ("*", "en"),
        (";;,q=,de;q=nan,fr;q=nan,de;q=1", "en"),
    ] {
        assert_eq!(language(asked), expected, "{asked}");
    }
}
