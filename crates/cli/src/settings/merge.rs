//! The merging itself, and errors that a person can act on: which key, where it was set, what is wrong with it.

use std::path::Path;

use figment::{
    Figment, Metadata, Profile, Provider,
    error::Kind,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Map, Value},
};

use super::{Flags, Settings};
use crate::failure::Failure;

const DEFAULT_FILE: &str = "matrix-2fa.toml";
const PREFIX: &str = "MATRIX_2FA_";

/// Variables that are no settings.
const OTHERS: &[&str] = if cfg!(feature = "faults") { &["config", "fault"] } else { &["config"] };

/// Merges all sources.
pub fn merge(flags: &Flags) -> Result<Settings, Failure> {
    let (figment, file) = sources(flags)?;
    figment.extract().map_err(|errors| explain(errors, file))
}

/// The settings in force, a line each, with where they were set; checked like at a start.
pub fn in_force(flags: &Flags) -> Result<Vec<String>, Failure> {
    Settings::load(flags)?;
    let (figment, file) = sources(flags)?;
    let merged: Dict = figment.extract().map_err(|errors| explain(errors, file))?;
    let line = |(key, value): (&String, &Value)| {
        let source = figment.find_metadata(key).map(|metadata| metadata.name.as_ref()).unwrap_or_default();
        let source = match source {
            name if name.contains("environment") => format!("{PREFIX}{}", key.to_uppercase()),
            name if name.contains("TOML") => file.display().to_string(),
            _ if is_flag(flags, key) => format!("--{}", key.replace('_', "-")),
            _ => "default".to_owned(),
        };
        format!("{key} = {} # {source}", written(value))
    };
    Ok(merged.iter().map(line).collect())
}

fn is_flag(flags: &Flags, key: &str) -> bool {
    let given = Serialized::defaults(flags).data().unwrap_or_default();
    given.values().any(|given| given.contains_key(key))
}

/// As it would stand in the file, without the password of an address.
fn written(value: &Value) -> String {
    match value {
        Value::String(_, text) => serde_json::Value::from(without_password(text)).to_string(),
        Value::Array(_, values) => format!("[{}]", values.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Dict(_, table) => {
            let pairs: Vec<_> = table.iter().map(|(key, value)| format!("{key} = {}", written(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

fn without_password(text: &str) -> String {
    const HIDDEN: &str = "***";
    if !text.contains("://") || !(text.contains('@') || text.to_ascii_lowercase().contains("password")) {
        return text.to_owned();
    }
    match url::Url::parse(text) {
        Ok(mut address) if !address.query().unwrap_or_default().to_ascii_lowercase().contains("password") => {
            match address.password().is_none() || address.set_password(Some(HIDDEN)).is_ok() {
                true => address.into(),
                false => HIDDEN.to_owned(),
            }
        }
        _ => HIDDEN.to_owned(),
    }
}

/// Would a file with this one line be taken?
#[cfg(test)]
pub fn takes(line: &str) -> bool {
    Figment::from(Serialized::defaults(Flags::defaults())).merge(Toml::string(line)).extract::<Settings>().is_ok()
}

fn sources(flags: &Flags) -> Result<(Figment, &Path), Failure> {
    let file = match &flags.config {
        Some(file) if !file.is_file() => {
            return Err(Failure::start(format!("--config: there is no file {}", file.display())));
        }
        Some(file) => file,
        None => Path::new(DEFAULT_FILE),
    };
    let mut figment = Figment::from(Serialized::defaults(Flags::defaults()));
    if file.exists() {
        figment = figment.merge(Toml::file_exact(file));
    }
    Ok((figment.merge(Variables).merge(Serialized::defaults(flags)), file))
}

/// The variables, each read as the type of its setting: a text stays as it was written, also one that looks like a number.
struct Variables;

impl Provider for Variables {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment variables")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let defaults = Serialized::defaults(Flags::defaults()).data()?;
        let texts = |key: &str| {
            let default = defaults.values().find_map(|defaults| defaults.get(key));
            default.is_none_or(|default| default.as_str().is_some())
        };
        let variables = Env::prefixed(PREFIX).ignore(OTHERS);
        let read = variables.iter().map(|(key, given)| {
            let key = key.into_string();
            let value = if texts(&key) { Value::from(given) } else { parsed(&given) };
            (key, value)
        });
        Ok(Map::from([(Profile::Default, read.collect())]))
    }
}

fn parsed(given: &str) -> Value {
    given.parse().unwrap_or_else(|impossible| match impossible {})
}

/// The first problem in one line: the key, where it was set, what is wrong.
fn explain(errors: figment::Error, file: &Path) -> Failure {
    let Some(error) = errors.into_iter().next() else {
        return Failure::start("the settings cannot be read");
    };
    let set_by = error.metadata.as_ref().map(|metadata| metadata.name.as_ref()).unwrap_or_default();
    let key = match &error.kind {
        Kind::UnknownField(field, _) => field.clone(),
        _ => error.path.join("."),
    };
    let place = if set_by.contains("environment") {
        format!("{PREFIX}{} (environment)", key.to_uppercase())
    } else if set_by.contains("TOML") {
        format!("{key} in {}", file.display()).trim_start_matches(" in ").to_owned()
    } else {
        format!("--{}", key.replace('_', "-"))
    };
    match &error.kind {
        Kind::UnknownField(..) => {
            Failure::start(format!("{place}: there is no such setting; see matrix-2fa serve --help"))
        }
        kind => Failure::start(format!("{place}: {}", without_excerpt(&kind.to_string()))),
    }
}

/// A file that is no TOML is quoted where it goes wrong, and a password may stand there.
fn without_excerpt(problem: &str) -> String {
    let quoted = |line: &&str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|');
    problem.lines().filter(|line| !quoted(line)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_limits_are_those_of_the_core_and_are_worth_what_is_promised() {
        let settings: Settings =
            Figment::from(Serialized::defaults(Flags::defaults())).extract().expect("the defaults are legal");
        assert_eq!(settings.totp_budget(), matrix_2fa_core::throttle::TOTP);
        assert!(settings.odds().per_year < 3.7e-3, "{}", settings.odds_in_words());
        assert_eq!(settings.max_guess_probability, 1e-2);
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for (given, shown) in [
            ("postgres://u:hunter2@host/name", "postgres://u:***@host/name"),
            ("postgres://u@host/name", "postgres://u@host/name"),
            ("postgres://host/name?password=hunter2", "***"),
            ("https://matrix.example.org", "https://matrix.example.org"),
            ("smtp://u:p@:bad", "***"),
            ("a note @ home", "a note @ home"),
        ] {
            assert_eq!(without_password(given), shown, "{given}");
        }
    }

    /// Flags are the documentation: a setting without one would be a secret, a flag without a setting a lie.
    #[test]
    fn the_defaults_are_complete_and_name_every_setting() {
        let settings: Settings =
            Figment::from(Serialized::defaults(Flags::defaults())).extract().expect("the defaults are legal");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8008");
        let every = Flags {
            database: Some("postgres://localhost/x".to_owned().into()),
            keys: Some("keys".into()),
            state: Some("state".into()),
            issuer: Some("Example".to_owned()),
            groups: Some(r#"[{ name = "all", localparts = ".*", policy = "required" }]"#.to_owned()),
            admins: Some("alice, bob".to_owned()),
            admin_listen: Some(std::net::SocketAddr::from(([127, 0, 0, 1], 8010))),
            admin_token_file: Some("token".into()),
            upstream: Some("http://127.0.0.1:8009".to_owned()),
            public_base_url: Some("https://example.org".to_owned()),
            trusted_proxies: Some("10.0.0.0/8, ::1".to_owned()),
            time_source: Some("ntp.example.org".to_owned()),
            brand_name: Some("Example".to_owned()),
            brand_color: Some("#0b6e4f".to_owned()),
            brand_logo: Some("logo.svg".into()),
            trusted_clients: Some("https://app.example.org".to_owned()),
            mail_server: Some("smtps://user:password@mail.example.org".to_owned().into()),
            metrics_listen: Some("127.0.0.1:9100".parse().expect("an address")),
            mail_from: Some("security@example.org".to_owned()),
            ..Flags::defaults()
        };
        let _: Settings = Figment::from(Serialized::defaults(every)).extract().expect("every flag is a setting");
    }
}
