//! Reading the otpauth URIs of other systems, as they stand in their lists. No error tells anything of the secret.

use std::fmt;

use data_encoding::{BASE32_NOPAD, DecodeError};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::{
    secret::Seed,
    time::Timestamp,
    totp::{Algorithm, Params, code_at},
};

/// Accepted lengths of a time step in seconds. A longer one would leave a code that somebody saw good for too long.
pub const PERIODS: std::ops::RangeInclusive<u32> = 15..=120;
/// Longest label.
const LABEL: usize = 255;

/// What a URI says.
pub struct Otpauth {
    /// Decoded, often `Issuer:account`.
    pub label: String,
    /// The secret.
    pub seed: Seed,
    /// How codes are made.
    pub params: Params,
}

/// Why a URI is not taken, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Something else.
    #[error("it is no otpauth://totp/LABEL?secret=... URI")]
    Foreign,
    /// HOTP.
    #[error("it is a counter (hotp), and only codes by time (totp) are known here: its user has to enroll anew")]
    Counter,
    /// The label.
    #[error("its label is empty, longer than {LABEL} characters, or no text: write one that the mapping file can name")]
    Label,
    /// Two of one kind: which of them counts is anybody's guess.
    #[error("it has one of its parameters twice: leave the right one")]
    Twice,
    /// No secret, or not base32.
    #[error("its secret is missing or no base32: copy it anew")]
    Secret,
    /// Too little.
    #[error("its secret is shorter than 128 bit (RFC 4226, R6) or longer than 1024: its user has to enroll anew")]
    Length,
    /// The algorithm.
    #[error("its algorithm is none of SHA1, SHA256, SHA512: its user has to enroll anew")]
    Algorithm,
    /// The digits.
    #[error("its codes have other than 6 to 8 digits: its user has to enroll anew")]
    Digits,
    /// The period.
    #[error("its period is not 15 to 120 seconds: its user has to enroll anew")]
    Period,
}

impl Otpauth {
    /// Reads one URI. Parameters that are not known (`issuer`, `image`) are passed over.
    pub fn parse(uri: &str) -> Result<Self, Unreadable> {
        let (scheme, rest) = uri.trim().split_once("://").ok_or(Unreadable::Foreign)?;
        let (kind, rest) = rest.split_once('/').ok_or(Unreadable::Foreign)?;
        if !scheme.eq_ignore_ascii_case("otpauth") {
            return Err(Unreadable::Foreign);
        }
        if kind.eq_ignore_ascii_case("hotp") {
            return Err(Unreadable::Counter);
        }
        let (label, query) = rest.split_once('?').ok_or(Unreadable::Foreign)?;
        if !kind.eq_ignore_ascii_case("totp") || query.contains('#') {
            return Err(Unreadable::Foreign);
        }
        let label = percent_decode_str(label).decode_utf8().map_err(|_not_text| Unreadable::Label)?.trim().to_owned();
        if label.is_empty() || label.chars().count() > LABEL || label.chars().any(char::is_control) {
            return Err(Unreadable::Label);
        }
        let (secret, algorithm, digits, period) =
            (one(query, "secret")?, one(query, "algorithm")?, one(query, "digits")?, one(query, "period")?);
        let usual = Params::default();
        let params = Params {
            algorithm: algorithm.map_or(Ok(usual.algorithm), |name| self::algorithm(&name))?,
            digits: digits.map_or(Ok(usual.digits), |text| text.parse().map_err(|_no_number| Unreadable::Digits))?,
            period: period.map_or(Ok(usual.period), |text| text.parse().map_err(|_no_number| Unreadable::Period))?,
        };
        let seed = base32(&secret.ok_or(Unreadable::Secret)?).map_err(|_where_tells_too_much| Unreadable::Secret)?;
        usable(params, &seed)?;
        Ok(Self { label, seed, params })
    }
}

/// Can codes of these be checked here?
pub fn usable(params: Params, seed: &Seed) -> Result<(), Unreadable> {
    if !(6..=8).contains(&params.digits) {
        return Err(Unreadable::Digits);
    }
    if !PERIODS.contains(&params.period) {
        return Err(Unreadable::Period);
    }
    if !(16..=128).contains(&seed.expose().len()) || code_at(params, seed, Timestamp::from_millis(0)).is_none() {
        return Err(Unreadable::Length);
    }
    Ok(())
}

/// Base32 as people copy it: in either case, in groups, with or without padding.
pub fn base32(text: &str) -> Result<Seed, DecodeError> {
    let kept = text.bytes().filter(|byte| !matches!(byte, b' ' | b'-' | b'=')).map(|byte| byte.to_ascii_uppercase());
    let mut symbols = Zeroizing::new(Vec::with_capacity(text.len()));
    symbols.extend(kept);
    BASE32_NOPAD.decode(&symbols).map(Seed::from_bytes)
}

/// The value of a parameter that may stand there once.
fn one(query: &str, name: &str) -> Result<Option<Zeroizing<String>>, Unreadable> {
    let of_name = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        key.eq_ignore_ascii_case(name).then(|| Zeroizing::new(percent_decode_str(value).decode_utf8_lossy().into()))
    };
    let mut found = query.split('&').filter_map(of_name);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Unreadable::Twice),
        (found, None) => Ok(found),
    }
}

fn algorithm(name: &str) -> Result<Algorithm, Unreadable> {
    let all = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];
    // Some write it as the hash itself is written.
    let name = name.replace('-', "");
    all.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(&name)).ok_or(Unreadable::Algorithm)
}

impl fmt::Debug for Otpauth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otpauth").field("label", &self.label).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::totp::otpauth_uri;

    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn what_we_write_is_read() {
        let seed = Seed::from_bytes(b"12345678901234567890".to_vec());
        let params = Params { algorithm: Algorithm::Sha512, digits: 8, period: 60 };
        let uri = otpauth_uri("Ex & ample", "@a+b:localhost", &seed, params);
        let read = Otpauth::parse(&uri).expect("ours");
        assert_eq!((read.label.as_str(), read.params), ("Ex & ample:@a+b:localhost", params));
        assert_eq!(read.seed.expose(), seed.expose());
        assert_eq!(format!("{read:?}"), "Otpauth { label: \"Ex & ample:@a+b:localhost\", .. }");
    }

    #[test]
    fn what_others_write_is_read() {
        for uri in [
            format!("otpauth://totp/alice?secret={SECRET}"),
            format!("OTPAUTH://TOTP/alice?issuer=Ex+ample&image=x&secret={}&", SECRET.to_lowercase()),
            format!(" otpauth://totp/alice?algorithm=sha-1&digits=6&period=30&secret={SECRET}%3D%3D\n"),
            "otpauth://totp/alice?secret=gezd-gnbv-gy3t-qojq-gezd-gnbv-gy3t-qojq".to_owned(),
        ] {
            let read = Otpauth::parse(&uri).expect("readable");
            assert_eq!((read.label.as_str(), read.params), ("alice", Params::default()), "{uri}");
            assert_eq!(read.seed.expose(), b"12345678901234567890");
        }
    }

    #[test]
    fn anything_else_is_named_and_tells_no_secret() {
        for (uri, why) in [
            ("", Unreadable::Foreign),
            ("https://totp/a?secret=S", Unreadable::Foreign),
            ("otpauth://totp/a", Unreadable::Foreign),
            ("otpauth://totp/a?secret=S#", Unreadable::Foreign),
            ("otpauth://hotp/a?secret=S&counter=1", Unreadable::Counter),
            ("otpauth://totp/?secret=S", Unreadable::Label),
            ("otpauth://totp/%ff?secret=S", Unreadable::Label),
            ("otpauth://totp/a%0ab?secret=S", Unreadable::Label),
            ("otpauth://totp/a?secret=S&secret=S", Unreadable::Twice),
            ("otpauth://totp/a?secret=S&digits=6&DIGITS=8", Unreadable::Twice),
            ("otpauth://totp/a?digits=6", Unreadable::Secret),
            ("otpauth://totp/a?secret=", Unreadable::Length),
            ("otpauth://totp/a?secret=GEZDGNBVGY3TQOJ1S", Unreadable::Secret),
            ("otpauth://totp/a?secret=01189998819991197253", Unreadable::Secret),
            ("otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ", Unreadable::Length),
            ("otpauth://totp/a?secret=S&algorithm=MD5", Unreadable::Algorithm),
            ("otpauth://totp/a?secret=S&digits=5", Unreadable::Digits),
            ("otpauth://totp/a?secret=S&digits=10", Unreadable::Digits),
            ("otpauth://totp/a?secret=S&digits=six", Unreadable::Digits),
            ("otpauth://totp/a?secret=S&period=0", Unreadable::Period),
            ("otpauth://totp/a?secret=S&period=3600", Unreadable::Period),
        ] {
            let uri = uri.replace("secret=S", &format!("secret={SECRET}"));
            let error = Otpauth::parse(&uri).expect_err(&uri);
            assert_eq!(error, why, "{uri}");
            assert!(!error.to_string().contains("GEZD") && !format!("{error:?}").contains("GEZD"));
        }
    }
}
