//! The authenticator in the user's hand: `oathtool`, which shares no code with the server.

use std::{process::Command, sync::Mutex};

use super::{STEP_MS, Server};

/// An authenticator app with one seed.
pub struct Phone {
    seed: String,
    server: Server,
    last_step: Mutex<u64>,
}

impl Phone {
    /// An app that scanned this seed (base32).
    pub fn new(server: &Server, seed: &str) -> Self {
        Self { seed: seed.to_owned(), server: server.clone(), last_step: Mutex::new(0) }
    }

    /// The seed, which nobody but the phone and the server may know.
    pub fn seed(&self) -> &str {
        &self.seed
    }

    /// A right code of a step that this phone never showed: the oldest one that the server takes. If all open steps are used, the
    /// server's clock moves on.
    pub fn code(&self) -> String {
        let mut last = self.last_step.lock().unwrap();
        let present = self.server.now_ms() / STEP_MS;
        let step = (*last + 1).max(present - 1);
        if step > present + 1 {
            self.server.set_clock((step - 1) * STEP_MS);
        }
        *last = step;
        self.at_step(step)
    }

    /// The code of this time step. Does not count as shown.
    pub fn at_step(&self, step: u64) -> String {
        oathtool(&self.seed, step * STEP_MS / 1000, 0).remove(0)
    }

    /// The code of the step in which the server is now, `shift` steps later. Does not count as shown.
    pub fn at_present(&self, shift: i64) -> String {
        let present = self.server.now_ms() / STEP_MS;
        self.at_step(present.checked_add_signed(shift).expect("after 1970"))
    }

    /// Six digits that no step within two of the present has.
    pub fn wrong_code(&self) -> String {
        let now = self.server.now_ms() / 1000;
        let near = oathtool(&self.seed, now - 60, 4);
        (0..).map(|n| format!("{n:06}")).find(|code| !near.contains(code)).expect("five codes are not a million")
    }
}

/// The codes that `oathtool` makes for this moment and the `more` steps after it.
pub fn oathtool(seed: &str, unix_seconds: u64, more: u32) -> Vec<String> {
    let output = Command::new("oathtool")
        .args(["--totp", "--base32", "--window", &more.to_string()])
        .arg(format!("--now=@{unix_seconds}"))
        .arg(seed)
        .output()
        .expect("oathtool is installed: `cargo xtask test` does it");
    assert!(output.status.success(), "oathtool failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("digits").lines().map(str::to_owned).collect()
}
