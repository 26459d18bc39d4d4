//! The store driven alone: what a verification loads and commits, 64 at a time, without a network, JSON or HMAC.

use std::{sync::Arc, time::Duration};

use matrix_2fa_core::{Event, EventKind, Stage, event::Origin};
use matrix_2fa_store::{AccountChange, Commit, Committed, Expected, Kind, RecordChange, Store};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{Bench, Failure};

const SESSION: Kind = Kind("auth_session");

pub(crate) async fn run(bench: Bench, bodies: Vec<String>) -> Result<(), Failure> {
    let sessions = bodies.iter().map(|body| session_of(body)).collect::<Result<Vec<_>, _>>()?;
    let total = sessions.len();
    let sessions = Arc::new(std::sync::Mutex::new(sessions));
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    let started = tokio::time::Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let (store, sessions, engine_now) = (Arc::clone(&bench.store), Arc::clone(&sessions), bench.engine.now());
        tasks.spawn(async move {
            loop {
                let next = sessions.lock().map_err(|_| "poisoned")?.pop();
                let Some(session) = next else { return Ok::<_, Failure>(()) };
                one(&*store, &session, engine_now).await?;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let elapsed: Duration = started.elapsed();
    println!("{:.0}", total as f64 / elapsed.as_secs_f64());
    Ok(())
}

async fn one(store: &dyn Store, session: &str, now: matrix_2fa_core::Timestamp) -> Result<(), Failure> {
    let record = store.record(SESSION, session).await?.ok_or("no such session: seed anew")?;
    let user = record.user.ok_or("a session of nobody")?;
    let stored = store.load(&user).await?;
    let authenticators = stored.account.authenticators().iter().map(|a| a.id.clone()).collect();
    let kind = EventKind::FactorVerified { stage: Stage::Totp, authenticators };
    let events = vec![Event { at: now, user: user.clone(), origin: Origin::default(), kind }];
    let account = Some(AccountChange { user, expected: stored.version, account: stored.account });
    let records = vec![RecordChange::delete(SESSION, session, Expected::Version(record.version))];
    match store.commit(Commit { account, events, records }).await? {
        Committed::Done => Ok(()),
        Committed::Conflict => Err("a conflict where nobody else writes".into()),
    }
}

fn session_of(line: &str) -> Result<String, Failure> {
    let body: Value = serde_json::from_str(line)?;
    Ok(body.get("session").and_then(Value::as_str).ok_or("no session")?.to_owned())
}
