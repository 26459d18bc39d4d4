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
    /// The test took the server's disk away: 503 is an honest answer.
    may_be_unavailable: bool,
    /// The test took its store away: 503 is the only one.
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
        let may_be_unavailable = server.is_without_disk();
        Self { builder, method: method.to_owned(), path, body: String::new(), may_be_unavailable, down: false }
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
        let (method, path) = (self.method.clone(), self.path.clone());
        let (may_be_unavailable, down) = (self.may_be_unavailable, self.down);
        let answer = self.ask().unwrap_or_else(|error| panic!("{error}"));
        let fair = match answer.status {
            503 => down || may_be_unavailable,
            status => status < 500 && !down,
        };
        assert!(fair, "the server must never be at fault, nor answer without its store\n{answer}");
        assert_eq!(
            answer.headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|v| v.as_bytes()),
            Some(b"*".as_slice()),
            "CORS\n{answer}"
        );
        if method != "OPTIONS" && method != "HEAD" {
            assert!(answer.is_json, "the answer must be JSON\n{answer}");
            let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            assert!(kind.starts_with("application/json"), "Content-Type is {kind:?}\n{answer}");
            schema::check(&method, &path, &answer);
        }
        answer
    }

    /// Sends it to a server that may be gone, or at fault; the error says to which question no whole answer came.
    pub fn ask(self) -> Result<Answer, String> {
        let Self { builder, method, path, body, may_be_unavailable: _, down: _ } = self;
        let question = format!("{method} {path} {body}");
        let response = builder.send().map_err(|error| format!("no answer to {question}: {error:?}"))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().map_err(|error| format!("half an answer to {question}: {error:?}"))?;
        let json = serde_json::from_slice::<Value>(&bytes);
        let is_json = json.is_ok();
        let body = json
            .unwrap_or_else(|_| if bytes.is_empty() { Value::Null } else { String::from_utf8_lossy(&bytes).into() });
        Ok(Answer { question, status, headers, is_json, body })
    }
}
