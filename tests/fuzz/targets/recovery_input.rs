//! What people type as a recovery code: its canonical form is its own spelling, grouped or not, in any case.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_2fa_core::{RecoveryCode, TotpCode, recovery::CODE_CHARS};

fuzz_target!(|input: &str| {
    let Some(code) = RecoveryCode::parse(input) else { return };
    let canonical = std::str::from_utf8(code.expose()).expect("ASCII");
    assert_eq!(canonical.len(), CODE_CHARS);
    assert!(canonical.bytes().all(|b| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&b)));
    for spelling in [canonical.to_owned(), canonical.to_lowercase(), code.to_grouped()] {
        let again = RecoveryCode::parse(&spelling).expect("a code in another spelling");
        assert_eq!(again.expose(), code.expose());
    }
    assert!(TotpCode::parse(input).is_none(), "one input, two factors");
});
