//! Where the pages are and how they look, worked out once at the start; and how every page goes out.

use askama::Template;
use axum::response::{IntoResponse, Response};
use cookie::{Cookie, SameSite, time::Duration};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use matrix_2fa_engine::Engine;
use url::Url;

use super::{assets, branding::Logo, words::Words};
use crate::Settings;

/// The pages of one server.
pub(crate) struct Site {
    /// The name over every page.
    pub(crate) name: String,
    /// Where a browser reaches us, as `Origin` says it.
    pub(crate) origin: String,
    /// Web clients that are sent their login token without a click.
    pub(crate) trusted: Vec<String>,
    pub(crate) stylesheet: String,
    pub(crate) logo: Option<Logo>,
    /// The path of the public base URL, without a slash at its end.
    prefix: String,
    secure: bool,
    version: String,
}

/// Where the pages are if nobody says it: on the machine itself.
const LOCAL: &str = "http://localhost";

impl Site {
    pub(crate) fn new(settings: &Settings, engine: &Engine, server_name: &str) -> Self {
        let base = settings.public_base_url.as_deref().unwrap_or(LOCAL);
        let url = Url::parse(base).ok();
        let stylesheet = assets::stylesheet(settings.branding.accent);
        let logo = settings.branding.logo.clone();
        let shown =
            [stylesheet.as_bytes(), logo.as_ref().map_or(&[][..], |logo| &logo.bytes), assets::SCRIPT.as_bytes()];
        let digest = engine.keys().digest("assets", &shown.concat());
        Self {
            name: settings.branding.name.clone().unwrap_or_else(|| server_name.to_owned()),
            origin: url.as_ref().map(|url| url.origin().ascii_serialization()).unwrap_or_default(),
            trusted: settings.trusted_clients.clone(),
            prefix: url.as_ref().map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default(),
            secure: base.starts_with("https:"),
            version: data_encoding::HEXLOWER.encode(&digest).chars().take(12).collect(),
            stylesheet,
            logo,
        }
    }

    /// A path of ours as browsers see it.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// A file of ours; its address changes with its contents.
    pub(crate) fn asset(&self, name: &str) -> String {
        self.link(&format!("/_matrix-2fa/assets/{}/{name}", self.version))
    }

    /// Is this what our files are like now?
    pub(crate) fn is_version(&self, version: &str) -> bool {
        self.version == version
    }

    /// The full name of a cookie. With `__Host-` no neighbour on the same domain can set it.
    pub(crate) fn cookie_name(&self, name: &str) -> String {
        if self.secure { format!("__Host-2fa-{name}") } else { format!("2fa-{name}") }
    }

    /// A cookie that scripts cannot read and that other sites can only cause to be sent with a plain link to us (clients link to us).
    pub(crate) fn cookie(&self, name: &str, value: &str, seconds: i64) -> HeaderValue {
        let cookie = Cookie::build((self.cookie_name(name), value))
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .max_age(Duration::seconds(seconds));
        HeaderValue::from_str(&cookie.to_string()).unwrap_or_else(|_never| HeaderValue::from_static(""))
    }

    /// What every template needs.
    pub(crate) fn frame<'a>(&'a self, words: &'a Words) -> Frame<'a> {
        Frame { site: self, words }
    }

    /// A page. `also` is an origin outside to which its form may lead in the end.
    pub(crate) fn page(&self, status: StatusCode, template: &impl Template, also: Option<&str>) -> Response {
        let html = match template.render() {
            Ok(html) => html,
            Err(error) => {
                tracing::error!(%error, "a page cannot be rendered");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let mut response = (status, html).into_response();
        guard(response.headers_mut(), also);
        response
    }

    /// On to another address with GET.
    pub(crate) fn see_other(&self, location: &str) -> Response {
        let Ok(location) = HeaderValue::from_str(location) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
        guard(response.headers_mut(), None);
        response
    }
}

/// The headers of every page. Chromium follows `form-action` through redirects, so that a form whose answer leads to a client must name it.
fn guard(headers: &mut HeaderMap, also: Option<&str>) {
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self' {}; \
         base-uri 'none'; frame-ancestors 'none'",
        also.unwrap_or_default()
    );
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::VARY, "Accept-Language, Cookie"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// What the layout of every page shows.
pub(crate) struct Frame<'a> {
    pub(crate) site: &'a Site,
    pub(crate) words: &'a Words,
}

impl Frame<'_> {
    /// Words of the visitor's language.
    pub(crate) fn say(&self, key: &str) -> String {
        self.words.say(key)
    }

    /// The same with something put in.
    pub(crate) fn put(&self, key: &str, name: &str, value: &str) -> String {
        self.words.put(key, name, value)
    }
}
