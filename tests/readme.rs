//! The README's walk, pasted into a shell as a newcomer would paste it.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Needs, Server, server_binary};

const README: &str = include_str!("../README.md");

/// The first block of shell commands under a heading.
fn block<'a>(heading: &str) -> &'a str {
    let (_, section) = README.split_once(heading).expect("the heading");
    let (_, block) = section.split_once("```sh\n").expect("a block");
    block.split_once("```").expect("its end").0
}

#[test]
fn the_walk_with_curl_does_what_it_says() {
    if Server::start_with(Needs::Process).is_none() {
        return;
    }
    // On the real clock, as in the README: the codes are made by oathtool for now.
    let server = Server::launch(&server_binary("MATRIX_2FA_BIN"), Needs::Process);
    let url = server.base_url();
    let walk = block("## A walk with curl").replace("http://127.0.0.1:8008", &url);
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &walk]).output().expect("bash");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");

    let answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let answers: Vec<Value> = answers.collect::<Result<_, _>>().expect("JSON, answer after answer");
    let [new, begun, confirmed, asked, with_code, with_recovery, spent, status] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(new["user_id"], "@alice:localhost");
    assert_eq!(begun["pending"], true);
    assert_eq!(confirmed["recovery"]["tokens"].as_array().expect("codes").len(), 10);
    assert_eq!(asked["completed"], json!(["m.login.password"]));
    assert!(with_code["access_token"].is_string(), "{with_code}");
    assert!(with_recovery["access_token"].is_string(), "{with_recovery}");
    assert_eq!(spent["errcode"], "M_FORBIDDEN");
    assert_eq!(status["providers"]["m.login.2fa.recovery"]["remaining"], 9);
}

#[test]
fn the_commands_of_the_readme_are_the_real_ones() {
    assert_eq!(block("## Run it").trim(), "cargo run --release -- serve --open-registration");
    let test = block("## Test it").trim();
    assert_eq!(test, "cargo xtask test");
    assert!(include_str!("../.ci/run").lines().any(|line| line == test), "CI runs exactly the command of the README");
}
