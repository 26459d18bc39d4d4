//! A browser without a script: cookies, forms and redirects, for tests that must see every header.

use std::{cell::RefCell, collections::BTreeMap};

use reqwest::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderMap, LOCATION, SET_COOKIE};

use super::{Server, request::http_client};

/// One browser: what the server told it to keep, by name.
pub struct Browser {
    server: Server,
    client: reqwest::blocking::Client,
    /// Its cookies; tests may steal and plant.
    pub cookies: RefCell<BTreeMap<String, String>>,
    /// Sent with every request.
    pub headers: Vec<(&'static str, String)>,
}

/// A page that a browser shows.
pub struct Page {
    /// Where it is.
    pub path: String,
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The HTML.
    pub html: String,
}

impl Browser {
    /// A browser without cookies.
    pub fn new(server: &Server) -> Self {
        Self { server: server.clone(), client: http_client(None), cookies: RefCell::default(), headers: Vec::new() }
    }

    /// GET; where it leads is not followed.
    #[track_caller]
    pub fn get(&self, path: &str) -> Page {
        self.send("GET", path, None)
    }

    /// POST of a form with these fields.
    #[track_caller]
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send("POST", path, Some(form))
    }

    /// GET, and on as long as we are led to pages of the server.
    #[track_caller]
    pub fn open(&self, path: &str) -> Page {
        self.follow(self.get(path))
    }

    /// Sends the form of a page with these fields and its form token, and follows.
    #[track_caller]
    pub fn submit(&self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let token = page.form_token();
        let fields = [fields, &[("form_token", token.as_str())][..]].concat();
        self.follow(self.post(&page.path, &fields))
    }

    fn follow(&self, mut page: Page) -> Page {
        while let Some(next) = page.location().filter(|next| next.starts_with('/')) {
            page = self.get(&next);
        }
        page
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, form: Option<String>) -> Page {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.server.base_url()));
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(form) = form {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        }
        let response = request.send().expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let html = response.text().expect("text");
        self.keep(&headers);
        let page = Page { path: path.to_owned(), status, headers, html };
        page.checked()
    }

    fn keep(&self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            let (pair, rest) = cookie.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            assert!(rest.contains("HttpOnly") && rest.contains("SameSite=Lax") && rest.contains("Path=/"), "{cookie}");
            if rest.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Page {
    /// What every page must be.
    #[track_caller]
    fn checked(self) -> Self {
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(self.status < 500, "{self:?}");
        assert!(self.headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).is_none(), "no other site reads a page\n{self:?}");
        assert!(self.headers.get("cross-origin-opener-policy").is_none(), "{self:?}");
        assert_eq!(header("cache-control"), "no-store", "{self:?}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{self:?}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{self:?}");
        let policy = header("content-security-policy");
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'self';"] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        self
    }

    /// Asserts the status and a piece of the text.
    #[track_caller]
    pub fn says(self, status: u16, text: &str) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.html.contains(text), "{text:?} is not there\n{self:?}");
        self
    }

    /// Where the server leads on to.
    pub fn location(&self) -> Option<String> {
        self.headers.get(LOCATION).map(|value| value.to_str().expect("text").to_owned())
    }

    /// The value of an attribute after this piece of HTML.
    #[track_caller]
    pub fn after(&self, piece: &str) -> String {
        let (_, rest) = self.html.split_once(piece).unwrap_or_else(|| panic!("{piece:?} is not there\n{self:?}"));
        rest.split('"').next().expect("a value").replace("&#38;", "&")
    }

    /// The form token of the page.
    #[track_caller]
    pub fn form_token(&self) -> String {
        self.after("name=\"form_token\" value=\"")
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?}\n{}", self.path, self.status, self.location(), self.html)
    }
}
