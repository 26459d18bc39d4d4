//! Which schema of `spec/schemas` an answer must satisfy.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{LazyLock, Mutex},
};

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use super::Answer;

const BASE: &str = "schemas:///";

static SCHEMAS: LazyLock<Registry<'static>> = LazyLock::new(registry);
static VALIDATORS: LazyLock<Mutex<HashMap<&'static str, &'static Validator>>> = LazyLock::new(Mutex::default);

/// Asserts that the answer has the shape that the proposal gives it.
#[track_caller]
pub fn check(method: &str, path: &str, answer: &Answer) {
    let Some(name) = schema_of(method, path, answer) else { return };
    let faults: Vec<String> = validator(name)
        .iter_errors(&answer.body)
        .map(|fault| format!("{} at {}", fault, fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "the answer breaks spec/schemas/{name}.json: {faults:#?}\n{answer}");
}

fn schema_of(method: &str, path: &str, answer: &Answer) -> Option<&'static str> {
    if answer.status >= 400 {
        return Some(if answer.body.get("flows").is_some() { "uia" } else { "error" });
    }
    let path = path.split('?').next().unwrap_or_default();
    let (_, endpoint) = path.split_once("/_matrix/client/")?;
    let endpoint = endpoint.trim_start_matches("unstable/org.matrix.msc1998/");
    let endpoint = endpoint.trim_start_matches("v3/").trim_start_matches("r0/");
    match (method, endpoint) {
        ("POST", "login") => Some("login"),
        ("GET", "account/two-factor") => Some("status"),
        ("POST", "account/two-factor") => Some("enable"),
        ("POST", "account/two-factor/totp") => Some("totp"),
        ("POST", "account/two-factor/totp/confirm") => Some("confirm"),
        ("POST", "account/two-factor/recovery") => Some("recovery"),
        ("POST", "account/two-factor/disable") | ("DELETE", "account/two-factor") => Some("disable"),
        ("PUT", _) if endpoint.starts_with("account/two-factor/authenticators/") => Some("authenticator"),
        ("DELETE", _) if endpoint.starts_with("account/two-factor/authenticators/") => Some("disable"),
        _ => None,
    }
}

fn validator(name: &'static str) -> &'static Validator {
    let mut validators = VALIDATORS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    validators.entry(name).or_insert_with(|| {
        let schema = json!({ "$ref": format!("{BASE}{name}.json") });
        let validator = jsonschema::options().with_registry(&SCHEMAS).build(&schema);
        Box::leak(Box::new(validator.unwrap_or_else(|error| panic!("spec/schemas/{name}.json: {error}"))))
    })
}

/// Every file of `spec/schemas`, under a base that exists only here: the files name each other relative to it.
fn registry() -> Registry<'static> {
    let mut registry = Registry::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/schemas");
    for entry in fs::read_dir(&folder).expect("spec/schemas").flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        if file.ends_with(".json") {
            let text = fs::read_to_string(entry.path()).expect("readable");
            let schema: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
            registry = registry.add(format!("{BASE}{file}"), schema).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    }
    registry.prepare().expect("schemas that refer to schemas that are there")
}
