//! The kept inputs of the fuzz target `stored_account` can be read, so that the fuzzer begins with more than errors. They are also how stored
//! values looked when they were last renewed: one that reads as something else now is somebody's account.
//!
//! `RENEW_CORPUS=1 cargo test -p matrix-2fa-store --test corpus` writes them anew, with the fields that were added since.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, env, fs, path::Path};

use matrix_2fa_core::{
    Account, AuthSession, Context, Event, EventKind, Flow, Params, Policy, Proof, RecoverySet, SealedSeed, Seed, Stage,
    Timestamp,
    account::{NewAuthenticator, OpenedSeed},
    event::Origin,
    recovery::{CODES, HashParams},
    secret::RecoveryDigest,
    session::Operation,
    throttle::{ClientTag, TOTP},
    totp::code_at,
};
use matrix_2fa_store::codec::{decode, encode};
use serde::{Serialize, de::DeserializeOwned};

const NOW: Timestamp = Timestamp::from_millis(1_750_000_012_345);

fn context() -> Context {
    Context {
        user: "@a:b".to_owned(),
        now: NOW,
        origin: Origin::default(),
        client: ClientTag(1),
        proof: Proof::SecondFactor,
        budget: TOTP,
    }
}

fn enrolled() -> Account {
    let (token, seed) = ([7; 32], Seed::from_bytes(vec![5; Seed::LEN]));
    let sealed = SealedSeed { key_id: "k".to_owned(), nonce: vec![1; 12], ciphertext: vec![2; 36] };
    let new = NewAuthenticator { id: "a".to_owned(), name: "phone".to_owned(), seed: sealed, bound_to: token };
    let begun = Account::default().begin_enrollment(&context(), Policy::OptIn, new).account.unwrap();
    let digests = (0..CODES).map(|place| RecoveryDigest::from_bytes([place as u8; 32])).collect();
    let set = RecoverySet::new([3; 16], HashParams::default(), NOW, digests);
    let code = code_at(Params::default(), &seed, NOW).unwrap();
    let seed = OpenedSeed { id: "a".to_owned(), seed };
    begun.confirm(&context(), &token, &seed, Some(&code), Some(set)).account.unwrap()
}

/// With wrong codes of both kinds.
fn troubled() -> Account {
    let wrong = matrix_2fa_core::TotpCode::parse("000000").unwrap();
    let seeds = [OpenedSeed { id: "a".to_owned(), seed: Seed::from_bytes(vec![5; Seed::LEN]) }];
    let account = enrolled().verify_totp(&context(), Some(&wrong), &seeds).account.unwrap();
    account.reserve_recovery(&context(), 9).account.unwrap()
}

fn session() -> AuthSession {
    AuthSession {
        operation: Operation::on("devices", "PHONE"),
        user: Some("@a:b".to_owned()),
        device: Some("LAPTOP".to_owned()),
        token: Some([7; 32]),
        epoch: 3,
        client: ClientTag(1),
        address: None,
        flows: vec![Flow::new([Stage::Password, Stage::Totp]), Flow::new([Stage::Password, Stage::Recovery])],
        completed: vec![Stage::Password],
        body: r#"{"devices":["PHONE"]}"#.to_owned(),
        secrets: BTreeMap::new(),
        created_at: NOW,
    }
}

fn event() -> Event {
    let kind = EventKind::EnrollmentConfirmed { id: "a".to_owned(), first: true };
    Event { at: NOW, user: "@a:b".to_owned(), origin: Origin::default(), kind }
}

#[track_caller]
fn is_kept<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, value: &T) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/stored_account").join(name);
    if env::var_os("RENEW_CORPUS").is_some() {
        fs::write(&file, encode("value", value).unwrap()).unwrap();
    }
    let kept = fs::read(&file).unwrap();
    assert_eq!(&decode::<T>("value", &kept).unwrap(), value, "{name}");
}

#[test]
fn the_kept_inputs_can_be_read_as_what_they_were() {
    is_kept("nobody", &Account::default());
    is_kept("enrolled", &enrolled());
    is_kept("troubled", &troubled());
    is_kept("session", &session());
    is_kept("event", &event());
}
