//! The otpauth URI of any issuer and user: nothing in a name can reach into another part of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_2fa_core::{Params, Seed, totp::otpauth_uri};

fuzz_target!(|names: (&str, &str)| {
    let seed = Seed::from_bytes(vec![7; Seed::LEN]);
    let uri = otpauth_uri(names.0, names.1, &seed, Params::default());
    let (label, query) = uri.strip_prefix("otpauth://totp/").expect("a scheme").split_once('?').expect("a query");
    let (issuer, account) = label.split_once(':').expect("a colon");
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~%".contains(&b);
    assert!(issuer.bytes().chain(account.bytes()).all(legal), "{uri}");
    let keys: Vec<&str> = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
    assert_eq!(keys, ["secret", "issuer", "algorithm", "digits", "period"]);
    assert!(query.contains(&format!("&issuer={issuer}&")));
});
