//! What must never be printed is not printed, however deep it sits.

use matrix_2fa_core::{
    RecoveryCode, SealedSeed, Seed, TotpCode, account::OpenedSeed, recovery::CODE_BYTES, secret::RecoveryDigest,
};

use crate::world::{World, plain, stray_code};

#[test]
fn r60_debug_of_every_secret_type_is_this_and_nothing_else() {
    let shown = [
        format!("{:?}", Seed::from_bytes(b"12345678901234567890".to_vec())),
        format!("{:?}", TotpCode::parse("123456")),
        format!("{:?}", RecoveryCode::from_random([0xab; CODE_BYTES])),
        format!("{:?}", RecoveryDigest::from_bytes([9; 32])),
        format!("{:?}", SealedSeed { key_id: "k1".to_owned(), nonce: vec![1; 12], ciphertext: vec![7; 36] }),
        format!("{:?}", OpenedSeed { id: "a1".to_owned(), seed: Seed::from_bytes(vec![1; 20]) }),
    ];
    assert_eq!(
        shown,
        [
            "Seed(..)",
            "Some(TotpCode(..))",
            "RecoveryCode(..)",
            "RecoveryDigest(..)",
            r#"SealedSeed { key_id: "k1", .. }"#,
            r#"OpenedSeed { id: "a1", seed: Seed(..) }"#,
        ]
    );
}

/// The body of a request may hold anything, and so may what stands for its secrets.
#[test]
fn r60_debug_of_a_session_shows_what_it_is_for_and_no_body() {
    let session = crate::session::with_body(r#"{"new_password":"hunter2"}"#);
    let shown = format!("{session:?}");
    assert!(shown.starts_with("AuthSession { operation: ") && shown.contains("completed: []"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("body"), "{shown}");
}

/// `Zeroizing` wipes and prints: a type that holds one, or a part of a password field, writes its own `Debug`.
#[test]
fn r60_no_type_with_a_secret_derives_debug() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> =
        std::fs::read_dir(crates).expect("crates").flatten().map(|of| of.path().join("src")).collect();
    let (mut files, mut leaks) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).expect("source");
            let derived = text.split("#[derive(").skip(1).filter_map(|rest| rest.split_once(")]"));
            for (_, body) in derived.filter(|(traits, _)| traits.split(", ").any(|of| of == "Debug")) {
                let body = body.split_once("\n}").map_or(body, |(body, _)| body);
                let secret = [
                    "Zeroizing<",
                    " password: &",
                    " password: String",
                    " password: Option<",
                    " code: &",
                    " access: String",
                ];
                if let Some(secret) = secret.iter().find(|secret| body.contains(**secret)) {
                    leaks.push(format!("{}: {secret} in {}", path.display(), body.lines().nth(1).unwrap_or_default()));
                }
            }
        }
    }
    assert!(files > 80, "{files} files");
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// A whole life of an account: neither its `Debug` nor its audit has a seed, a code or a digest in any spelling.
#[test]
fn r60_neither_account_nor_audit_shows_a_secret() {
    let mut world = World::enrolled(2);
    world.fail();
    world.verify(&world.code(0));
    world.verify(&world.code(0));
    world.recover(&stray_code()).expect("free");
    let recovery = world.recovery_code(0);
    world.recover(&recovery).expect("free");
    let pending = world.begin().expect("opt-in");
    let audit = serde_json::to_string(&world.events).expect("serialisable");
    let shown = format!("{:?} {:?} {:?} {audit}", world.account, world.events, pending);
    let seed = world.seed(&world.id(0));
    let code = plain(&seed, world.now.as_secs() / 30).expect("a code");
    let canonical = String::from_utf8_lossy(recovery.expose()).into_owned();
    for secret in [
        seed.to_base32(),
        data_encoding::HEXLOWER.encode(seed.expose()),
        format!("{:?}", seed.expose()),
        format!("\"{code}\""),
        canonical,
        recovery.to_grouped(),
        format!("{:?}", recovery.expose()),
        format!("{:?}", world.salt()).trim_matches(['[', ']']).repeat(2),
    ] {
        assert!(!shown.contains(&secret), "{secret} is shown");
    }
}
