//! Who asks for a page: language, cookies, fields of a form. A form that another site sends never gets past this.

use std::{collections::HashMap, convert::Infallible, net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    response::Response,
};
use cookie::Cookie;
use http::{HeaderMap, Method, header, request::Parts};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Site, trouble::Trouble, words::Words};
use crate::{
    TwoFactor,
    request::{BODY_LIMIT, client_address, query_value},
};

/// The one field of every form that the person does not see.
const FORM_TOKEN: &str = "form_token";

/// One request for a page.
pub(crate) struct Visitor {
    pub(crate) words: Words,
    parts: Parts,
    fields: HashMap<String, Zeroizing<String>>,
    /// What is wrong with the request as such.
    refused: Option<Trouble>,
}

impl FromRequest<Arc<TwoFactor>> for Visitor {
    type Rejection = Infallible;

    async fn from_request(request: Request<Body>, module: &Arc<TwoFactor>) -> Result<Self, Infallible> {
        let (parts, body) = request.into_parts();
        let mut visitor =
            Self { words: Words::negotiate(&parts.headers), fields: HashMap::new(), refused: None, parts };
        if visitor.parts.method == Method::POST {
            if !module.site().is_some_and(|site| is_own(&visitor.parts.headers, &site.origin)) {
                visitor.refused = Some(Trouble::Foreign);
            } else if let Ok(bytes) = axum::body::to_bytes(body, BODY_LIMIT).await {
                let fields = form_urlencoded::parse(&bytes);
                visitor.fields =
                    fields.map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned()))).collect();
            }
        }
        Ok(visitor)
    }
}

/// Did a page of ours send this form? Browsers say it themselves in `Sec-Fetch-Site`. Older ones say it in `Origin`, which is "null" for
/// pages that ask for no referrer, as ours do: then the form token alone decides.
fn is_own(headers: &HeaderMap, origin: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some("null") | None) => true,
        (None, Some(given)) => given == origin,
    }
}

impl Visitor {
    /// The response of a handler; what went wrong becomes a page that says what to do.
    pub(crate) fn answer(&self, site: &Site, made: Result<Response, Trouble>) -> Response {
        made.unwrap_or_else(|trouble| trouble.page(site, &self.words, None))
    }

    /// The same where an address that only takes forms may be left for a page that shows how things stand.
    pub(crate) fn answer_at(&self, site: &Site, made: Result<Response, Trouble>, home: &str) -> Response {
        made.unwrap_or_else(|trouble| trouble.page(site, &self.words, Some(&site.link(home))))
    }

    /// The path that was asked for.
    pub(crate) fn path(&self) -> &str {
        self.parts.uri.path()
    }

    /// Refuses what another site only loads: a picture, a script, a frame. A link that somebody follows is a navigation. Older browsers say
    /// nothing about it.
    pub(crate) fn must_be_navigation(&self) -> Result<(), Trouble> {
        let says = |name| self.parts.headers.get(name).and_then(|value| value.to_str().ok());
        let elsewhere = says("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
        let loaded = says("sec-fetch-dest").is_some_and(|dest| dest != "document");
        if elsewhere && loaded { Err(Trouble::Foreign) } else { Ok(()) }
    }

    /// Refuses a request that came from another site.
    pub(crate) fn must_be_ours(&self) -> Result<(), Trouble> {
        self.refused.clone().map_or(Ok(()), Err)
    }

    /// Refuses a form that was not made for this cookie and this purpose.
    pub(crate) fn must_come_from(&self, module: &TwoFactor, cookie: &str, scope: &str) -> Result<(), Trouble> {
        self.must_be_ours()?;
        let given = match self.parts.method {
            Method::POST => self.field(FORM_TOKEN).to_owned(),
            _ => self.query(FORM_TOKEN).unwrap_or_default(),
        };
        let expected = form_token(module, cookie, scope);
        if bool::from(given.as_bytes().ct_eq(expected.as_bytes())) { Ok(()) } else { Err(Trouble::Forged) }
    }

    /// The value of a cookie of ours.
    pub(crate) fn cookie(&self, site: &Site, name: &str) -> Option<String> {
        let name = site.cookie_name(name);
        self.cookies().find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
    }

    /// The cookies of ours whose name is this and so many hexadecimal digits: their names, in the order in which the browser sent them.
    pub(crate) fn cookies_of(&self, site: &Site, kind: &str, digits: usize) -> Vec<String> {
        let prefix = site.cookie_name(kind);
        let ours = |cookie: Cookie<'_>| {
            let rest = cookie.name().strip_prefix(&prefix)?;
            let is_one = rest.len() == digits && rest.bytes().all(|b| b.is_ascii_hexdigit());
            is_one.then(|| format!("{kind}{rest}"))
        };
        self.cookies().filter_map(ours).collect()
    }

    fn cookies(&self) -> impl Iterator<Item = Cookie<'_>> {
        let headers = self.parts.headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        headers.flat_map(Cookie::split_parse).flatten()
    }

    /// A field of the form; the empty string if it is not there.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.as_str())
    }

    /// A key of the query.
    pub(crate) fn query(&self, key: &str) -> Option<String> {
        query_value(&self.parts, key)
    }

    /// The client's address.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        client_address(&self.parts)
    }
}

/// What a form must carry: nobody without this cookie can have got it from us, and it is good for this purpose only.
pub(crate) fn form_token(module: &TwoFactor, cookie: &str, scope: &str) -> String {
    let bytes = [&(cookie.len() as u64).to_be_bytes()[..], cookie.as_bytes(), scope.as_bytes()].concat();
    data_encoding::BASE64URL_NOPAD.encode(&module.engine().keys().digest("form-token", &bytes))
}
