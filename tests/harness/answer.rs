//! One answer, with assertions that print all of it.

use std::{fmt, ops::Index};

use reqwest::header::HeaderMap;
use serde_json::Value;

/// What the server said.
#[derive(Clone)]
pub struct Answer {
    /// Method, URL and body of the request, for messages.
    pub question: String,
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Was the body JSON?
    pub is_json: bool,
    /// The JSON body; a string if it was something else.
    pub body: Value,
}

impl Answer {
    /// Asserts the status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "another status was expected\n{self}");
        self
    }

    /// Asserts a refusal: status and errcode.
    #[track_caller]
    pub fn refused(self, status: u16, errcode: &str) -> Self {
        assert_eq!((self.status, self.errcode()), (status, Some(errcode)), "another refusal was expected\n{self}");
        assert!(self.get("error").as_str().is_some_and(|error| !error.is_empty()), "`error` says what to do\n{self}");
        self
    }

    /// Asserts the answer to a wrong code in interactive auth: the whole 401 body with `M_FORBIDDEN`.
    #[track_caller]
    pub fn wrong_code(self) -> Self {
        let answer = self.refused(401, "M_FORBIDDEN");
        assert!(answer.body.get("flows").is_some(), "the whole 401 body is repeated\n{answer}");
        answer
    }

    /// Asserts a 401 of interactive auth in which exactly these stages are completed.
    #[track_caller]
    pub fn completed(self, stages: &[&str]) -> Self {
        assert_eq!(self.status, 401, "a challenge was expected\n{self}");
        let completed: Vec<&str> =
            self.get("completed").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(completed, stages, "other stages are completed\n{self}");
        self
    }

    /// Asserts the flows of a 401, in order.
    #[track_caller]
    pub fn offers(self, flows: &[&[&str]]) -> Self {
        let offered: Vec<Vec<&str>> = self
            .get("flows")
            .as_array()
            .into_iter()
            .flatten()
            .map(|flow| flow["stages"].as_array().into_iter().flatten().filter_map(Value::as_str).collect())
            .collect();
        assert_eq!(offered, flows, "other flows were expected\n{self}");
        self
    }

    /// Asserts that the server asks to wait: 429 in the shape of the specification. Gives back the wait in milliseconds.
    #[track_caller]
    pub fn throttled(self) -> u64 {
        let answer = self.refused(429, "M_LIMIT_EXCEEDED");
        let ms = answer.get("retry_after_ms").as_u64().unwrap_or_else(|| panic!("no retry_after_ms\n{answer}"));
        let header = answer.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        assert_eq!(header, Some(ms.div_ceil(1000)), "Retry-After is the same wait in whole seconds\n{answer}");
        ms
    }

    /// Asserts a login, and gives back its access token.
    #[track_caller]
    pub fn access_token(&self) -> String {
        assert_eq!(self.status, 200, "a login was expected\n{self}");
        self.string("access_token")
    }

    /// Asserts that nothing in this answer is a credential.
    #[track_caller]
    pub fn without_token(self) -> Self {
        for key in ["access_token", "refresh_token", "login_token", "device_id"] {
            assert!(self.body.get(key).is_none(), "no {key} may be here\n{self}");
        }
        self
    }

    /// The session of a 401.
    #[track_caller]
    pub fn session(&self) -> String {
        assert_eq!(self.status, 401, "a challenge was expected\n{self}");
        self.string("session")
    }

    /// A string of the body.
    #[track_caller]
    pub fn string(&self, key: &str) -> String {
        self.get(key).as_str().unwrap_or_else(|| panic!("no string `{key}`\n{self}")).to_owned()
    }

    /// The errcode, if it is an error.
    pub fn errcode(&self) -> Option<&str> {
        self.body.get("errcode").and_then(Value::as_str)
    }

    /// A value of the body, null if it is not there.
    pub fn get(&self, key: &str) -> &Value {
        self.body.get(key).unwrap_or(&Value::Null)
    }
}

impl Index<&str> for Answer {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        self.get(key)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}\n  -> {} {}", self.question, self.status, self.body)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
