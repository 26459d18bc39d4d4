//! `matrix-2fa config`: the settings as they are, as they could be, and as a schema. All three are made from the flags, which are the one place
//! where settings are documented.

use clap::{Args, Command as ClapCommand, Subcommand};
use serde_json::{Map, Value, json};

use crate::{
    console,
    failure::Failure,
    settings::{self, Flags},
};

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The settings in force, each with where it was set; checked like at a start
    Print(#[command(flatten)] Box<Flags>),
    /// A JSON schema of the file
    Schema,
    /// A file with every setting, its default and its explanation, all commented out
    Example,
}

/// Values that the defaults do not show: there is none, or it depends on the machine.
const SAMPLES: [(&str, &str); 9] = [
    ("admin_listen", r#""127.0.0.1:8010""#),
    ("metrics_listen", r#""127.0.0.1:9010""#),
    ("mail_server", r#""smtps://user:password@mail.example.org:465""#),
    ("mail_from", r#""Example <security@example.org>""#),
    ("trusted_proxies", r#""127.0.0.1, 10.0.0.0/8""#),
    ("upstream", r#""http://127.0.0.1:8008""#),
    ("password_hash_jobs", "2"),
    ("groups", r#"[{ name = "staff", localparts = "staff-.*", policy = "required", grace_period = "7d" }]"#),
    ("database", r#""postgres://user:password@localhost/matrix_2fa""#),
];

/// Characters in a line of the example.
const WIDTH: usize = 100;

/// Runs one command.
pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Print(flags) => settings::in_force(flags)?.iter().for_each(|line| console::say(line)),
        Command::Schema => console::say(schema().trim_end()),
        Command::Example => console::say(example().trim_end()),
    }
    Ok(())
}

/// One setting as its flag describes it.
struct Setting {
    key: String,
    help: String,
    /// What stands for its value in the help.
    value: String,
    default: Option<Value>,
}

fn settings() -> Vec<Setting> {
    let defaults = serde_json::to_value(Flags::defaults()).unwrap_or_default();
    let flags = Flags::augment_args(ClapCommand::new("settings"));
    let described = flags.get_arguments().filter(|flag| flag.get_id() != "config").map(|flag| {
        let key = flag.get_id().to_string();
        let value = flag.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
        // The long form has what follows after an empty line.
        let help = flag.get_long_help().or(flag.get_help()).map(ToString::to_string).unwrap_or_default();
        Setting { default: defaults.get(&key).filter(|value| !value.is_null()).cloned(), key, help, value }
    });
    described.collect()
}

/// The commented example.
pub fn example() -> String {
    let mut text = "\
# Settings of matrix-2fa: matrix-2fa serve --config FILE reads this file, or matrix-2fa.toml where it starts. Every setting is also a
# flag (--server-name) and a variable (MATRIX_2FA_SERVER_NAME); flags win over variables, variables over this file.
# Made by: matrix-2fa config example
"
    .to_owned();
    for Setting { key, help, value, default } in settings() {
        text.push('\n');
        for line in wrapped(&help) {
            text.push_str(&format!("# {line}\n"));
        }
        let sample = SAMPLES.iter().find(|(sampled, _)| *sampled == key).map(|(_, sample)| (*sample).to_owned());
        let shown = sample.or_else(|| default.map(|default| default.to_string())).unwrap_or(format!("\"{value}\""));
        text.push_str(&format!("#{key} = {shown}\n"));
    }
    text
}

/// The JSON schema.
pub fn schema() -> String {
    let properties: Map<String, Value> =
        settings().into_iter().map(|setting| (setting.key.clone(), setting.schema())).collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of matrix-2fa",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    format!("{schema:#}\n")
}

impl Setting {
    fn schema(self) -> Value {
        let kind = match (self.key.as_str(), &self.default) {
            ("groups", _) => return json!({ "description": self.help, "type": "array", "items": group() }),
            // A number, or the word never.
            ("totp_lock_at", _) => json!(["integer", "string"]),
            (_, Some(Value::Bool(_))) => json!("boolean"),
            (_, Some(Value::Number(number))) if number.is_f64() => json!("number"),
            (_, Some(Value::Number(_))) => json!("integer"),
            _ => json!("string"),
        };
        let mut schema = Map::from_iter([("description".to_owned(), self.help.into()), ("type".to_owned(), kind)]);
        let fixed = self.default.filter(|_| !SAMPLES.iter().any(|(sampled, _)| *sampled == self.key));
        schema.extend(fixed.map(|default| ("default".to_owned(), default)));
        schema.into()
    }
}

fn group() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string" },
            "policy": { "enum": ["disallowed", "opt-in", "required"] },
            "grace_period": { "type": "string" },
            "users": { "type": "array", "items": { "type": "string" } },
            "localparts": { "type": "string", "format": "regex" },
            "admins": { "type": "boolean" },
        },
        "required": ["name", "policy"],
        "additionalProperties": false,
    })
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines.last().is_some_and(|line| !line.is_empty() && line.len() + 1 + word.len() > WIDTH);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_example_and_schema_are_these() {
        crate::documents::compare("docs/matrix-2fa.example.toml", &example());
        crate::documents::compare("docs/matrix-2fa.schema.json", &schema());
    }

    /// Whoever takes a comment sign away has a file that works.
    #[test]
    fn every_line_of_the_example_is_a_setting_that_is_taken() {
        let example = example();
        let lines = example.lines().filter(|line| line.starts_with('#') && !line.starts_with("# "));
        let refused: Vec<_> =
            lines.map(|line| line.trim_start_matches('#')).filter(|line| !settings::takes(line)).collect();
        assert!(refused.is_empty(), "give them a sample above: {refused:#?}");
    }
}
