//! `POST /account/deactivate`.

use serde_json::json;

use crate::harness::{PASSWORD, RECOVERY, SSO, Server, TOTP, auth};

#[test]
fn it_needs_both_factors() {
    let user = Server::start().enrolled_user();
    let challenge =
        user.open("POST", "account/deactivate", &json!({})).offers(&[&[SSO], &[PASSWORD, TOTP], &[PASSWORD, RECOVERY]]);
    let half = auth(&json!({}), &challenge.session(), &user.password_stage());
    user.post("account/deactivate", &half).completed(&[PASSWORD]);
    user.get("account/whoami").is(200);
    let answer = user.prove("POST", "account/deactivate", &json!({})).is(200);
    assert!(["success", "no-support"].contains(&answer.string("id_server_unbind_result").as_str()), "{answer}");
}

#[test]
fn r39_nothing_of_a_deactivated_user_is_left() {
    let user = Server::start().enrolled_user();
    let half_login = user.challenge();
    let half_uia = user.open("POST", "account/two-factor/recovery", &json!({})).session();
    let stranger =
        json!({ "type": PASSWORD, "identifier": { "type": "m.id.user", "user": "nobody" }, "password": "x" });
    let as_unknown = user.server.post("login", &stranger).refused(403, "M_FORBIDDEN");
    user.prove("POST", "account/deactivate", &json!({ "erase": true })).is(200);

    let login = user.login().without_token();
    assert!(
        login.status == 403 && ["M_FORBIDDEN", "M_USER_DEACTIVATED"].contains(&login.errcode().unwrap()),
        "{login} {as_unknown}"
    );
    user.finish(&half_login, user.totp()).without_token().is(400);
    user.get("account/two-factor").refused(401, "M_UNKNOWN_TOKEN");
    user.post("account/two-factor/recovery", &auth(&json!({}), &half_uia, &user.password_stage()))
        .refused(401, "M_UNKNOWN_TOKEN");
    let again = json!({ "username": user.name, "password": "x".repeat(12), "auth": { "type": "m.login.dummy" } });
    user.server.post("register", &again).refused(400, "M_USER_IN_USE");
}
