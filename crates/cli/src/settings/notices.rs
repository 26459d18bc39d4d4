//! The settings of notices: by which server, from whom, and to which addresses.

use std::{fs, net::IpAddr, path::PathBuf};

use matrix_2fa::notices::{
    LANGUAGES,
    mail::{MailServer, Security},
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::Url;

use super::Settings;
use crate::failure::Failure;

/// Who knows where users get mail.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Addresses {
    /// The homeserver.
    Homeserver,
    /// Everybody: this, with the localpart in the place of `{localpart}`.
    Pattern(String),
    /// A program, called with the user id.
    Command(PathBuf),
    /// A service over HTTP on this machine or in this network, with the user id in the place of `{user}`.
    Http(String),
}

impl TryFrom<String> for Addresses {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        const HOW: &str = "write homeserver, {localpart}@example.org, command:/path/to/program, or http://localhost:8000/?user={user}";
        match given.as_str() {
            "homeserver" => Ok(Self::Homeserver),
            url if url.starts_with("http://") && url.contains("{user}") && Url::parse(url).is_ok() => {
                Ok(Self::Http(given))
            }
            url if url.starts_with("https://") => {
                Err("only http:// is spoken with the service that knows the addresses; put it on this machine"
                    .to_owned())
            }
            pattern if pattern.starts_with("{localpart}@") && pattern.len() > 12 => Ok(Self::Pattern(given)),
            command => match command.strip_prefix("command:") {
                Some(program) if program.starts_with('/') => Ok(Self::Command(program.into())),
                _ => Err(format!("{given:?} says nothing of addresses; {HOW}")),
            },
        }
    }
}

impl Settings {
    /// Does anybody deliver notices?
    pub fn has_notices(&self) -> bool {
        self.mail_server.is_some() || self.matrix_notices
    }

    /// The server that takes mail, if there is one.
    pub fn mail_server(&self) -> Result<Option<MailServer>, Failure> {
        self.mail_server.as_ref().map(|url| read(url.expose())).transpose()
    }

    /// Who writes.
    pub fn mail_from(&self) -> String {
        self.mail_from.clone().unwrap_or_else(|| {
            let (host, _port) = self.server_name.split_once(':').unwrap_or((&self.server_name, ""));
            format!("security@{host}")
        })
    }

    /// What would otherwise be found out only with the first notice.
    pub(super) fn check_notices(&self) -> Result<(), Failure> {
        if !LANGUAGES.contains(&self.notice_language.as_str()) {
            return Err(Failure::start(format!("notice_language: write one of {}", LANGUAGES.join(", "))));
        }
        self.mail_server().map(drop)
    }
}

fn read(url: &str) -> Result<MailServer, Failure> {
    let bad = |problem: &str| Failure::start(format!("mail_server: {problem}"));
    let how = "write smtps://user:password@mail.example.org, smtp://mail.example.org:587, or smtp://localhost:25";
    // The reason would quote it, and a password may stand in it.
    let url = Url::parse(url).map_err(|_not_shown| bad(how))?;
    let host = url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned());
    let host = host.filter(|host| !host.is_empty()).ok_or_else(|| bad(how))?;
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let (mut authority, mut plain) = (None, here);
    for (key, value) in url.query_pairs() {
        match (key.as_ref(), value.as_ref()) {
            ("ca", file) => {
                let read =
                    fs::read(file).map_err(|error| bad(&format!("the certificate {file} cannot be read: {error}")))?;
                // Who names a certificate wants TLS, here too.
                (authority, plain) = (Some(read), false);
            }
            (key, _) => return Err(bad(&format!("{key} is not known; there is ca=FILE"))),
        }
    }
    let (security, port) = match url.scheme() {
        "smtps" => (Security::Tls, 465),
        "smtp" if plain => (Security::Plain, 25),
        "smtp" => (Security::StartTls, 587),
        _ => return Err(bad(how)),
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let credentials =
        (!url.username().is_empty()).then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
    Ok(MailServer { host, port: url.port().unwrap_or(port), security, credentials, authority })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_go_out_only_through_tls() {
        let security = |url: &str| read(url).map(|server| (server.security, server.port)).ok();
        assert_eq!(security("smtps://a:b@mail.example.org"), Some((Security::Tls, 465)));
        assert_eq!(security("smtp://a:b@mail.example.org"), Some((Security::StartTls, 587)));
        assert_eq!(security("smtp://mail.example.org:25"), Some((Security::StartTls, 25)));
        assert_eq!(security("smtp://localhost"), Some((Security::Plain, 25)));
        assert_eq!(security("smtp://127.0.0.1:2525"), Some((Security::Plain, 2525)));
        assert_eq!(security("smtp://127.0.0.1.example.org:2525"), Some((Security::StartTls, 2525)));
        assert_eq!(security("smtp://[::1]:2525"), Some((Security::Plain, 2525)));
        for bad in
            ["mail.example.org", "http://mail.example.org", "smtp://", "smtp://a/?tls=off", "smtp://a/?ca=/nowhere"]
        {
            assert_eq!(security(bad), None, "{bad}");
        }
        let server = read("smtps://us%40er:p%3Ass@mail.example.org").expect("legal");
        assert_eq!(server.credentials, Some(("us@er".to_owned(), "p:ss".to_owned())));
        assert!(!format!("{server:?}").contains("p:ss"));
    }

    #[test]
    fn what_cannot_be_read_shows_no_password() {
        let failure = read("smtps://user:hunter2@[bad").expect_err("no address").to_string();
        assert!(!failure.contains("hunter2"), "{failure}");
    }

    #[test]
    fn addresses_are_known_in_four_ways() {
        let parse = |given: &str| Addresses::try_from(given.to_owned());
        assert_eq!(parse("homeserver"), Ok(Addresses::Homeserver));
        assert_eq!(parse("{localpart}@example.org"), Ok(Addresses::Pattern("{localpart}@example.org".to_owned())));
        assert_eq!(parse("command:/bin/who"), Ok(Addresses::Command("/bin/who".into())));
        assert_eq!(
            parse("http://localhost:1/?u={user}"),
            Ok(Addresses::Http("http://localhost:1/?u={user}".to_owned()))
        );
        for bad in ["", "example.org", "command:who", "http://localhost/", "https://x/{user}", "{localpart}@"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
