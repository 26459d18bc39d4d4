//! `GET /capabilities`.

use crate::harness::{RECOVERY, Server, TOTP};

const NAME: &str = "org.matrix.msc1998.two_factor";

#[test]
fn they_tell_whether_the_user_is_enrolled() {
    let server = Server::start();
    for (token, enrolled) in [(server.user().token, false), (server.enrolled_user().token.clone(), true)] {
        let answer = server.request("GET", "capabilities").token(&token).send().is(200);
        let ours = &answer["capabilities"][NAME];
        assert_eq!(
            (&ours["enabled"], &ours["enrolled"], &ours["required"]),
            (&true.into(), &enrolled.into(), &false.into())
        );
        let providers: Vec<&str> =
            ours["providers"].as_array().unwrap().iter().filter_map(|stage| stage.as_str()).collect();
        assert_eq!(providers, [TOTP, RECOVERY], "{answer}");
        assert_eq!(answer["capabilities"]["m.change_password"]["enabled"], true, "{answer}");
    }
}

#[test]
fn they_need_a_token() {
    Server::start().get("capabilities").refused(401, "M_MISSING_TOKEN");
}
