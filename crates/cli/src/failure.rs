//! Why the program ends: one line, and an exit code.

use std::{error::Error, fmt, process::ExitCode};

use serde::{Deserialize, Serialize};

/// A reason to end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    line: String,
    code: u8,
}

impl Failure {
    /// It cannot start; somebody has to change something first.
    pub fn start(reason: impl Into<String>) -> Self {
        Self { line: one_line(&reason.into()), code: 2 }
    }

    /// It cannot start, with all the causes.
    pub fn because(error: &(dyn Error + 'static)) -> Self {
        Self::start(chain(error))
    }

    /// It failed while it ran.
    pub fn run(reason: impl Into<String>) -> Self {
        Self { line: one_line(&reason.into()), code: 1 }
    }

    /// For the shell.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// An error with its causes.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
