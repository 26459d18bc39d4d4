//! Notices by electronic mail: SMTP with TLS, and headers that only this file writes. Every letter has a connection of its own: who gives up
//! waiting drops it, and no later letter reads the answer to an earlier one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart, header},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};

use super::{AddressBook, Letter, NoticeError, Recipient, Way};

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (`smtps`, port 465).
    Tls,
    /// `STARTTLS`, without which nothing is sent (port 587).
    StartTls,
    /// None: only for a mail server on the same machine.
    Plain,
}

/// The mail server that takes our letters.
#[derive(Clone)]
pub struct MailServer {
    /// Its name, which must be in its certificate.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// User and password, if it asks for them.
    pub credentials: Option<(String, String)>,
    /// A certificate in PEM that is trusted beside those of the public authorities.
    pub authority: Option<Vec<u8>>,
}

/// Why there can be no mail.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Not an address like `name@example.org`, or `Name <name@example.org>`.
    #[error("{0:?} is no mail address")]
    Sender(String),
    /// The certificate cannot be read, or the host is no name.
    #[error("TLS cannot be used with this host or this certificate")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// The way by mail.
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    book: Arc<dyn AddressBook>,
    /// Behind the `@` of message ids.
    domain: String,
}

/// A mail server has so long to take a connection, and to show that it takes our user and password.
const PATIENCE: Duration = Duration::from_secs(20);

impl Mail {
    /// Mail over this server, from this sender, to the addresses of this book.
    pub fn new(server: MailServer, from: &str, book: Arc<dyn AddressBook>) -> Result<Self, MailError> {
        let from: Mailbox = from.parse().map_err(|_no_address| MailError::Sender(from.to_owned()))?;
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host).port(server.port);
        transport = transport.timeout(Some(PATIENCE)).tls(server.tls().map_err(MailError::Tls)?);
        if let Some((user, password)) = server.credentials {
            transport = transport.credentials(Credentials::new(user, password));
        }
        let domain = from.email.domain().to_owned();
        Ok(Self { transport: transport.build(), from, book, domain })
    }

    /// Is there a mail server that takes our user and password?
    pub async fn try_out(&self) -> Result<(), NoticeError> {
        match tokio::time::timeout(PATIENCE, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(NoticeError::Refused("the server does not answer NOOP".into())),
            Ok(Err(error)) => Err(NoticeError::Refused(error.into())),
            Err(_elapsed) => Err(NoticeError::Late),
        }
    }

    fn message(&self, to: Address, letter: &Letter) -> Result<Message, lettre::error::Error> {
        let at = std::time::UNIX_EPOCH + Duration::from_millis(letter.at.as_millis());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject.as_str())
            .date(at)
            // The same for every try, so that a mail program shows the same notice once.
            .message_id(Some(format!("<{}@{}>", letter.id, self.domain)))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone()))
    }
}

impl MailServer {
    fn tls(&self) -> Result<Tls, lettre::transport::smtp::Error> {
        let parameters = || {
            let mut parameters = TlsParameters::builder(self.host.clone());
            if let Some(authority) = &self.authority {
                parameters = parameters.add_root_certificate(Certificate::from_pem(authority)?);
            }
            parameters.build()
        };
        Ok(match self.security {
            Security::Tls => Tls::Wrapper(parameters()?),
            Security::StartTls => Tls::Required(parameters()?),
            Security::Plain => Tls::None,
        })
    }
}

impl std::fmt::Debug for MailServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailServer").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

#[async_trait]
impl Way for Mail {
    fn name(&self) -> &'static str {
        "mail"
    }

    async fn recipient(&self, user: &str) -> Result<Option<Recipient>, NoticeError> {
        self.book.recipient(user).await
    }

    async fn send(&self, recipient: &Recipient, letter: &Letter) -> Result<bool, NoticeError> {
        // Only what is an address comes into a header; whoever looked it up may have been told anything.
        let to: Address = recipient
            .address
            .parse()
            .map_err(|error: lettre::address::AddressError| NoticeError::NoAddress(error.into()))?;
        let message = self.message(to, letter).map_err(|error| NoticeError::NoAddress(error.into()))?;
        self.transport.send(message).await.map_err(|error| NoticeError::Refused(error.into()))?;
        Ok(true)
    }
}

/// Nobody's holiday answers to this (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
