//! Where a client wants its login token: judged before anybody types a password.
//!
//! `https` and the schemes of apps are sent there, `http` only on the visitor's own machine. Whoever gets the token gets the account, so
//! everything but a client that the operator trusts needs a click on a page that names it.

use std::net::IpAddr;

use url::{Host, Url};

/// A place for a login token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    url: Url,
    /// What the person is told: an origin, or the scheme of an app.
    pub(crate) shown: String,
    /// The operator trusts it: no click, and forms may lead there.
    pub(crate) trusted: bool,
}

/// Why nothing is sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadTarget {
    Missing,
    Malformed,
    Scheme,
    /// `http` to somewhere else, where everybody on the way could read the token.
    Open,
}

/// Schemes that browsers understand themselves: none of them is an app waiting for its token.
const NO_APPS: [&str; 18] = [
    "about",
    "blob",
    "chrome",
    "content",
    "data",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "jar",
    "javascript",
    "mailto",
    "resource",
    "tel",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

const TOKEN: &str = "loginToken";

impl Target {
    pub(crate) fn judge(given: &str, trusted: &[String]) -> Result<Self, BadTarget> {
        // The parser drops or mends other characters; what is judged must be what a browser would see. A URI is ASCII (RFC 3986, section 2).
        let strange = |c: char| !c.is_ascii_graphic() || c == '\\';
        if given.is_empty() {
            return Err(BadTarget::Missing);
        }
        if given.len() > 2048 || given.contains(strange) {
            return Err(BadTarget::Malformed);
        }
        let url = Url::parse(given).map_err(|_| BadTarget::Malformed)?;
        // "https://us@evil" would be read as us.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadTarget::Malformed);
        }
        let shown = match url.scheme() {
            "https" => url.origin().ascii_serialization(),
            "http" if is_loopback(&url) => url.origin().ascii_serialization(),
            "http" => return Err(BadTarget::Open),
            scheme if NO_APPS.contains(&scheme) => return Err(BadTarget::Scheme),
            scheme => format!("{scheme}:"),
        };
        let trusted = trusted.contains(&shown);
        Ok(Self { url, shown, trusted })
    }

    /// The whole address as it is kept.
    pub(crate) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The address with the token, in the query, before a fragment. A token that was there before is somebody else's.
    pub(crate) fn with_token(&self, token: &str) -> String {
        let mut url = self.url.clone();
        let is_token = |pair: &&str| form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| name == TOKEN);
        let kept = url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !is_token(pair));
        let query: Vec<String> = kept.map(str::to_owned).chain([format!("{TOKEN}={token}")]).collect();
        url.set_query(Some(&query.join("&")));
        url.into()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_their_token_where_they_wait_for_it() {
        let trusted = ["https://app.example.org".to_owned()];
        for (given, shown, is_trusted, with_token) in [
            (
                "https://app.example.org/#/home",
                "https://app.example.org",
                true,
                "https://app.example.org/?loginToken=T#/home",
            ),
            ("HTTPS://App.Example.org:443", "https://app.example.org", true, "https://app.example.org/?loginToken=T"),
            (
                "https://app.example.org:8443/",
                "https://app.example.org:8443",
                false,
                "https://app.example.org:8443/?loginToken=T",
            ),
            (
                "https://x.org/?a=1&loginToken=old&b=%20#f?loginToken=x",
                "https://x.org",
                false,
                "https://x.org/?a=1&b=%20&loginToken=T#f?loginToken=x",
            ),
            ("https://x.org/?login%54oken=old", "https://x.org", false, "https://x.org/?loginToken=T"),
            ("http://127.0.0.1:45555/cb", "http://127.0.0.1:45555", false, "http://127.0.0.1:45555/cb?loginToken=T"),
            ("http://[::1]:9/", "http://[::1]:9", false, "http://[::1]:9/?loginToken=T"),
            ("http://localhost:1/", "http://localhost:1", false, "http://localhost:1/?loginToken=T"),
            ("element://vector/webapp/#/x", "element:", false, "element://vector/webapp/?loginToken=T#/x"),
            ("im.fluffychat://login", "im.fluffychat:", false, "im.fluffychat://login?loginToken=T"),
            ("app:callback?x=1", "app:", false, "app:callback?x=1&loginToken=T"),
        ] {
            let target = Target::judge(given, &trusted).unwrap_or_else(|bad| panic!("{given}: {bad:?}"));
            assert_eq!((target.shown.as_str(), target.trusted), (shown, is_trusted), "{given}");
            assert_eq!(target.with_token("T"), with_token, "{given}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use BadTarget::{Malformed, Missing, Open, Scheme};
        for (given, why) in [
            ("", Missing),
            ("/home", Malformed),
            ("//evil.example", Malformed),
            ("evil.example", Malformed),
            ("https:\\\\evil.example", Malformed),
            ("https://app.example.org\\@evil.example", Malformed),
            ("https://app.example.org@evil.example/", Malformed),
            ("https://user:pass@evil.example/", Malformed),
            ("element://user@x/", Malformed),
            ("https://", Malformed),
            ("https://app.example.org/\nSet-Cookie: x", Malformed),
            (" https://app.example.org/", Malformed),
            ("java\tscript:alert(1)", Malformed),
            ("https://x.org/\u{202e}", Malformed),
            ("1app:x", Malformed),
            ("javascript:alert(1)", Scheme),
            ("JavaScript://x/%0aalert(1)", Scheme),
            ("data:text/html,x", Scheme),
            ("vbscript:x", Scheme),
            ("file:///etc/passwd", Scheme),
            ("blob:https://x.org/1", Scheme),
            ("about:blank", Scheme),
            ("intent://x#Intent;end", Scheme),
            ("content://x", Scheme),
            ("filesystem:https://x.org/", Scheme),
            ("view-source:https://x.org", Scheme),
            ("wss://x.org/", Scheme),
            ("http://example.org/", Open),
            ("http://127.0.0.1.example.org/", Open),
            ("http://localhost.example.org/", Open),
        ] {
            assert_eq!(Target::judge(given, &[]), Err(why), "{given:?}");
        }
        assert!(Target::judge(&format!("https://x.org/{}", "a".repeat(2048)), &[]).is_err());
    }
}
