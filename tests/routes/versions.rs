//! `GET /_matrix/client/versions`.

use crate::harness::Server;

#[test]
fn the_proposals_are_announced() {
    let answer = Server::start().get("/_matrix/client/versions").is(200);
    assert_eq!(answer["unstable_features"]["org.matrix.msc1998"], true, "{answer}");
    assert_eq!(answer["unstable_features"]["org.matrix.msc2835"], true, "{answer}");
    let versions = answer["versions"].as_array().unwrap();
    assert!(
        versions.iter().any(|version| version.as_str().is_some_and(|version| version.starts_with("v1."))),
        "{answer}"
    );
}
