//! A real mail server of another project (aiosmtpd), and what it was given.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::client_tool;

/// A delivery that takes longer has failed. Nothing waits this long if all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mail server on a port of this machine.
pub struct MailServer {
    /// Where it listens.
    pub port: u16,
    child: Child,
    /// Its end is the server's.
    stdin: Option<ChildStdin>,
    mails: Receiver<Value>,
}

impl MailServer {
    /// On any port.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these arguments of `clients/python/mail_server.py`.
    pub fn start_with(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python/mail_server.py");
        let mut command = Command::new(client_tool("MATRIX_2FA_PYTHON", "python/bin/python"));
        command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let ready = lines.next().expect("a line").expect("text");
        let port = ready.strip_prefix("ready ").expect("it is ready").parse().expect("a port");
        let (sender, mails) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _nobody_waits = sender.send(serde_json::from_str(&line).expect("JSON"));
            }
        });
        Self { port, stdin: child.stdin.take(), child, mails }
    }

    /// The next mail that it takes, or took.
    #[track_caller]
    pub fn next(&self) -> Value {
        match self.mails.recv_timeout(PATIENCE) {
            Ok(mail) => mail,
            Err(RecvTimeoutError::Timeout) => panic!("no mail came"),
            Err(RecvTimeoutError::Disconnected) => panic!("the mail server is gone"),
        }
    }

    /// As many of the next mails.
    #[track_caller]
    pub fn take(&self, count: usize) -> Vec<Value> {
        (0..count).map(|_| self.next()).collect()
    }

    /// What came so far beyond what was asked for.
    pub fn rest(&self) -> Vec<Value> {
        self.mails.try_iter().collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
    }
}
