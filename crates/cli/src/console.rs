//! What the program says to the person or script that started it. Everything else goes to the log.
//!
//! Nobody may be listening any more (`serve | head -1`): that is no reason to end, and `println!` would panic.

use std::{
    io::{IsTerminal, Write, stderr, stdout},
    sync::OnceLock,
};

use indicatif::ProgressBar;

use crate::failure::Failure;

/// What shows how far something is, once a person has been told.
static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// An answer, on stdout.
pub fn say(line: &str) {
    clear();
    let _ = writeln!(stdout().lock(), "{line}");
}

/// How far something is, on stderr: a line that changes if a person watches, else a line each.
pub fn progress(line: &str) {
    if stderr().is_terminal() {
        let bar = BAR.get_or_init(ProgressBar::new_spinner);
        bar.set_message(line.to_owned());
        bar.tick();
    } else {
        let _ = writeln!(stderr().lock(), "{line}");
    }
}

/// What somebody should mend, on stderr and whatever is logged.
pub fn warn(line: &str) {
    let _ = writeln!(stderr().lock(), "matrix-2fa: warning: {line}");
}

/// Why it did not work: one line on stderr.
pub fn complain(failure: &Failure) {
    clear();
    let _ = writeln!(stderr().lock(), "matrix-2fa: {failure}");
}

/// Takes it away: what is said next stays.
fn clear() {
    if let Some(bar) = BAR.get() {
        bar.finish_and_clear();
    }
}
