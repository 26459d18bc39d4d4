//! Password and code in one field: what is split off is a code, and the field is nothing but password, at most one space, and code.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_2fa::{
    core::{Account, Stage, TotpCode, recovery},
    fuzzing::split,
};

fuzz_target!(|field: &str| {
    let Some(split) = split(field, &Account::default()) else { return };
    assert!(!split.password.is_empty());
    let whole = [format!("{}{}", split.password, split.code), format!("{} {}", split.password, split.code)];
    assert!(whole.iter().any(|whole| whole == field));
    match split.stage {
        Stage::Totp => assert_eq!(TotpCode::parse(split.code).expect("a code").expose(), split.code),
        Stage::Recovery => assert!(recovery::is_code(split.code) && whole[1] == field),
        other => panic!("{other:?}"),
    }
});
