//! What is heard of a move: lines for people, JSON for programs. There is no room for a seed in it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{admin::printable, console, failure::Failure};

/// One thing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The file is made.
    Exported { file: String, users: u64, recipients: Vec<String> },
    /// A line that cannot be read, and what to do.
    BadLine { line: usize, why: String },
    /// A user whose factors were not taken, and what to do.
    Refused { line: usize, user: String, why: String },
    /// The end.
    Imported(Counts),
}

/// How many users.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Taken, or would be.
    pub imported: u64,
    /// Were here already.
    pub already: u64,
    /// Not taken.
    pub refused: u64,
    /// Lines left out, or the reason for importing nothing.
    pub bad_lines: u64,
    /// Nothing was changed.
    pub dry_run: bool,
}

impl Told {
    pub fn into_json(self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

pub fn show(value: Value, json: bool) -> Result<(), Failure> {
    if json {
        console::say(&value.to_string());
        return Ok(());
    }
    let told = serde_json::from_value(value)
        .map_err(|_other| Failure::run("the server answers otherwise: is it of the same version?"))?;
    match told {
        Told::Exported { file, users, recipients } => {
            console::say(&format!(
                "{file} has the second factors of {users} users, sealed to {}",
                recipients.join(", ")
            ));
            console::say("Whoever opens it can make everybody's codes. Destroy it once it was imported.");
        }
        Told::BadLine { line, why } => console::say(&format!("line {line}: {}", printable(&why))),
        Told::Refused { line, user, why } => console::say(&format!("{} (line {line}): {why}", printable(&user))),
        Told::Imported(Counts { imported, already, refused, bad_lines, dry_run }) => {
            let done = if dry_run { "would be imported" } else { "imported" };
            console::say(&format!(
                "{imported} users {done}, {already} were here already, {refused} refused, {bad_lines} bad lines"
            ));
        }
    }
    Ok(())
}
