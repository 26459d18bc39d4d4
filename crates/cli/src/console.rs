//! What the program says to the person or script that started it. Everything else goes to the log.

use crate::failure::Failure;

/// An answer, on stdout.
#[expect(clippy::print_stdout, reason = "the one place that answers on stdout")]
pub fn say(line: &str) {
    println!("{line}");
}

/// Why it did not work: one line on stderr.
#[expect(clippy::print_stderr, reason = "the one place that complains on stderr")]
pub fn complain(failure: &Failure) {
    eprintln!("matrix-2fa: {failure}");
}
