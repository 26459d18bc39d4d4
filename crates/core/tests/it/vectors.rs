//! The files of `spec/vectors`, parsed strictly: an unknown key, a missing one or a `result` that does not fit is a failure too.

use std::{fs, path::Path};

use matrix_2fa_core::{
    Account, Params, RecoveryCode, Seed, TimeStep, Timestamp, TotpCode,
    account::{OpenedSeed, TotpOutcome},
    totp::{Algorithm, matching_step, otpauth_uri},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::world::World;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<C> {
    kind: String,
    #[serde(rename = "description")]
    _description: String,
    cases: Vec<C>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Valid,
    Invalid,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TotpCase {
    tc_id: u32,
    comment: String,
    #[serde(default, rename = "flags")]
    _flags: Vec<String>,
    input: TotpInput,
    result: Verdict,
    step: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TotpInput {
    algorithm: String,
    digits: u8,
    period: u32,
    seed: String,
    time: u64,
    code: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TextCase {
    tc_id: u32,
    comment: String,
    input: String,
    result: Verdict,
    canonical: Option<String>,
    grouped: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct UriCase {
    tc_id: u32,
    comment: String,
    input: UriInput,
    result: Verdict,
    uri: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UriInput {
    issuer: String,
    user: String,
    seed: String,
    algorithm: String,
    digits: u8,
    period: u32,
}

/// The cases of a file, which must be of this kind, count from 1 and (as attackers have more ideas than users) be mostly invalid.
fn cases<C: DeserializeOwned>(name: &str, kind: &str, id: impl Fn(&C) -> (u32, Verdict)) -> Vec<C> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors").join(name);
    let file: File<C> = serde_json::from_str(&fs::read_to_string(&path).expect(name)).expect(name);
    assert_eq!(file.kind, kind, "{name}");
    for (place, case) in file.cases.iter().enumerate() {
        assert_eq!(id(case).0 as usize, place + 1, "{name}: tcId counts from 1");
    }
    let invalid = file.cases.iter().filter(|case| id(case).1 == Verdict::Invalid).count();
    assert!(2 * invalid > file.cases.len(), "{name}: more invalid cases than valid ones");
    file.cases
}

fn params(algorithm: &str, digits: u8, period: u32) -> Params {
    let algorithm = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512]
        .into_iter()
        .find(|known| known.as_str() == algorithm)
        .expect("a hash of RFC 6238");
    Params { algorithm, digits, period }
}

fn seed(hex: &str) -> Seed {
    Seed::from_bytes(data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hexadecimal"))
}

/// An account as an import would bring it: one authenticator of these parameters that was never used.
fn imported(params: Params) -> Account {
    let account = World::enrolled(1).account;
    let mut value = serde_json::to_value(account).expect("serialisable");
    let authenticator: &mut Value = &mut value["authenticators"][0];
    authenticator["id"] = json!("imported");
    authenticator["params"] = serde_json::to_value(params).expect("serialisable");
    authenticator["last_step"] = json!(0);
    serde_json::from_value(value).expect("an account")
}

fn check_totp(name: &str) {
    for case in cases(name, "totp", |case: &TotpCase| (case.tc_id, case.result)) {
        let input = &case.input;
        let params = params(&input.algorithm, input.digits, input.period);
        let seed = seed(&input.seed);
        let now = Timestamp::from_millis(input.time * 1000 + 999);
        let code = TotpCode::parse(&input.code);
        let step = code.as_ref().and_then(|code| matching_step(params, &seed, code, now));
        assert_eq!(step, case.step.map(TimeStep), "{name} {}: {}", case.tc_id, case.comment);
        assert_eq!(step.is_some(), case.result == Verdict::Valid, "{name} {}: {}", case.tc_id, case.comment);

        // The same through the door that logins take. Step 0 counts as used there: nobody's clock shows 1970.
        let mut world = World::new();
        world.account = imported(params);
        world.now = now;
        let seeds = [OpenedSeed { id: "imported".to_owned(), seed }];
        let transition = world.account.verify_totp(&world.context(), code.as_ref(), &seeds);
        let expected = match step {
            None => TotpOutcome::Wrong,
            Some(TimeStep(0)) => TotpOutcome::Replayed,
            Some(_) => TotpOutcome::Verified,
        };
        assert_eq!(world.commit(transition), expected, "{name} {}: {}", case.tc_id, case.comment);
        if let (TotpOutcome::Verified, Some(step)) = (expected, step) {
            assert_eq!(world.account.authenticators()[0].last_step, step);
        }
    }
}

#[test]
fn r33_rfc6238_vectors_verify_through_the_login_path() {
    check_totp("rfc6238.json");
}

#[test]
fn r33_rfc4226_vectors_verify_at_counter_times_thirty_seconds() {
    check_totp("rfc4226.json");
}

#[test]
fn r06_typed_codes_are_trimmed_by_one_rule() {
    for case in cases("totp-input.json", "totp-input", |case: &TextCase| (case.tc_id, case.result)) {
        let code = TotpCode::parse(&case.input);
        assert_eq!(code.is_some(), case.result == Verdict::Valid, "{}: {}", case.tc_id, case.comment);
        assert_eq!(code.as_ref().map(TotpCode::expose), case.canonical.as_deref(), "{}: {}", case.tc_id, case.comment);
    }
}

#[test]
fn r40_recovery_codes_are_read_as_people_type_them() {
    for case in cases("recovery.json", "recovery", |case: &TextCase| (case.tc_id, case.result)) {
        let code = RecoveryCode::parse(&case.input);
        assert_eq!(code.is_some(), case.result == Verdict::Valid, "{}: {}", case.tc_id, case.comment);
        let canonical = code.as_ref().map(|code| String::from_utf8_lossy(code.expose()).into_owned());
        assert_eq!(canonical, case.canonical, "{}: {}", case.tc_id, case.comment);
        assert_eq!(code.map(|code| code.to_grouped()), case.grouped, "{}: {}", case.tc_id, case.comment);
    }
}

#[test]
fn r32_otpauth_uris_character_for_character() {
    for case in cases("otpauth.json", "otpauth", |case: &UriCase| (case.tc_id, case.result)) {
        let input = &case.input;
        let params = params(&input.algorithm, input.digits, input.period);
        let made = otpauth_uri(&input.issuer, &input.user, &seed(&input.seed), params);
        assert_eq!(made == case.uri, case.result == Verdict::Valid, "{}: {}: {made}", case.tc_id, case.comment);
    }
}

/// Playing them takes a server; here only their form is checked.
#[test]
fn every_transcript_is_well_formed() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Transcript {
        tc_id: u32,
        comment: String,
        rules: Vec<String>,
        given: Given,
        steps: Vec<Exchange>,
        result: Verdict,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        #[serde(rename = "enrolled")]
        _enrolled: bool,
        policy: matrix_2fa_core::Policy,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Exchange {
        request: Request,
        response: Response,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        method: String,
        path: String,
        #[serde(rename = "token")]
        _token: Option<String>,
        #[serde(rename = "body")]
        _body: Option<serde_json::Map<String, Value>>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Response {
        status: u16,
        #[serde(default, rename = "body")]
        _body: serde_json::Map<String, Value>,
        #[serde(default, rename = "absent")]
        _absent: Vec<String>,
    }
    for case in cases("uia-transcripts.json", "uia-transcripts", |case: &Transcript| (case.tc_id, case.result)) {
        let _name = case.given.policy.as_str();
        assert!(!case.rules.is_empty() && case.rules.iter().all(|rule| rule.starts_with('P')), "{}", case.comment);
        for Exchange { request, .. } in &case.steps {
            assert!(matches!(request.method.as_str(), "GET" | "POST" | "PUT" | "DELETE"), "{}", case.comment);
            assert!(!request.path.starts_with('/'), "{}: paths are relative to /_matrix/client/", case.comment);
        }
        let granted = case.steps.last().is_some_and(|step| step.response.status < 300);
        assert_eq!(granted, case.result == Verdict::Valid, "{}: {}", case.tc_id, case.comment);
    }
}
