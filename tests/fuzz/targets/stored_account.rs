//! Bytes from a store: an account or an error; never a panic, never an empty account for something unreadable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_2fa_core::{Account, AuthSession, Event};
use matrix_2fa_store::codec::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(account) = decode::<Account>("account", bytes) {
        let again = encode("account", &account).expect("what was read can be written");
        assert_eq!(decode::<Account>("account", &again).expect("what was written can be read"), account);
        assert!(account.is_enrolled() || account.stages().is_empty());
    }
    if let Ok(session) = decode::<AuthSession>("session", bytes) {
        let again = encode("session", &session).expect("what was read can be written");
        assert_eq!(decode::<AuthSession>("session", &again).expect("what was written can be read"), session);
    }
    let _event_or_error = decode::<Event>("event", bytes);
});
