//! The process of a server of our own, and where the programs are that `cargo xtask test` prepares.

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Mutex,
};

use tempfile::TempDir;

/// A server process, killed by its id when it goes out of scope.
pub struct Process {
    /// How it was started.
    pub command: Mutex<Command>,
    /// Its working folder; the data lies in `data`, what it logged in `stderr`.
    pub folder: TempDir,
    /// The process that runs now.
    pub child: Mutex<Child>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        let _already_dead = child.kill();
        let _status = child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            let tail = tail.into_iter().rev().fold(String::new(), |mut all, line| {
                let _ = writeln!(all, "    {line}");
                all
            });
            let _ = writeln!(std::io::stderr(), "  the server's last words:\n{tail}");
        }
    }
}

/// Starts the server and waits for its ready line; there is nothing to poll and nothing to sleep for.
pub fn spawn(command: &mut Command, folder: &Path) -> (Child, String) {
    let log = File::options().create(true).append(true).open(folder.join("stderr")).expect("a log file");
    let mut child = command.stderr(log).spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
    match line.trim().strip_prefix("matrix-2fa is ready: ") {
        Some(url) => (child, url.to_owned()),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            let log = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
            panic!("the server did not get ready; it said {line:?} and {log}");
        }
    }
}

/// A command without the settings that the environment of the suite may hold.
pub fn clean_command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (variable, _) in env::vars_os().filter(|(variable, _)| variable.to_string_lossy().starts_with("MATRIX_2FA_")) {
        command.env_remove(variable);
    }
    command
}

/// The server binary that this variable names; else the one that `cargo xtask test` built last.
pub fn server_binary(variable: &str) -> PathBuf {
    let built = match variable {
        "MATRIX_2FA_BIN" => "matrix-2fa",
        "MATRIX_2FA_BIN_FAULTS" => "matrix-2fa-faults",
        _ => "matrix-2fa-test-clock",
    };
    prepared(variable, &format!("servers/{built}"))
}

/// A file that `cargo xtask test` prepares for the real clients: the variable, else its place under `target`.
pub fn client_tool(variable: &str, place: &str) -> PathBuf {
    prepared(variable, place)
}

fn prepared(variable: &str, place: &str) -> PathBuf {
    let path = env::var_os(variable)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/conformance").join(place), PathBuf::from);
    assert!(path.exists(), "{} is not there: run `cargo xtask test`, or set {variable}", path.display());
    path
}
