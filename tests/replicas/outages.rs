//! The database goes away and comes back.

use serde_json::json;

use super::on_a_cluster_of_its_own;
use crate::harness::{auth, simultaneously};

#[test]
fn r66_without_the_database_the_answer_is_503_and_afterwards_all_is_well() {
    let (cluster, server) = on_a_cluster_of_its_own();
    let user = server.enrolled_user();
    let (session, code) = (user.challenge(), user.totp());
    let finish = auth(&json!({}), &session, &code);
    cluster.crash();
    let down = |path: &str, body: &serde_json::Value| server.request("POST", path).json(body).while_down().send();
    let answers = simultaneously(4, |n| match n % 2 {
        0 => down("login", &finish).status,
        _ => down("login", &user.password_stage()).status,
    });
    assert_eq!(answers, [503; 4]);
    cluster.recover();
    // The same server, the same session, and the code was not spent.
    server.post("login", &finish).access_token();
    server.post("login", &finish).refused(400, "M_UNKNOWN");
}

#[test]
fn r66_lost_connections_are_made_again_before_anybody_notices() {
    let (cluster, server) = on_a_cluster_of_its_own();
    let user = server.enrolled_user();
    for _ in 0..5 {
        let ended =
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'matrix-2fa'";
        assert_ne!(cluster.sql("postgres", ended), "0");
        user.login_with(user.totp()).access_token();
    }
}

#[test]
fn r08_a_database_that_only_reads_lets_nobody_in() {
    let (cluster, server) = on_a_cluster_of_its_own();
    let user = server.enrolled_user();
    let (session, code) = (user.challenge(), user.totp());
    let finish = auth(&json!({}), &session, &code);
    cluster.sql("postgres", "ALTER DATABASE test_0 SET default_transaction_read_only = on");
    cluster.crash();
    cluster.recover();
    server.request("POST", "login").json(&finish).while_down().send();
    cluster.sql("postgres", "ALTER DATABASE test_0 RESET default_transaction_read_only");
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'matrix-2fa'";
    cluster.sql("postgres", ended);
    server.post("login", &finish).access_token();
}
