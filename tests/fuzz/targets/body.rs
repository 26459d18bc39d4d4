//! The bodies of requests with `auth`, at the login and elsewhere: `auth` never stays in what is acted on, and a code belongs to a stage.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_2fa::fuzzing::{interactive_auth, login};

fuzz_target!(|bytes: &[u8]| {
    for read in [login(bytes), interactive_auth(bytes)].into_iter().flatten() {
        assert!(!read.body.contains_key("auth"));
        assert_eq!(read.code.is_some(), read.stage.is_some_and(|stage| stage.is_second_factor()));
    }
});
