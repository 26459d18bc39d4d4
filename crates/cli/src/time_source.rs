//! Another clock to compare ours with: an NTP server, or where NTP is blocked any web server ([`http`]). It decides nothing, so a lie of it
//! costs a line in the log.

mod http;

use std::time::Duration;

use rsntp::{AsyncSntpClient, Config};

/// A clock that is this far off is worth a warning: half a step of a code.
pub const FAR: Duration = Duration::from_secs(15);

/// How often a running server asks.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gauge: seconds that the clock is behind the time source.
const BEHIND: &str = "matrix_2fa_clock_behind_seconds";

/// Seconds that our clock is behind the time source (negative: ahead of it).
pub async fn behind(source: &str) -> Result<f64, String> {
    if let Some(url) = http::url(source) {
        let answer = tokio::time::timeout(PATIENCE, http::behind(&url)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        return answer.map_err(|error| format!("{source} does not tell the time: {error}"));
    }
    let client = AsyncSntpClient::with_config(Config::default().timeout(PATIENCE));
    let answer =
        client.synchronize(source).await.map_err(|error| format!("{source} does not tell the time: {error}"))?;
    Ok(answer.clock_offset().as_secs_f64())
}

/// Compares for as long as the server runs.
pub async fn watch(source: String) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        match behind(&source).await {
            Ok(seconds) => {
                metrics::gauge!(BEHIND).set(seconds);
                if seconds.abs() > FAR.as_secs_f64() {
                    tracing::error!(
                        seconds,
                        source,
                        "the clock of this server is behind (negative: ahead): right codes will be refused"
                    );
                }
            }
            Err(error) => tracing::warn!(error, "the clock cannot be compared"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An NTP server whose clock is an hour ahead: it answers our own time stamp, moved.
    #[tokio::test]
    async fn a_clock_that_is_wrong_is_measured() {
        let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("binds");
        let address = server.local_addr().expect("has one").to_string();
        let answering = tokio::spawn(async move {
            let mut asked = [0; 48];
            let (_, peer) = server.recv_from(&mut asked).await.expect("a question");
            // RFC 5905 section 7.3: the client's transmit time is the last of four time stamps, and comes back as the second of them.
            let sent: [u8; 8] = asked[40..48].try_into().expect("eight bytes");
            let hour_later = (u64::from_be_bytes(sent) + (3600 << 32)).to_be_bytes();
            let mut answer = [0; 48];
            answer[..4].copy_from_slice(&[0b00_100_100, 1, 0, 0xec]);
            answer[12..16].copy_from_slice(b"TEST");
            answer[16..24].copy_from_slice(&hour_later);
            answer[24..32].copy_from_slice(&sent);
            answer[32..40].copy_from_slice(&hour_later);
            answer[40..48].copy_from_slice(&hour_later);
            server.send_to(&answer, peer).await.expect("sends");
        });
        let seconds = behind(&address).await.expect("an answer");
        assert!((3595.0..3605.0).contains(&seconds), "{seconds}");
        answering.await.expect("no panic");
    }

    #[tokio::test]
    async fn a_source_that_is_not_there_is_an_error() {
        assert!(behind("not a host name").await.is_err());
    }
}
