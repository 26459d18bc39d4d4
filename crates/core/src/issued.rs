//! Codes that an administrator issues to somebody who lost every factor: 120 bit, 24 Crockford base32 characters in groups of four, good once
//! and for a day at most. Longer than a recovery code, so a fast keyed hash is enough, and no code of one kind is ever taken for the other.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{recovery, secret::RecoveryDigest, time::Timestamp};

/// Random bytes in an issued code.
pub const ISSUED_BYTES: usize = 15;
/// No issued code lives longer.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// One issued code in its canonical form.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct IssuedCode(String);

impl IssuedCode {
    /// The code that spells these random bytes.
    pub fn from_random(bytes: [u8; ISSUED_BYTES]) -> Self {
        Self(recovery::spell(&bytes))
    }

    /// Reads what somebody typed. `None` means that it cannot be an issued code.
    pub fn parse(input: &str) -> Option<Self> {
        recovery::read(input, ISSUED_BYTES).map(Self)
    }

    /// The canonical characters, to be hashed.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The form that people read and write, in groups of four.
    pub fn to_grouped(&self) -> String {
        recovery::grouped(&self.0)
    }
}

impl fmt::Debug for IssuedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuedCode(..)")
    }
}

/// An issued code as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Keyed by the engine.
    pub digest: RecoveryDigest,
    /// Who issued it.
    pub author: String,
    /// When.
    pub at: Timestamp,
    /// When it dies unused.
    pub expires_at: Timestamp,
}

impl Issued {
    /// A clock that was set back does not lengthen its life.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.expires_at.since(now) <= LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecoveryCode;

    #[test]
    fn an_issued_code_is_120_bit_and_no_recovery_code() {
        let code = IssuedCode::from_random([0xff; ISSUED_BYTES]);
        assert_eq!(code.to_grouped(), "ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ");
        assert_eq!(IssuedCode::parse(&code.to_grouped().to_lowercase()).expect("readable").expose(), code.expose());
        assert!(RecoveryCode::parse(&code.to_grouped()).is_none());
        assert!(IssuedCode::parse("ZZZZ-ZZZZ-ZZZZ-ZZZZ").is_none());
        assert_eq!(format!("{code:?}"), "IssuedCode(..)");
    }
}
