//! What operators do, as they do it: with the program, beside a real server.
//!
//! * [`admin`] users, their locks, codes and policy
//! * [`keys`] rotation while people log in and the server dies
//! * [`backup`] a file of a running server, and what comes back from it
//! * [`check`] what it says of the servers that ours needs
//! * [`events`] the audit log, and what is done to it
//! * [`kept`] what an earlier version wrote
//! * [`many`] a hundred thousand users
//! * [`moving`] everybody to another server, and from lists
//! * [`notices`] mail, with a real mail server that comes and goes
//! * [`numbers`] metrics, health, and a log for machines
//! * [`restored`] an older store is noticed, and made safe

mod admin;
mod backup;
mod check;
mod events;
mod kept;
mod keys;
mod many;
mod moving;
mod notices;
mod numbers;
mod restored;

use std::process::{Command, Output};

use crate::harness::{Server, clean_command, server_binary};

/// The program, told of this server's data.
fn command(server: &Server, arguments: &[&str]) -> Command {
    let mut command = clean_command(&server_binary("MATRIX_2FA_BIN_TEST_CLOCK"));
    command.args(arguments).arg("--data").arg(server.data_folder()).current_dir(server.data_folder());
    command
}

fn run(server: &Server, arguments: &[&str]) -> Output {
    command(server, arguments).output().expect("it runs")
}

/// It works; gives what it says.
#[track_caller]
fn does(server: &Server, arguments: &[&str]) -> String {
    let output = run(server, arguments);
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}\n{complained}");
    said.into_owned()
}

/// It ends with this code and one line with all of `words`.
#[track_caller]
fn refuses(server: &Server, arguments: &[&str], code: i32, words: &[&str]) {
    let output = run(server, arguments);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {complained}");
    let last = complained.lines().last().unwrap_or_default();
    for word in words {
        assert!(last.contains(word), "{arguments:?}: no {word:?} in {last}");
    }
}

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];
