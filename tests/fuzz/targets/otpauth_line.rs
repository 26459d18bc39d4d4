//! A line of somebody's list: what is read can be used and is read the same again once we have written it; what is not is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_2fa_core::{
    Timestamp,
    otpauth::Otpauth,
    totp::{code_at, otpauth_uri},
};

fuzz_target!(|line: &str| {
    // Why one is not taken is a word of ours, whatever stood in it.
    let Ok(read) = Otpauth::parse(line) else { return };
    assert!(code_at(read.params, &read.seed, Timestamp::from_millis(1)).is_some());
    assert!(!format!("{read:?}").contains(&read.seed.to_base32()) || read.label.contains(&read.seed.to_base32()));
    // With the colon that we write it may be one too long.
    if read.label.chars().count() > 250 {
        return;
    }
    let uri = otpauth_uri("", &read.label, &read.seed, read.params);
    let again = Otpauth::parse(&uri).expect("what we write");
    assert_eq!((again.label, again.params), (format!(":{}", read.label), read.params));
    assert_eq!(again.seed.expose(), read.seed.expose());
});
