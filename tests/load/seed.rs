//! Users who have an authenticator and an open login session whose password stage is passed.

use std::{collections::HashMap, time::Duration};

use matrix_2fa_core::{
    Account, AuthSession, Context, Flow, Operation, Params, Policy, Proof, RecoverySet, Seed, Stage,
    account::{Confirmation, NewAuthenticator, OpenedSeed},
    event::Origin,
    recovery::{CODES, HashParams},
    secret::RecoveryDigest,
    throttle::{ClientTag, TOTP},
    totp::code_at,
};
use matrix_2fa_engine::{Engine, OsRandom, Random};
use matrix_2fa_store::{AccountChange, Commit, Committed, Expected, Kind, NewRecord, RecordChange, codec};
use serde::Serialize;
use tokio::task::JoinSet;

/// Whatever went wrong.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Users who are made at the same time.
const AT_ONCE: usize = 64;

/// Users of the reference homeserver.
const USER: Kind = Kind("hs_user");

/// As it stores one.
#[derive(Default, Serialize)]
struct User {
    password: Option<String>,
    generation: u64,
    epoch: u64,
    created_at: u64,
    deactivated_at: Option<u64>,
    displayname: Option<String>,
    avatar_url: Option<String>,
}

/// Makes `users` users; returns, for each, the body that completes their login now.
pub(crate) async fn run(engine: &Engine, users: usize) -> Result<Vec<String>, Failure> {
    // Everybody has an authenticator long before anybody logs in.
    let enrolled = each(users, |user| {
        let engine = engine.clone();
        async move { Ok((enroll(&engine, &user).await?, user)) }
    });
    let mut seeds: HashMap<String, Seed> = enrolled.await?.into_iter().map(|(seed, user)| (user, seed)).collect();
    let begun = each(users, |user| {
        let engine = engine.clone();
        async move { Ok((begin(&engine, &user).await?, user)) }
    });
    let begun = begun.await?.into_iter();
    let made = begun.map(|(session, user)| Some((session, seeds.remove(&user)?)));
    let made = made.collect::<Option<Vec<_>>>().ok_or("a user is missing")?;
    // Codes at the very end: they are good for a minute and a half at most.
    let body = |(session, seed): (String, Seed)| {
        let code = code_at(Params::default(), &seed, engine.now()).ok_or("bad parameters")?;
        Ok(format!(r#"{{"type":"m.login.2fa.totp","session":"{session}","token":"{}"}}"#, code.expose()))
    };
    made.into_iter().map(body).collect()
}

/// Does something for every user, many at a time.
async fn each<T: Send + 'static, F>(users: usize, what: impl Fn(String) -> F) -> Result<Vec<T>, Failure>
where
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let (mut tasks, mut done) = (JoinSet::new(), Vec::with_capacity(users));
    for number in 0..users {
        if tasks.len() == AT_ONCE {
            done.extend(tasks.join_next().await.transpose()?.transpose()?);
        }
        tasks.spawn(what(format!("@u{number}:localhost")));
    }
    while let Some(one) = tasks.join_next().await {
        done.push(one??);
    }
    Ok(done)
}

/// Makes `users` users with an authenticator: @u0000000:localhost and so on.
pub(crate) async fn everybody(engine: &Engine, users: usize) -> Result<(), Failure> {
    let mut tasks = JoinSet::new();
    for part in 0..64 {
        let engine = engine.clone();
        tasks.spawn(async move {
            for number in (part..users).step_by(64) {
                enroll(&engine, &format!("@u{number:07}:localhost")).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(part) = tasks.join_next().await {
        part??;
    }
    Ok(())
}

/// A login whose password stage is passed: its session.
pub(crate) async fn begin(engine: &Engine, user: &str) -> Result<String, Failure> {
    read(engine, user).await?;
    Ok(engine.open_session(session(engine, user)).await?.id)
}

/// What the password stage reads: the user and the account.
pub(crate) async fn read(engine: &Engine, user: &str) -> Result<(), Failure> {
    let (found, account) = (engine.store().record(USER, user).await?, engine.account(user).await?);
    if found.is_some() && account.is_enrolled() { Ok(()) } else { Err("nobody to log in".into()) }
}

/// A user with an authenticator.
pub(crate) async fn enroll(engine: &Engine, user: &str) -> Result<Seed, Failure> {
    let mut secret = [0; Seed::LEN];
    OsRandom.fill(&mut secret);
    let seed = Seed::from_bytes(secret.to_vec());
    let change = AccountChange { user: user.to_owned(), expected: 0, account: account(engine, user, &seed)? };
    let bytes = codec::encode("record", &User::default())?;
    let next = NewRecord { bytes, ..NewRecord::default() };
    let records = vec![RecordChange::put(USER, user, Expected::Absent, next)];
    let commit = Commit { account: Some(change), records, ..Commit::default() };
    if engine.store().commit(commit).await? != Committed::Done {
        return Err("the folder was seeded before".into());
    }
    Ok(seed)
}

/// Confirmed a minute ago, so that today's code is a fresh one.
fn account(engine: &Engine, user: &str, seed: &Seed) -> Result<Account, Failure> {
    let now = engine.now().minus(Duration::from_secs(120));
    let cx = Context {
        user: user.to_owned(),
        now,
        origin: Origin::default(),
        client: ClientTag(0),
        proof: Proof::FirstFactor,
        budget: TOTP,
    };
    let id = engine.fresh_id();
    let sealed = engine.keys().seal(user, &id, seed, &OsRandom)?;
    let new = NewAuthenticator { id: id.clone(), name: "phone".to_owned(), seed: sealed, bound_to: [0; 32] };
    let pending = Account::default().begin_enrollment(&cx, Policy::OptIn, new).account.ok_or("refused")?;
    let digests = (0..CODES).map(|n| RecoveryDigest::from_bytes([n as u8; 32])).collect();
    let set = RecoverySet::new([7; 16], HashParams::default(), now, digests);
    let code = code_at(Params::default(), seed, now).ok_or("bad parameters")?;
    let opened = OpenedSeed { id, seed: seed.clone() };
    let confirmed = pending.confirm(&cx, &[0; 32], &opened, Some(&code), Some(set));
    match confirmed.outcome {
        Confirmation::Confirmed { .. } => confirmed.account.ok_or_else(|| "unchanged".into()),
        outcome => Err(format!("not confirmed: {outcome:?}").into()),
    }
}

fn session(engine: &Engine, user: &str) -> AuthSession {
    AuthSession {
        operation: Operation::new("login"),
        user: Some(user.to_owned()),
        device: None,
        token: None,
        epoch: 0,
        client: ClientTag(0),
        address: None,
        flows: vec![Flow::new([Stage::Password, Stage::Totp]), Flow::new([Stage::Password, Stage::Recovery])],
        completed: vec![Stage::Password],
        body: format!(r#"{{"type":"m.login.password","identifier":{{"type":"m.id.user","user":"{user}"}}}}"#),
        secrets: Default::default(),
        created_at: engine.now(),
    }
}
