//! What watches the server: numbers, health, and a log for machines.

use reqwest::blocking::get;
use serde_json::Value;

use crate::harness::{Needs, Server};

/// A server that shows its numbers, and where.
fn watched() -> Option<(Server, String)> {
    let settings = [("MATRIX_2FA_METRICS_LISTEN", "127.0.0.1:0"), ("MATRIX_2FA_LOG_FORMAT", "json")];
    let server = Server::start_with(Needs::Settings(&settings))?;
    let log = server.log();
    let told = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("every line is JSON"));
    let address = told.filter_map(|line| line["address"].as_str().map(str::to_owned)).next().expect("it says where");
    Some((server, format!("http://{address}")))
}

/// The value of the one sample whose line begins with this.
#[track_caller]
fn value(numbers: &str, sample: &str) -> f64 {
    let line = numbers.lines().find(|line| line.starts_with(sample)).unwrap_or_else(|| panic!("{sample}: {numbers}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn r23_numbers_show_attempts_guessing_and_the_store_and_no_user() {
    let Some((server, address)) = watched() else { return };
    let user = server.enrolled_user();
    user.login_with(user.totp()).access_token();
    let session = user.challenge();
    for _ in 0..5 {
        user.finish(&session, user.wrong_totp()).refused(401, "M_FORBIDDEN");
    }
    user.finish(&session, user.wrong_totp()).refused(429, "M_LIMIT_EXCEEDED");
    let numbers = get(format!("{address}/metrics")).unwrap().text().unwrap();
    let attempts = |outcome: &str| {
        value(&numbers, &format!("matrix_2fa_second_factor_attempts_total{{stage=\"totp\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!((attempts("verified"), attempts("wrong"), attempts("throttled")), (1.0, 5.0, 1.0));
    assert_eq!(value(&numbers, "matrix_2fa_second_factor_failures_total{stage=\"totp\"}"), 5.0);
    assert_eq!(value(&numbers, "matrix_2fa_events_total{event=\"enrollment_confirmed\"}"), 1.0);
    assert!((1e-4..1e-2).contains(&value(&numbers, "matrix_2fa_guess_probability_per_year")));
    for histogram in ["matrix_2fa_commit_seconds", "matrix_2fa_code_offset_seconds"] {
        assert!(value(&numbers, &format!("{histogram}_count")) > 0.0, "{histogram}");
    }
    if server.database().is_none() {
        assert!(value(&numbers, "matrix_2fa_flushed_commits_count") > 0.0);
    }
    for personal in [&user.name, &user.id, "127.0.0.1"] {
        assert!(!numbers.contains(personal), "{personal}: {numbers}");
    }
    assert_eq!(get(format!("{}/metrics", server.base_url())).unwrap().status(), 404, "not for users");
}

#[test]
fn health_is_what_the_store_can_do() {
    let Some(server) = Server::start_with(Needs::Disk) else { return };
    let health = || get(format!("{}/health", server.base_url())).unwrap().status().as_u16();
    assert_eq!(health(), 200);
    let user = server.user();
    server.forbid_writing();
    let _refused = user.login();
    assert_eq!(health(), 503);
    server.kill_9();
    server.restart();
    assert_eq!(health(), 200);
}
