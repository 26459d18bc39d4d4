//! What client libraries ask for when they start: `sync`, `filter`, `pushrules`, `profile`.

use serde_json::json;

use crate::harness::Server;

#[test]
fn an_empty_sync_is_valid() {
    let user = Server::start().user();
    let answer = user.get("sync?timeout=0").is(200);
    let next = answer.string("next_batch");
    assert!(!next.is_empty());
    user.get(&format!("sync?timeout=0&since={next}")).is(200);
}

#[test]
fn a_filter_can_be_made_and_read() {
    let user = Server::start().user();
    let path = format!("user/{}/filter", user.id.replace('@', "%40").replace(':', "%3A"));
    let id = user.post(&path, &json!({ "room": { "timeline": { "limit": 1 } } })).is(200).string("filter_id");
    user.get(&format!("{path}/{id}")).is(200);
}

#[test]
fn push_rules_and_profile_are_there() {
    let user = Server::start().user();
    for path in ["pushrules/", "pushrules"] {
        let answer = user.get(path);
        assert!(answer.status != 200 || answer["global"].is_object(), "{answer}");
    }
    user.get("pushrules/").is(200);
    user.get(&format!("profile/{}", user.id)).is(200);
    user.get("profile/@nobody:localhost").refused(404, "M_NOT_FOUND");
}
