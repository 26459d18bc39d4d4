//! The time of a web server: the header `Date` of its answer to `HEAD`, whatever the answer is. To the second, which is enough to see a clock
//! that is half a step of a code off.

use std::sync::Arc;

use http_body_util::Empty;
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1,
    header::{CONNECTION, DATE, HOST},
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use crate::failure::chain;

/// An address of a web server; anything else is the name of an NTP server.
pub fn url(source: &str) -> Option<Url> {
    Url::parse(source).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Seconds that our clock is behind its.
pub async fn behind(url: &Url) -> Result<f64, String> {
    let port = url.port_or_known_default().ok_or("no port")?;
    let host = url.host_str().ok_or("no host")?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(|error| chain(&error))?;
    if url.scheme() == "http" {
        return ask(url, TokioIo::new(stream)).await;
    }
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|error| chain(&error))?;
    let stream = tls()?.connect(name, stream).await.map_err(|error| chain(&error))?;
    ask(url, TokioIo::new(stream)).await
}

async fn ask(url: &Url, stream: impl Read + Write + Unpin + Send + 'static) -> Result<f64, String> {
    let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| chain(&error))?;
    // Ends with the sender.
    tokio::spawn(connection);
    let request = Request::head(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| chain(&error))?;
    let sent = now();
    let answer = sender.send_request(request).await.map_err(|error| chain(&error))?;
    let ours = (sent + now()) / 2.0;
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok()).ok_or("its answer has no Date")?;
    let theirs = httpdate::parse_http_date(date).map_err(|error| chain(&error))?;
    // The header leaves out what is less than a second: on average half of one.
    Ok(seconds(theirs) + 0.5 - ours)
}

/// As a client that trusts whom browsers trust. Nothing is sent but the question.
fn tls() -> Result<TlsConnector, String> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| chain(&error))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()).into())
}

#[expect(clippy::disallowed_methods, reason = "the machine's clock itself is what is compared, as the NTP client does")]
fn now() -> f64 {
    seconds(std::time::SystemTime::now())
}

fn seconds(at: std::time::SystemTime) -> f64 {
    at.duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A web server that answers every question with this.
    async fn answering(head: String) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has one");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).await.expect("a question");
            let asked = String::from_utf8_lossy(&asked[..length]);
            assert!(
                asked.starts_with("HEAD /time?x=1 HTTP/1.1\r\n") && asked.contains(&address.to_string()),
                "{asked}"
            );
            stream.write_all(head.as_bytes()).await.expect("sends");
        });
        url(&format!("http://{address}/time?x=1")).expect("a URL")
    }

    #[tokio::test]
    async fn a_clock_that_is_wrong_is_measured_by_any_answer() {
        #[expect(clippy::disallowed_methods, reason = "it is what is compared")]
        let ahead = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
        for status in ["200 OK", "301 Moved Permanently", "404 Not Found"] {
            let date = httpdate::fmt_http_date(ahead);
            let head = format!("HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n");
            let seconds = behind(&answering(head).await).await.expect("an answer");
            assert!((3590.0..3605.0).contains(&seconds), "{status}: {seconds}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_a_time_is_an_error() {
        for head in ["Content-Length: 0", "Date: soon\r\nContent-Length: 0"] {
            let url = answering(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n")).await;
            assert!(behind(&url).await.is_err(), "{head}");
        }
    }

    #[test]
    fn the_name_of_an_ntp_server_is_no_url() {
        for name in ["pool.ntp.org", "pool.ntp.org:123", "127.0.0.1:123", "ftp://host/", "https://"] {
            assert!(url(name).is_none(), "{name}");
        }
        assert!(url("https://example.org").is_some() && url("http://[::1]:80/x").is_some());
    }
}
