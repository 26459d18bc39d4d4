//! The policies `required` and `disallowed`, over every door that they touch.

use serde_json::json;

use crate::harness::{Needs, PASSWORD, RECOVERY, Server, TOTP, User};

const REQUIRED: Needs<'static> = Needs::Settings(&[("MATRIX_2FA_POLICY", "required")]);
const DISALLOWED: Needs<'static> = Needs::Settings(&[("MATRIX_2FA_POLICY", "disallowed")]);

#[test]
fn r38_the_last_factor_cannot_be_removed_under_required() {
    let Some(server) = Server::start_with(REQUIRED) else { return };
    let user = server.enrolled_user();
    let one = format!("account/two-factor/authenticators/{}", user.authenticator);
    let everything = json!({});
    let totp = json!({ "providers": [TOTP] });
    for (method, path, body) in [
        ("POST", "account/two-factor/disable", &everything),
        ("POST", "account/two-factor/disable", &totp),
        ("DELETE", "account/two-factor", &everything),
        ("DELETE", one.as_str(), &everything),
    ] {
        let mut answer = user.send(method, path, body);
        if answer.status == 401 {
            answer = user.prove(method, path, body);
        }
        answer.refused(403, "M_FORBIDDEN");
    }
    assert_eq!(user.status().string("policy"), "required");
    user.login_with(user.totp()).access_token();
}

#[test]
fn r38_one_of_two_can_be_removed_and_so_can_recovery_codes() {
    let Some(server) = Server::start_with(REQUIRED) else { return };
    let user = server.enrolled_user();
    let (_second, id) = user.add_phone("tablet");
    user.prove("DELETE", &format!("account/two-factor/authenticators/{id}"), &json!({})).is(200);
    user.prove("POST", "account/two-factor/disable", &json!({ "providers": [RECOVERY] })).is(200);
}

/// No grace period is set: where a page sets a factor up, a login without one gives no token (tests/pages/login_setup.rs has the rest).
#[test]
fn under_required_a_login_without_a_factor_gives_no_token() {
    let Some(server) = Server::start_with(REQUIRED) else { return };
    let user = server.user();
    let wrong = json!({ "type": PASSWORD, "user": user.name, "password": "wrong" });
    let wrong = server.post("login", &wrong).refused(403, "M_FORBIDDEN");
    assert_eq!(wrong.get("org.matrix.msc1998.enroll_url"), &json!(null));
    let login = user.login().refused(403, "M_FORBIDDEN").without_token();
    assert!(login.string("org.matrix.msc1998.enroll_url").starts_with(&server.base_url()), "{login}");
}

/// In the grace period everything goes on, and everything says until when; after it nothing does but enrolling.
#[test]
fn r55_a_grace_period_is_told_everywhere_and_then_it_is_over() {
    const GRACE_MS: u64 = 60 * 60 * 1000;
    let settings = [("MATRIX_2FA_POLICY", "required"), ("MATRIX_2FA_GRACE_PERIOD", "1h")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    let user = server.user();
    let until = user.status().get("grace_until").as_u64().expect("a moment");
    assert!(until > server.now_ms() && until <= server.now_ms() + GRACE_MS, "{until}");
    let login = user.login().is(200);
    let told = &login["org.matrix.msc1998.two_factor"];
    assert_eq!((&told["required"], &told["grace_until"]), (&json!(true), &json!(until)), "{login}");
    assert!(told["manage_url"].as_str().is_some_and(|url| url.starts_with(&server.base_url())), "{login}");
    let capabilities = user.get("capabilities").is(200);
    assert_eq!(capabilities["capabilities"]["org.matrix.msc1998.two_factor"]["grace_until"], json!(until));
    user.get("devices").is(200);

    server.set_clock(until);
    user.get("devices").refused(403, "M_FORBIDDEN");
    user.login().refused(403, "M_FORBIDDEN").without_token();
    assert_eq!(user.status().get("grace_until").as_u64(), Some(until));
    let user = user.enroll();
    assert_eq!(user.status().get("grace_until"), &json!(null));
    user.get("devices").is(200);
    assert_eq!(user.login_with(user.totp()).get("org.matrix.msc1998.two_factor"), &json!(null));
}

/// A group can only be stricter, and its pattern means whole names.
#[test]
fn r55_groups_are_stricter_than_the_server() {
    let groups = r#"[
        { name = "staff", localparts = "staff-.*", policy = "required" },
        { name = "pilot", users = ["pilot", "@second:localhost"], policy = "required", grace_period = "1h" },
        { name = "chiefs", admins = true, policy = "required" },
        { name = "lax", localparts = ".*", policy = "disallowed" },
    ]"#;
    let settings = [("MATRIX_2FA_GROUPS", groups), ("MATRIX_2FA_ADMINS", "chief")];
    let Some(server) = Server::start_with(Needs::Settings(&settings)) else { return };
    for (name, policy, barred) in [
        ("staff-1", "required", true),
        ("chief", "required", true),
        ("pilot", "required", false),
        ("second", "required", false),
        ("no-staff-1", "opt-in", false),
    ] {
        let user = User::register(&server, name);
        assert_eq!(user.status().string("policy"), policy, "{name}");
        assert_eq!(user.get("devices").status, if barred { 403 } else { 200 }, "{name}");
    }
}

/// Tokens older than the policy: only enrollment, logout and whoami.
#[test]
fn under_required_a_token_without_a_factor_may_only_enroll() {
    let Some(server) = Server::start_with(REQUIRED) else { return };
    let user = server.user();
    user.get("account/whoami").is(200);
    user.get("account/two-factor").is(200);
    for (method, path) in
        [("GET", "devices"), ("GET", "sync"), ("POST", "account/password"), ("POST", "account/deactivate")]
    {
        user.send(method, path, &json!({})).refused(403, "M_FORBIDDEN");
    }
    let user = user.enroll();
    user.get("devices").is(200);
    user.post("logout", &json!({})).is(200);
}

#[test]
fn disallowed_refuses_new_factors() {
    let Some(server) = Server::start_with(DISALLOWED) else { return };
    let user = server.user();
    let mut answer = user.post("account/two-factor/totp", &json!({}));
    if answer.status == 401 {
        let password = crate::harness::auth(&json!({}), &answer.session(), &user.password_stage());
        answer = user.post("account/two-factor/totp", &password);
    }
    answer.refused(403, "M_FORBIDDEN");
    assert_eq!(user.status().string("policy"), "disallowed");
    assert_eq!(user.login().is(200).get("flows"), &json!(null), "{PASSWORD} is enough");
}
