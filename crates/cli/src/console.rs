//! What the program says to the person or script that started it. Everything else goes to the log.
//!
//! Nobody may be listening any more (`serve | head -1`): that is no reason to end, and `println!` would panic.

use std::io::{Write, stderr, stdout};

use crate::failure::Failure;

/// An answer, on stdout.
pub fn say(line: &str) {
    let _ = writeln!(stdout().lock(), "{line}");
}

/// How far something is, on stderr.
pub fn progress(line: &str) {
    let _ = writeln!(stderr().lock(), "{line}");
}

/// What somebody should mend, on stderr and whatever is logged.
pub fn warn(line: &str) {
    let _ = writeln!(stderr().lock(), "matrix-2fa: warning: {line}");
}

/// Why it did not work: one line on stderr.
pub fn complain(failure: &Failure) {
    let _ = writeln!(stderr().lock(), "matrix-2fa: {failure}");
}
