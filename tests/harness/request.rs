//! One request, and the checks that every answer must pass.

use std::time::Duration;

use reqwest::{
    Method,
    blocking::{Client, RequestBuilder},
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::Value;

use super::{Answer, Server, V3, schema};

/// A request that is being put together.
#[must_use = "nothing is sent before `send`"]
pub struct Request {
    builder: RequestBuilder,
    method: String,
    path: String,
    body: String,
    down: bool,
}

/// The client of a test: no proxy, no redirects, patient, since two cores carry the whole suite.
pub fn http_client(from: Option<[u8; 4]>) -> Client {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(120))
        .local_address(from.map(std::net::IpAddr::from))
        .build()
        .expect("a client")
}

impl Request {
    /// A request to `path`: absolute, or relative to [`V3`].
    pub fn new(server: &Server, client: &Client, method: &str, path: &str) -> Self {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("{V3}{path}") };
        let url = format!("{}{path}", server.base_url());
        let builder = client.request(Method::from_bytes(method.as_bytes()).expect("a method"), url);
        Self { builder, method: method.to_owned(), path, body: String::new(), down: false }
    }

    /// With this access token in the header.
    pub fn token(mut self, token: &str) -> Self {
        self.builder = self.builder.header(AUTHORIZATION, format!("Bearer {token}"));
        self
    }

    /// With another header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.bytes(body.to_string().into_bytes())
    }

    /// With a body that says it is JSON.
    pub fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = String::from_utf8_lossy(&body).chars().take(400).collect();
        self.builder = self.builder.header(CONTENT_TYPE, "application/json").body(body);
        self
    }

    /// The store is down: 503 is the answer that is expected.
    pub fn while_down(mut self) -> Self {
        self.down = true;
        self
    }

    /// Sends it and checks what every answer must be.
    #[track_caller]
    pub fn send(self) -> Answer {
        let Self { builder, method, path, body, down } = self;
        let question = format!("{method} {path} {body}");
        let response = builder.send().unwrap_or_else(|error| panic!("no answer to {question}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().unwrap_or_else(|error| panic!("half an answer to {question}: {error:?}"));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let json = serde_json::from_slice::<Value>(&bytes);
        let answer = Answer { question, status, headers, body: json.as_ref().cloned().unwrap_or_default() };

        if down {
            assert_eq!(status, 503, "the store is down\n{answer} {text}");
        } else {
            assert!(status < 500, "the server must never be at fault\n{answer} {text}");
        }
        assert_eq!(
            answer.headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|v| v.as_bytes()),
            Some(b"*".as_slice()),
            "CORS\n{answer}"
        );
        if method != "OPTIONS" && method != "HEAD" {
            assert!(json.is_ok(), "the answer must be JSON, not {text:?}\n{answer}");
            let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            assert!(kind.starts_with("application/json"), "Content-Type is {kind:?}\n{answer}");
            schema::check(&method, &path, &answer);
        }
        answer
    }
}
