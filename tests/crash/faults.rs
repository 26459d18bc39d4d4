//! Would the suite find what it is for? A server with a fault on purpose (feature `faults`), and each must be found.

use super::campaign::Campaign;
use crate::harness::{clean_command, server_binary};

/// Kills within which a fault must show.
const KILLS: u32 = 60;

/// Any would do; a fixed one keeps the runs alike.
const SEED: u64 = 3;

fn is_found(fault: &str) {
    let binary = server_binary("MATRIX_2FA_BIN_FAULTS");
    let settings = [("MATRIX_2FA_FAULT", fault)];
    match (Campaign { binary: &binary, settings: &settings, cluster: None, kills: KILLS, seed: SEED }).run() {
        Ok(report) => panic!("nobody noticed the fault {fault}: {report:?}"),
        Err((violation, kills)) => {
            super::say(&format!("the fault {fault} was found after {kills} kills: {}", violation.0))
        }
    }
}

#[test]
fn a_flush_that_is_left_out_is_found() {
    is_found("no-flush");
}

#[test]
fn a_swap_that_does_not_compare_is_found() {
    is_found("no-cas");
}

#[test]
fn a_counter_in_memory_is_found() {
    is_found("counter-in-memory");
}

#[test]
fn a_recovery_code_that_is_marked_after_the_answer_is_found() {
    is_found("recovery-after-answer");
}

#[test]
fn a_session_that_is_not_bound_is_found() {
    is_found("session-not-bound");
}

/// And the same server without a fault passes.
#[test]
fn without_a_fault_the_same_server_passes() {
    let binary = server_binary("MATRIX_2FA_BIN_FAULTS");
    if let Err((violation, kills)) =
        (Campaign { binary: &binary, settings: &[], cluster: None, kills: 20, seed: SEED }).run()
    {
        panic!("after {kills} kills: {}", violation.0);
    }
}

/// To every other build the variable is a setting that does not exist.
#[test]
fn no_other_build_knows_the_faults() {
    for variable in ["MATRIX_2FA_BIN", "MATRIX_2FA_BIN_TEST_CLOCK"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = clean_command(&server_binary(variable));
        command
            .current_dir(folder.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("MATRIX_2FA_FAULT", "no-flush");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("MATRIX_2FA_FAULT") && said.contains("no such setting"), "{said}");
    }
}
