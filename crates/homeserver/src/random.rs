//! What this crate makes of random bytes.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use matrix_2fa::engine::Random;

/// 256 random bits as 43 characters that need no escaping in a URL.
pub(crate) fn opaque(random: &dyn Random) -> String {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    BASE64URL_NOPAD.encode(&bytes)
}

/// Ten upper-case letters and digits, as people know device ids.
pub(crate) fn device_id(random: &dyn Random) -> String {
    let mut bytes = [0; 7];
    random.fill(&mut bytes);
    BASE32_NOPAD.encode(&bytes).chars().take(10).collect()
}

/// A localpart for those who asked for none.
pub(crate) fn localpart(random: &dyn Random) -> String {
    device_id(random).to_ascii_lowercase()
}

/// A salt for a password.
pub(crate) fn salt(random: &dyn Random) -> [u8; 16] {
    let mut salt = [0; 16];
    random.fill(&mut salt);
    salt
}
