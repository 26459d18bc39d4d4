//! Whose request is it? The peer's, unless the peer is a proxy that the operator trusts: then the address that it says it took the
//! request from, and so on, hop by hop. Only the one header that the operator's proxies write is read, from its end: whatever stands before
//! the last untrusted hop was written by that hop, and may be a lie.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header::FORWARDED};
use forwarded_header_value::{ForwardedHeaderValue, Identifier};
use ipnet::IpNet;
use serde::Deserialize;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The header in which proxies say whom they speak for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ProxyHeader {
    /// What nearly all proxies write.
    #[default]
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
    /// RFC 7239.
    #[serde(rename = "forwarded")]
    Forwarded,
}

/// The proxies that are believed. The default believes nobody.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    pub trusted: Vec<IpNet>,
    pub header: ProxyHeader,
}

impl Proxies {
    /// The address of the client that made a request.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        for hop in self.hops(headers) {
            // A proxy that does not say where a request came from is as far as we can see.
            let Some(before) = hop else { break };
            client = before.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// Takes what only a proxy that is trusted may say about a request out of it: where it was sent.
    pub fn forget_claims(&self, peer: IpAddr, headers: &mut HeaderMap) {
        if !self.trusts(peer.to_canonical()) {
            headers.remove("x-forwarded-proto");
            headers.remove("x-forwarded-host");
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// What the proxies say, the nearest first.
    fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let name = match self.header {
            ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
            ProxyHeader::Forwarded => FORWARDED,
        };
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        lines
            .into_iter()
            .rev()
            .flat_map(|line| elements(line.as_bytes()))
            .map(|element| self.address(element))
            .collect()
    }

    /// What one element says. Each is read alone: whatever somebody wrote before the last untrusted hop, readable or not, must not keep us
    /// from reading what a proxy of the operator's wrote behind it.
    fn address(&self, element: &[u8]) -> Option<IpAddr> {
        let element = std::str::from_utf8(element).ok()?.trim();
        match self.header {
            ProxyHeader::XForwardedFor => element.parse::<Identifier>().ok()?.ip(),
            ProxyHeader::Forwarded => {
                let value = ForwardedHeaderValue::from_forwarded(element).ok()?;
                value.iter().next().and_then(|stanza| stanza.forwarded_for_ip())
            }
        }
    }
}

/// The elements of a list, the last first. It is read from its end because only that was written by somebody we trust: a quote that a client
/// left open at the beginning hides nothing. Commas between quotes are no separators.
fn elements(line: &[u8]) -> Vec<&[u8]> {
    let (mut found, mut end, mut quoted) = (Vec::new(), line.len(), false);
    for (at, byte) in line.iter().enumerate().rev() {
        let backslashes = line.get(..at).unwrap_or_default().iter().rev().take_while(|byte| **byte == b'\\').count();
        match byte {
            b'"' if backslashes.is_multiple_of(2) => quoted = !quoted,
            b',' if !quoted => {
                found.extend(line.get(at + 1..end));
                end = at;
            }
            _ => {}
        }
    }
    found.extend(line.get(..end));
    found
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], header: ProxyHeader, peer: &str, lines: &[&str]) -> String {
        let trusted = trusted.iter().map(|network| network.parse().expect("a network")).collect();
        let name = match header {
            ProxyHeader::XForwardedFor => "x-forwarded-for",
            ProxyHeader::Forwarded => "forwarded",
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
        }
        Proxies { trusted, header }.client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn r21_a_forged_header_of_an_untrusted_peer_changes_nothing() {
        let of = |trusted: &[&str], peer| client(trusted, ProxyHeader::XForwardedFor, peer, &["198.51.100.1"]);
        assert_eq!(of(&[], "203.0.113.9"), "203.0.113.9");
        assert_eq!(of(&[], "127.0.0.1"), "127.0.0.1");
        assert_eq!(of(&["10.0.0.0/8"], "203.0.113.9"), "203.0.113.9");
        assert_eq!(of(&["10.0.0.0/8"], "10.1.2.3"), "198.51.100.1");
    }

    #[test]
    fn r21_the_rightmost_untrusted_hop_wins() {
        let of = |lines: &[&str]| client(&["10.0.0.0/8", "::1/128"], ProxyHeader::XForwardedFor, "10.0.0.1", lines);
        assert_eq!(of(&["6.6.6.6, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(of(&["6.6.6.6, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(of(&["6.6.6.6", "198.51.100.1", "10.0.0.2"]), "198.51.100.1", "several lines are one list");
        assert_eq!(of(&["10.0.0.3, ::1"]), "10.0.0.3", "all of them trusted: the first");
        assert_eq!(of(&["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(of(&["6.6.6.6, [2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(of(&["6.6.6.6, ::ffff:198.51.100.1"]), "198.51.100.1");
        for nothing in [&[][..], &[""], &["unknown"], &["6.6.6.6, nonsense"], &["6.6.6.6, "]] {
            assert_eq!(of(nothing), "10.0.0.1", "{nothing:?}");
        }
    }

    /// One byte that is not ASCII made the whole line unreadable, and its sender somebody with the address of the proxy.
    #[test]
    fn r21_what_cannot_be_read_hides_nobody() {
        let of = |line: &str| client(&["10.0.0.0/8"], ProxyHeader::XForwardedFor, "10.0.0.1", &[line]);
        for before in ["\u{fc}", "nonsense", "\"", "", ",,", "6.6.6.6 7.7.7.7", "\\\""] {
            assert_eq!(of(&format!("{before}, 198.51.100.1")), "198.51.100.1", "{before:?}");
            assert_eq!(of(&format!("{before},198.51.100.1, 10.0.0.2")), "198.51.100.1", "{before:?}");
        }
        let of = |line: &str| client(&["10.0.0.0/8"], ProxyHeader::Forwarded, "10.0.0.1", &[line]);
        for before in ["\u{fc}", "%%%", "for=\"", "for=\"[::1", "", "for=6.6.6.6;host=\"a,b\""] {
            assert_eq!(of(&format!("{before}, for=198.51.100.1;proto=https")), "198.51.100.1", "{before:?}");
        }
        // Nor does it speak for anybody: a name with commas and quotes that the proxy wrote down stays one word.
        assert_eq!(of("for=198.51.100.1;host=\"x, for=6.6.6.6\""), "198.51.100.1");
        assert_eq!(of("for=198.51.100.1;host=\"x\\\", for=6.6.6.6;a=\\\"\""), "198.51.100.1");
    }

    #[test]
    fn the_other_header_is_not_read() {
        let mut headers = HeaderMap::new();
        headers.insert("forwarded", "for=6.6.6.6".parse().expect("a value"));
        headers.insert("x-forwarded-for", "198.51.100.1".parse().expect("a value"));
        let trusted = vec!["10.0.0.0/8".parse().expect("a network")];
        let of = |header| Proxies { trusted: trusted.clone(), header }.client([10, 0, 0, 1].into(), &headers);
        assert_eq!(of(ProxyHeader::XForwardedFor).to_string(), "198.51.100.1");
        assert_eq!(of(ProxyHeader::Forwarded).to_string(), "6.6.6.6");
    }

    #[test]
    fn rfc_7239() {
        let of = |lines: &[&str]| client(&["10.0.0.0/8"], ProxyHeader::Forwarded, "10.0.0.1", lines);
        assert_eq!(of(&["for=6.6.6.6, for=198.51.100.1;proto=https;by=10.0.0.1"]), "198.51.100.1");
        assert_eq!(of(&["For=\"[2001:db8::1]:4711\""]), "2001:db8::1");
        assert_eq!(of(&["for=6.6.6.6", "for=198.51.100.1, for=10.0.0.2"]), "198.51.100.1");
        for nothing in [&["for=_hidden"][..], &["for=unknown"], &["by=1.2.3.4"], &["%%%"]] {
            assert_eq!(of(nothing), "10.0.0.1", "{nothing:?}");
        }
    }
}
