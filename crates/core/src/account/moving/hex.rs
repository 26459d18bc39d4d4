//! Bytes as text, for a format that people may have to look into.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serializer, de::Error};
use zeroize::Zeroizing;

pub(super) mod bytes {
    use super::{Deserializer, HEXLOWER, Serializer, read};

    pub fn serialize<S: Serializer>(bytes: &[u8; 16], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 16], D::Error> {
        read(from)
    }
}

pub(super) mod digest {
    use super::{Deserializer, HEXLOWER, Serializer, read};
    use crate::secret::RecoveryDigest;

    pub fn serialize<S: Serializer>(digest: &RecoveryDigest, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&HEXLOWER.encode(digest.expose()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RecoveryDigest, D::Error> {
        read(from).map(RecoveryDigest::from_bytes)
    }
}

pub(super) mod seed {
    use super::{Deserialize, Deserializer, Error, Serializer, Zeroizing};
    use crate::{otpauth::base32, secret::Seed};

    pub fn serialize<S: Serializer>(seed: &Seed, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(seed.to_base32()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Seed, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        base32(&text).map_err(|_where_tells_too_much| D::Error::custom("a seed is no base32"))
    }
}

fn read<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
    let text = String::deserialize(from)?;
    let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| D::Error::custom("these are not the hexadecimal digits that belong here"))
}
