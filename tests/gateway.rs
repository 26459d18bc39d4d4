//! `matrix-2fa gateway` before a real Synapse, which all these tests share; each has a gateway of its own.

mod clients;
mod doors;
mod guarded;
mod identical;
mod login;
mod notices;
mod old_ids;
mod pages;
mod policies;
mod postgresql;

use serde_json::Value;

use crate::harness::{Answer, Server, User, synapse};

/// A request past the gateway.
fn direct(method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Direct {
    let client =
        reqwest::blocking::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let url = format!("{}{path}", synapse().url());
    let mut request = client.request(method.parse().expect("a method"), url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().expect("Synapse answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Direct { status, headers, bytes: response.bytes().expect("whole").to_vec() }
}

/// What Synapse itself says.
struct Direct {
    status: u16,
    headers: reqwest::header::HeaderMap,
    bytes: Vec<u8>,
}

impl Direct {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("JSON")
    }
}

/// Device ids and names of a user, as Synapse has them.
fn devices(user: &User) -> Vec<(String, Value)> {
    let answer = direct("GET", "/_matrix/client/v3/devices", Some(&user.token), None);
    assert_eq!(answer.status, 200);
    let listed = answer.json()["devices"].as_array().expect("a list").clone();
    let mut devices: Vec<_> = listed
        .iter()
        .map(|device| (device["device_id"].as_str().expect("an id").to_owned(), device["display_name"].clone()))
        .collect();
    devices.sort_by(|one, other| one.0.cmp(&other.0));
    devices
}

/// Does Synapse know this token?
fn works(token: &str) -> bool {
    direct("GET", "/_matrix/client/v3/account/whoami", Some(token), None).status == 200
}

/// No token is in this answer, and Synapse has made no device that stayed.
#[track_caller]
fn nothing_came_of_it(user: &User, before: &[(String, Value)], answer: Answer) -> Answer {
    let answer = answer.without_token();
    assert_eq!(devices(user), before, "no device came or went\n{answer}");
    answer
}

fn gateway() -> Server {
    Server::gateway(&[])
}
