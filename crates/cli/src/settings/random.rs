//! Random settings files: settings, or one line that says which key is wrong. Never a panic, and never the password of the database. The program is no library, so `tests/fuzz` cannot reach this parser; a property test does instead.

use std::fs;

use proptest::prelude::*;

use super::{Flags, Settings};

const SECRET: &str = "hunter2";

/// Every setting with its default, as a file would have it.
fn defaults() -> Vec<(String, serde_json::Value)> {
    let defaults = serde_json::to_value(Flags::defaults()).expect("settings are JSON");
    defaults.as_object().expect("an object").clone().into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn key() -> impl Strategy<Value = String> {
    let known: Vec<String> = defaults().into_iter().map(|(key, _)| key).collect();
    prop_oneof![8 => proptest::sample::select(known), 1 => "[a-z_]{1,12}", 1 => "[\\PC]{0,6}"]
}

fn value() -> impl Strategy<Value = String> {
    let own: Vec<String> = defaults().into_iter().map(|(_, value)| value.to_string()).collect();
    prop_oneof![
        4 => proptest::sample::select(own),
        2 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| number.to_string()),
        2 => "[ -~]{0,20}".prop_map(|text| format!("{text:?}")),
        1 => proptest::sample::select(vec!["true", "[]", "[1, \"a\"]", "{ a = 1 }", "2026-01-01", "\"\"", "", "nan", "\"99999999999d\""])
            .prop_map(str::to_owned),
        1 => "\\PC{0,20}",
    ]
}

/// The password where it belongs, well written and badly.
fn database() -> impl Strategy<Value = String> {
    let url = format!("postgres://user:{SECRET}@host/name");
    let written = vec![
        format!("database = \"{url}\""),
        format!("database = \"{url}"),
        format!("database = {url}"),
        format!("database = [\"{url}\"]"),
        format!("database = {{ url = \"{url}\" }}"),
        format!("database \"{url}\""),
    ];
    prop_oneof![3 => Just(String::new()), 1 => proptest::sample::select(written)]
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    let lines = (database(), proptest::collection::vec((key(), value()), 0..4)).prop_map(|(database, lines)| {
        let lines: String = lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        format!("{database}\n{lines}").into_bytes()
    });
    prop_oneof![6 => lines, 1 => proptest::collection::vec(any::<u8>(), 0..64)]
}

fn load(content: &[u8]) -> Result<Settings, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("settings.toml");
    fs::write(&file, content).expect("writes");
    let flags = Flags { config: Some(file), ..Flags::default() };
    Settings::load(&flags).map_err(|failure| failure.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_file_is_settings_or_one_line_without_a_secret(content in file()) {
        let secret = content.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        if let Err(line) = load(&content) {
            prop_assert!(!line.is_empty() && !line.contains('\n'), "{line}");
            prop_assert!(!secret || !line.contains(SECRET), "{line}");
        }
    }
}

/// So that the property above is about more than what is refused.
#[test]
fn the_defaults_as_a_file_are_settings() {
    let lines: String = defaults().iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    assert!(load(lines.as_bytes()).is_ok(), "{:?}", load(lines.as_bytes()).err());
}
