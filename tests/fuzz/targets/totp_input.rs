//! What people type as a code: six to eight ASCII digits after one trim rule, or nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_2fa_core::TotpCode;

fuzz_target!(|input: &str| {
    let plain: String = input.trim().chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let shaped = (6..=8).contains(&plain.len()) && plain.bytes().all(|b| b.is_ascii_digit());
    let code = TotpCode::parse(input);
    assert_eq!(code.is_some(), shaped);
    if let Some(code) = code {
        assert_eq!(code.expose(), plain);
        let again = TotpCode::parse(code.expose()).expect("a code is its own spelling");
        assert_eq!(again.expose(), code.expose());
        assert_eq!(format!("{code:?}"), "TotpCode(..)");
    }
});
