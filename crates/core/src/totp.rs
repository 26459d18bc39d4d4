//! Time-based one-time passwords (RFC 6238) over `totp-rs`: parameters, the accepted window, and which time step a code belongs to.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{secret::Seed, time::Timestamp};

/// How an authenticator turns time into a code. New ones always get [`Params::default`]; others are read, not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// The HMAC's hash.
    pub algorithm: Algorithm,
    /// Length of a code, 6 to 8.
    pub digits: u8,
    /// Length of a time step in seconds.
    pub period: u32,
}

impl Default for Params {
    /// SHA-1, 6 digits, 30 seconds: the only set that every authenticator app understands.
    fn default() -> Self {
        Self { algorithm: Algorithm::Sha1, digits: 6, period: 30 }
    }
}

/// Hash algorithms of RFC 6238 section 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// HMAC-SHA-1.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name in an otpauth URI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

/// The number of periods since the Unix epoch (`T` of RFC 6238 section 4.2). 64 bit: steps past 2^32 work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimeStep(pub u64);

impl TimeStep {
    /// The step that `now` falls into.
    pub fn at(now: Timestamp, params: Params) -> Self {
        Self(now.as_secs() / u64::from(params.period.max(1)))
    }
}

/// A code as somebody typed it, after the one trim rule: surrounding white space, inner spaces and hyphens are dropped, and what is left
/// must be 6 to 8 ASCII digits. "123 456" and "123456" are one code to every ledger, because no other form exists past this type.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TotpCode(String);

impl TotpCode {
    /// Reads a code; `None` means that no authenticator could have made it.
    pub fn parse(input: &str) -> Option<Self> {
        let digits: String = input.trim().chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let plausible = (6..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        plausible.then_some(Self(digits))
    }

    /// The digits. Do not log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// How many digits it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true: a code has at least 6 digits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpCode(..)")
    }
}

/// Steps accepted on each side of the present one. RFC 6238 section 5.2 allows at most one for delay.
pub const SKEW: u64 = 1;

/// The highest step of the accepted window whose code this is, or `None`.
///
/// The *highest*, because neighbouring steps share a code about twice in a million: a ledger that kept the lower one would take the same
/// code again. Every step of the window is always computed and compared in constant time.
pub fn matching_step(params: Params, seed: &Seed, code: &TotpCode, now: Timestamp) -> Option<TimeStep> {
    if code.len() != usize::from(params.digits) {
        return None;
    }
    let totp = generator(params, seed)?;
    let present = TimeStep::at(now, params).0;
    let mut matched = None;
    for step in present.saturating_sub(SKEW)..=present.saturating_add(SKEW) {
        let expected = totp.generate(step.saturating_mul(u64::from(params.period))).to_string();
        if bool::from(expected.as_bytes().ct_eq(code.0.as_bytes())) {
            matched = Some(TimeStep(step));
        }
    }
    matched
}

/// The code that an authenticator with this seed shows at `now`. `None` if the parameters are out of range.
pub fn code_at(params: Params, seed: &Seed, now: Timestamp) -> Option<TotpCode> {
    TotpCode::parse(&generator(params, seed)?.generate(now.as_secs()).to_string())
}

fn generator(params: Params, seed: &Seed) -> Option<totp_rs::Totp> {
    let algorithm = match params.algorithm {
        Algorithm::Sha1 => totp_rs::Algorithm::SHA1,
        Algorithm::Sha256 => totp_rs::Algorithm::SHA256,
        Algorithm::Sha512 => totp_rs::Algorithm::SHA512,
    };
    totp_rs::Builder::new()
        .with_algorithm(algorithm)
        .with_digits(params.digits)
        .with_step_duration(u64::from(params.period))
        .with_skew(0)
        .with_secret(seed.expose().to_vec())
        .build()
        .ok()
}

/// Characters that an otpauth label or value may carry unescaped (RFC 3986 unreserved).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The otpauth URI that an authenticator app scans. A space becomes `%20` (never `+`), and every `@` and `:` of a Matrix id is escaped, so
/// that the one plain `:` separates the issuer from the account name.
pub fn otpauth_uri(issuer: &str, user_id: &str, seed: &Seed, params: Params) -> String {
    let issuer = utf8_percent_encode(issuer, UNRESERVED);
    let account = utf8_percent_encode(user_id, UNRESERVED).to_string().replace("%3A", "%3a");
    format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm={}&digits={}&period={}",
        seed.to_base32(),
        params.algorithm.as_str(),
        params.digits,
        params.period,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trim_rule_and_nothing_else() {
        for good in ["123456", " 123 456\n", "123-456", "12345678"] {
            assert!(TotpCode::parse(good).is_some(), "{good:?}");
        }
        for bad in [
            "",
            "1",
            "12345",
            "123456789",
            "+12345",
            "12345a",
            "\u{ff11}\u{ff12}3456",
            "\u{661}23456",
            "123\t456",
            "123456;",
        ] {
            assert!(TotpCode::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_code_of_another_length_never_matches() {
        let seed = Seed::from_bytes(b"12345678901234567890".to_vec());
        let now = Timestamp::from_millis(59_000);
        let eight = Params { digits: 8, ..Params::default() };
        let code = code_at(eight, &seed, now).expect("valid parameters");
        assert_eq!(matching_step(eight, &seed, &code, now), Some(TimeStep(1)));
        assert_eq!(matching_step(Params::default(), &seed, &code, now), None);
    }
}
