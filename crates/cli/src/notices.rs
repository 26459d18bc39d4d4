//! Who delivers notices, by the settings: mail, and messages through the homeserver. And where users get their mail.

use std::{os::unix::fs::PermissionsExt, process::Stdio, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::body::Body;
use http_body_util::{BodyExt, Limited};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use matrix_2fa::{
    Homeserver, TwoFactor,
    notices::{
        AddressBook, Courier, HostAddresses, NoticeError, NoticeSettings, Recipient, ThroughHost, Way, mail::Mail,
    },
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::{io::AsyncReadExt, net::TcpStream, process::Command};
use url::Url;

use crate::{
    failure::{Failure, chain},
    settings::{Addresses, Settings},
};

/// A lookup that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer is an address and perhaps a language.
const LONGEST: usize = 1024;

/// The courier that these settings ask for, if they ask for one.
pub fn courier(
    settings: &Settings,
    two_factor: &TwoFactor,
    host: &Arc<dyn Homeserver>,
) -> Result<Option<Courier>, Failure> {
    somebody_knows(settings)?;
    let mut ways: Vec<Box<dyn Way>> = Vec::new();
    let book: Arc<dyn AddressBook> = match settings.mail_addresses.clone() {
        Addresses::Homeserver => Arc::new(HostAddresses(Arc::clone(host))),
        other => Arc::new(Lookup(other)),
    };
    if let Some(mail) = mail(settings, book)? {
        ways.push(Box::new(mail));
    }
    if settings.matrix_notices {
        ways.push(Box::new(ThroughHost(Arc::clone(host))));
    }
    let letters = NoticeSettings {
        name: settings.brand_name.clone().unwrap_or_else(|| settings.server_name.clone()),
        manage_url: two_factor.manage_url(),
        language: settings.notice_language.clone(),
    };
    Ok((!ways.is_empty()).then(|| Courier::new(two_factor.engine().clone(), ways, letters)))
}

/// The way by mail, if there is a server that takes it.
fn mail(settings: &Settings, book: Arc<dyn AddressBook>) -> Result<Option<Mail>, Failure> {
    let Some(server) = settings.mail_server()? else { return Ok(None) };
    let mail = Mail::new(server, &settings.mail_from(), book);
    mail.map(Some).map_err(|error| Failure::start(format!("mail_server, mail_from: {}", chain(&error))))
}

/// Does the mail server take our user and password, and is there whoever knows addresses? Nothing is sent. `None`: there is no mail.
pub async fn try_out(settings: &Settings) -> Option<Result<(), Failure>> {
    let mail = mail(settings, Arc::new(Lookup(settings.mail_addresses.clone()))).transpose()?;
    let tried = async {
        mail?.try_out().await.map_err(|error| Failure::run(format!("mail_server: {}", chain(&error))))?;
        match &settings.mail_addresses {
            Addresses::Command(program) => {
                let found = std::fs::metadata(program);
                let bad = |why: &str| Failure::run(format!("mail_addresses: {}: {why}", program.display()));
                let mode = found.map_err(|error| bad(&error.to_string()))?.permissions().mode();
                if mode & 0o111 == 0 { Err(bad("it is not executable")) } else { Ok(()) }
            }
            _ => somebody_knows(settings),
        }
    };
    Some(tried.await)
}

/// Notices that nobody can deliver are none.
fn somebody_knows(settings: &Settings) -> Result<(), Failure> {
    let homeserver_knows = settings.upstream.is_some() && settings.upstream_admin_token_file.is_some();
    let needs = "only a homeserver behind the gateway can do that, with upstream_admin_token_file";
    if settings.mail_server.is_some() && settings.mail_addresses == Addresses::Homeserver && !homeserver_knows {
        return Err(Failure::start(format!(
            "mail_addresses: say where users get mail, for example {{localpart}}@example.org (\"homeserver\": {needs})"
        )));
    }
    if settings.matrix_notices && !homeserver_knows {
        return Err(Failure::start(format!("matrix_notices: {needs}")));
    }
    Ok(())
}

/// Addresses that the operator knows.
struct Lookup(Addresses);

#[async_trait]
impl AddressBook for Lookup {
    async fn recipient(&self, user: &str) -> Result<Option<Recipient>, NoticeError> {
        let found = match &self.0 {
            Addresses::Homeserver => return Ok(None),
            Addresses::Pattern(pattern) => {
                let localpart = user.trim_start_matches('@').split(':').next().unwrap_or_default();
                Ok(pattern.replace("{localpart}", localpart))
            }
            Addresses::Command(program) => patiently(ask_program(program, user)).await,
            Addresses::Http(url) => patiently(ask_service(url, user)).await,
        };
        Ok(read(&found.map_err(NoticeError::Lookup)?))
    }
}

type Answer = Result<String, Box<dyn std::error::Error + Send + Sync>>;

async fn patiently(asked: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_late| Err("it took more than ten seconds".into()))
}

/// The first line: an address, and perhaps a language after it. Nothing: there is none.
fn read(answer: &str) -> Option<Recipient> {
    let mut words = answer.lines().next().unwrap_or_default().split_whitespace();
    let address = words.next()?.to_owned();
    Some(Recipient { address, language: words.next().map(str::to_owned) })
}

/// The program is called without a shell, so a user id is an argument and nothing else.
async fn ask_program(program: &std::path::Path, user: &str) -> Answer {
    let mut command = Command::new(program);
    command.arg(user).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    // What we keep to ourselves is no business of it.
    for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MATRIX_2FA_")) {
        command.env_remove(variable);
    }
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LONGEST as u64 + 1).read_to_end(&mut said).await?;
    }
    if said.len() > LONGEST {
        // Dropped, it is ended.
        return Err(format!("{} said more than {LONGEST} bytes", program.display()).into());
    }
    let status = child.wait().await?;
    if !status.success() {
        return Err(format!("{} ended with {status}", program.display()).into());
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// `GET`; 404 and an empty answer mean that there is no address.
async fn ask_service(url: &str, user: &str) -> Answer {
    let url = Url::parse(&url.replace("{user}", &utf8_percent_encode(user, NON_ALPHANUMERIC).to_string()))?;
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driven = tokio::spawn(connection);
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let request = Request::get(target).header("host", format!("{host}:{port}")).body(Body::empty())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST).collect().await?.to_bytes();
    driven.abort();
    match status.as_u16() {
        200..=299 => Ok(String::from_utf8_lossy(&body).into_owned()),
        404 => Ok(String::new()),
        _ => Err(format!("the service answered {status}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_the_first_line_of_what_is_known() {
        let read = |answer| read(answer).map(|found| (found.address, found.language));
        assert_eq!(read("a@b.example\n"), Some(("a@b.example".to_owned(), None)));
        assert_eq!(read("a@b.example de\nx@y.example"), Some(("a@b.example".to_owned(), Some("de".to_owned()))));
        assert_eq!(read("\n"), None);
        let book = Lookup(Addresses::Pattern("{localpart}@mail.example".to_owned()));
        let found = book.recipient("@alice:example.org").await.expect("a pattern always knows").expect("everybody");
        assert_eq!(found.address, "alice@mail.example");
        let book = Lookup(Addresses::Command("/bin/false".into()));
        assert!(book.recipient("@alice:example.org").await.is_err());
        let book = Lookup(Addresses::Command("/bin/true".into()));
        assert_eq!(book.recipient("@alice:example.org").await.expect("it ran"), None);
        // It says the same line for ever.
        let book = Lookup(Addresses::Command("/usr/bin/yes".into()));
        assert!(book.recipient("@alice:example.org").await.is_err());
    }
}
