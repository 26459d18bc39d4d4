//! The merging itself, and errors that a person can act on: which key, where it was set, what is wrong with it.

use std::path::Path;

use figment::{
    Figment,
    error::Kind,
    providers::{Env, Format, Serialized, Toml},
};

use super::{Flags, Settings};
use crate::failure::Failure;

const DEFAULT_FILE: &str = "matrix-2fa.toml";
const PREFIX: &str = "MATRIX_2FA_";

/// Merges all sources.
pub fn merge(flags: &Flags) -> Result<Settings, Failure> {
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
    let figment = figment.merge(Env::prefixed(PREFIX).ignore(&["config"])).merge(Serialized::defaults(flags));
    figment.extract().map_err(|errors| explain(errors, file))
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

    /// Flags are the documentation: a setting without one would be a secret, a flag without a setting a lie.
    #[test]
    fn the_defaults_are_complete_and_name_every_setting() {
        let settings: Settings =
            Figment::from(Serialized::defaults(Flags::defaults())).extract().expect("the defaults are legal");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8008");
        let every = Flags {
            database: Some("postgres://localhost/x".to_owned().into()),
            issuer: Some("Example".to_owned()),
            public_base_url: Some("https://example.org".to_owned()),
            ..Flags::defaults()
        };
        let _: Settings = Figment::from(Serialized::defaults(every)).extract().expect("every flag is a setting");
    }
}
