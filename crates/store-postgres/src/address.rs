//! Where the database is: `postgres://user:password@host:port/name?sslmode=verify-full&sslrootcert=ca.pem`, as psql takes it.
//!
//! The password is printed nowhere: neither [`Address`] nor an error shows the address.

use std::{fmt, str::FromStr, time::Duration};

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls::{self, TlsError};

/// A connection attempt takes no longer, and a silent peer is given up after it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A checked address.
#[derive(Clone)]
pub struct Address {
    pub(crate) config: Config,
    pub(crate) tls: MakeRustlsConnect,
}

/// Why an address cannot be used. None of them shows it.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Another kind of address, or none.
    #[error("write postgres://user:password@host:port/name")]
    NotPostgres,
    /// It cannot be read.
    #[error("the address cannot be read")]
    Unreadable(#[source] tokio_postgres::Error),
    /// `sslmode`.
    #[error(
        "sslmode={0} is not supported: write verify-full (or require, which is checked as strictly here), or disable for a network that \
         nobody else is on"
    )]
    Mode(String),
    /// The certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// How the connection is protected. There is nothing between a checked certificate and plain text: `prefer` and `allow`, which anybody on
/// the way can turn into plain text, are refused, and `require` and `verify-ca` check as `verify-full` does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protection {
    None,
    Verified,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(given: &str) -> Result<Self, AddressError> {
        if !given.starts_with("postgres://") && !given.starts_with("postgresql://") {
            return Err(AddressError::NotPostgres);
        }
        let (base, query) = given.split_once('?').unwrap_or((given, ""));
        let (mut mode, mut roots) = (None, None);
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => roots = Some(value.into_owned()),
                _ => drop(rest.append_pair(&key, &value)),
            }
        }
        // tokio-postgres decodes %XX only, and a form writes spaces as plus signs.
        let rest = rest.finish().replace('+', "%20");
        let address = if rest.is_empty() { base.to_owned() } else { format!("{base}?{rest}") };
        let mut config: Config = address.parse().map_err(AddressError::Unreadable)?;
        let protection = match mode.as_deref() {
            None if is_local(&config) => Protection::None,
            None | Some("require" | "verify-ca" | "verify-full") => Protection::Verified,
            Some("disable") => Protection::None,
            Some(other) => return Err(AddressError::Mode(other.to_owned())),
        };
        config.ssl_mode(match protection {
            Protection::None => SslMode::Disable,
            Protection::Verified if only_sockets(&config) => SslMode::Disable,
            Protection::Verified => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("matrix-2fa");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(CONNECT_TIMEOUT * 2);
        }
        Ok(Self { config, tls: tls::connector(roots.as_deref())? })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}

/// On this machine: nothing to listen in on.
fn is_local(config: &Config) -> bool {
    let loopback = |name: &str| name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => loopback(name),
    }) && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

/// TLS over a socket in the file system does not exist.
fn only_sockets(config: &Config) -> bool {
    config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(address: &str) -> SslMode {
        address.parse::<Address>().unwrap().config.get_ssl_mode()
    }

    #[test]
    fn another_machine_is_reached_through_tls_unless_it_is_switched_off() {
        for local in ["postgres://localhost/x", "postgres://127.0.0.1:5/x", "postgres:///x?host=/run/postgresql"] {
            assert_eq!(mode(local), SslMode::Disable, "{local}");
        }
        for remote in [
            "postgres://db.example.org/x",
            "postgresql://a:b@10.0.0.1/x?connect_timeout=3",
            "postgres://localhost,db.example.org/x",
            "postgres://localhost/x?sslmode=verify-full",
            "postgres://localhost/x?sslmode=require",
        ] {
            assert_eq!(mode(remote), SslMode::Require, "{remote}");
        }
        assert_eq!(mode("postgres://db.example.org/x?sslmode=disable"), SslMode::Disable);
    }

    #[test]
    fn other_parameters_are_kept() {
        let address: Address =
            "postgres://u:p%20w@h/x?application_name=a%20b&sslmode=disable&options=-c%20x%3Dy".parse().unwrap();
        assert_eq!(address.config.get_application_name(), Some("a b"));
        assert_eq!(address.config.get_options(), Some("-c x=y"));
        assert_eq!(address.config.get_password(), Some(b"p w".as_slice()));
    }

    #[test]
    fn no_error_and_no_debug_shows_the_password() {
        for bad in [
            "mysql://u:hunter2@h/x",
            "hunter2",
            "postgres://u:hunter2@h:port/x",
            "postgres://u:hunter2@h/x?sslmode=prefer",
            "postgres://u:hunter2@h/x?nonsense=hunter2",
            "postgres://u:hunter2@h/x?sslrootcert=/nowhere.pem",
        ] {
            let error = bad.parse::<Address>().unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(!format!("{error} {source} {error:?}").contains("hunter2"), "{error} {source} {error:?}");
        }
        assert!(!format!("{:?}", "postgres://u:hunter2@h/x".parse::<Address>().unwrap()).contains("hunter2"));
    }
}
