//! Recovery codes: ten of 80 bit each, sixteen Crockford base32 characters in groups of four, one use each.

use std::fmt;

use data_encoding::Encoding;
use data_encoding_macro::new_encoding;
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{issued::IssuedCode, secret::RecoveryDigest, time::Timestamp};

/// Codes in a set.
pub const CODES: usize = 10;
/// With so many left, or fewer, people are asked to make new ones.
pub const FEW: usize = 3;
/// Random bytes in a code: 80 bit, above the 64 of NIST SP 800-63B section 4.2.1.1.
pub const CODE_BYTES: usize = 10;
/// Characters in a code, hyphens not counted.
pub const CODE_CHARS: usize = 16;

/// Crockford's base32: no `I`, `L`, `O` or `U`; on input case does not matter, `O` is `0`, `I` and `L` are `1`, and hyphens and white
/// space are dropped.
const CROCKFORD: Encoding = new_encoding! {
    symbols: "0123456789ABCDEFGHJKMNPQRSTVWXYZ",
    translate_from: "abcdefghjkmnpqrstvwxyzoOiIlL",
    translate_to: "ABCDEFGHJKMNPQRSTVWXYZ001111",
    ignore: "- \t\r\n",
};

/// One recovery code in its canonical form: sixteen upper-case characters without hyphens.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    /// The code that spells these random bytes.
    pub fn from_random(bytes: [u8; CODE_BYTES]) -> Self {
        Self(spell(&bytes))
    }

    /// Reads what somebody typed. `None` means that it cannot be a recovery code of ours; finding that out costs no hash and no try.
    pub fn parse(input: &str) -> Option<Self> {
        read(input, CODE_BYTES).map(Self)
    }

    /// The canonical characters, to be hashed.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The form that people read and write: `XXXX-XXXX-XXXX-XXXX`.
    pub fn to_grouped(&self) -> String {
        grouped(&self.0)
    }
}

/// Has it the shape of a code of the recovery stage, a user's or an administrator's? No other code has it.
pub fn is_code(input: &str) -> bool {
    RecoveryCode::parse(input).is_some() || IssuedCode::parse(input).is_some()
}

pub(crate) fn spell(bytes: &[u8]) -> String {
    CROCKFORD.encode(bytes)
}

/// The canonical form of so many bytes as somebody typed them.
pub(crate) fn read(input: &str, length: usize) -> Option<String> {
    let mut bytes = CROCKFORD.decode(input.as_bytes()).ok()?;
    let canonical = (bytes.len() == length).then(|| spell(&bytes));
    bytes.zeroize();
    canonical
}

pub(crate) fn grouped(canonical: &str) -> String {
    let mut out = String::with_capacity(canonical.len() + canonical.len() / 4);
    for (i, c) in canonical.chars().enumerate() {
        if i > 0 && i % 4 == 0 {
            out.push('-');
        }
        out.push(c);
    }
    out
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// How the codes of a set were hashed. Kept with the set, so that stronger settings apply to new sets and old ones stay readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashParams {
    /// Argon2id memory in KiB.
    pub memory_kib: u32,
    /// Argon2id passes.
    pub passes: u32,
    /// Argon2id lanes.
    pub lanes: u32,
}

impl Default for HashParams {
    /// OWASP's smallest recommended set: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

/// A user's recovery codes, hashed with one salt, so that a try costs one hash whatever the number of codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverySet {
    /// 128 random bits; also tells one set from the next.
    #[serde(with = "serde_bytes")]
    pub salt: [u8; 16],
    /// How to hash a try.
    pub params: HashParams,
    /// When the set was made.
    pub created_at: Timestamp,
    codes: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    digest: RecoveryDigest,
    spent_at: Option<Timestamp>,
}

/// What a digest is to a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// A code that was never used, at this place in the set.
    Fresh(usize),
    /// A code that was used before.
    Spent,
    /// No code of this set.
    None,
}

impl RecoverySet {
    /// A set of unused codes.
    pub fn new(salt: [u8; 16], params: HashParams, created_at: Timestamp, digests: Vec<RecoveryDigest>) -> Self {
        let codes = digests.into_iter().map(|digest| Entry { digest, spent_at: None }).collect();
        Self { salt, params, created_at, codes }
    }

    /// A set that came from elsewhere, of codes with the moment at which each was used.
    pub(crate) fn with_spent(
        salt: [u8; 16],
        params: HashParams,
        created_at: Timestamp,
        codes: impl Iterator<Item = (RecoveryDigest, Option<Timestamp>)>,
    ) -> Self {
        let codes = codes.map(|(digest, spent_at)| Entry { digest, spent_at }).collect();
        Self { salt, params, created_at, codes }
    }

    /// Every code with the moment at which it was used.
    pub(crate) fn codes(&self) -> impl Iterator<Item = (&RecoveryDigest, Option<Timestamp>)> {
        self.codes.iter().map(|Entry { digest, spent_at }| (digest, *spent_at))
    }

    /// Codes that can still be used.
    pub fn remaining(&self) -> usize {
        self.codes.iter().filter(|code| code.spent_at.is_none()).count()
    }

    /// Compares with every code, always all of them, in constant time.
    pub fn find(&self, digest: &RecoveryDigest) -> Match {
        let mut place = u32::MAX;
        for (i, code) in self.codes.iter().enumerate() {
            let same = Choice::from(u8::from(code.digest == *digest));
            place.conditional_assign(&(i as u32), same);
        }
        if bool::from(place.ct_eq(&u32::MAX)) {
            return Match::None;
        }
        let place = place as usize;
        match self.codes.get(place) {
            Some(Entry { spent_at: None, .. }) => Match::Fresh(place),
            _ => Match::Spent,
        }
    }

    /// Marks one code as used. Returns how many remain.
    pub(crate) fn spend(&mut self, place: usize, now: Timestamp) -> usize {
        if let Some(code) = self.codes.get_mut(place) {
            code.spent_at.get_or_insert(now);
        }
        self.remaining()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_and_reading_agree() {
        let code = RecoveryCode::from_random([0xff; CODE_BYTES]);
        assert_eq!(code.to_grouped(), "ZZZZ-ZZZZ-ZZZZ-ZZZZ");
        let code = RecoveryCode::from_random([0, 0, 0, 0, 0, 0, 0, 0, 0, 33]);
        assert_eq!(code.to_grouped(), "0000-0000-0000-0011");
        let typed = RecoveryCode::parse(" oooo-0000 0000_0011".replace('_', "-").as_str()).expect("readable");
        assert_eq!(typed.expose(), code.expose());
        assert_eq!(RecoveryCode::parse("0000-0000-0000-00il").expect("readable").expose(), code.expose());
    }

    #[test]
    fn anything_else_is_not_a_code() {
        for bad in
            ["", "0000-0000-0000-001", "0000-0000-0000-00111", "0000-0000-0000-001U", "0000-0000-0000-001é", "123456"]
        {
            assert!(RecoveryCode::parse(bad).is_none(), "{bad:?}");
        }
    }
}
