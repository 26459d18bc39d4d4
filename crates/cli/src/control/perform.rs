//! The acts themselves.

use matrix_2fa::homeserver::Homeserver;
use matrix_2fa_core::{Event, Timestamp};
use matrix_2fa_engine::rotation::{Progress, RotationError};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::{Act, Teller};
use crate::{
    admin::{AdminAct, Desk},
    backup, check,
    data::Data,
    events,
    failure::{Failure, chain},
    moving,
};

/// Does it. `serving`: others use the store at the same time.
pub async fn perform(act: Act, data: &Data, serving: bool, teller: &Teller) -> Result<(), Failure> {
    match act {
        Act::Admin { act, author } => {
            let progress = {
                let teller = teller.clone();
                move |line| teller.progress(line)
            };
            teller.value(Desk { data, author: &author }.answer(act, progress).await?);
            Ok(())
        }
        Act::Follow { user, since, limit } => follow(user, since, limit, data, teller).await,
        Act::Export { file, recipients, author } => moving::export(&file, &recipients, &author, data, teller).await,
        Act::Import { import, author } => moving::import(import, &author, data, teller).await,
        Act::Check => {
            let mut report = check::Report::default();
            report.accounts(&data.engine).await?;
            teller.value(serde_json::to_value(report.lines).map_err(|error| Failure::because(&error))?);
            Ok(())
        }
        Act::NewKey => new_key(data, teller),
        Act::RotateKeys { to } => rotate(to.as_deref(), data, teller).await,
        Act::CheckKeys => check(data, teller).await,
        Act::RemoveKey { id } => remove(&id, data, teller).await,
        Act::VerifyEvents { files } => events::verify(&files, data, teller).await,
        Act::Backup { file, with_keys } => {
            let key_folder = data.settings.key_folder();
            let keys = with_keys.then_some(key_folder.as_path());
            let progress = {
                let teller = teller.clone();
                move |entries| teller.progress(format!("{entries} entries written"))
            };
            let done = backup::write(&data.store, data.engine.now(), &file, keys, progress).await?;
            if serving {
                // Whoever restores this file must be noticed from now on, and not only in a minute.
                data.guard.beat().await?;
            }
            teller.answer(done);
            Ok(())
        }
    }
}

/// What was audited, and then whatever this process audits, until nobody listens any more.
async fn follow(
    user: Option<String>,
    since: Option<Timestamp>,
    limit: usize,
    data: &Data,
    teller: &Teller,
) -> Result<(), Failure> {
    // Before the look at what was: nothing falls between.
    let mut audited = data.engine.watch();
    let wanted = user.as_deref().and_then(|user| data.host.canonical_user(user));
    let before = AdminAct::Events { user, since, limit: Some(limit) };
    let before = Desk { data, author: "" }.answer(before, |_progress| ()).await?;
    let seen: Vec<Event> =
        before.get("events").cloned().and_then(|events| serde_json::from_value(events).ok()).unwrap_or_default();
    teller.value(before);
    loop {
        let event = tokio::select! {
            event = audited.recv() => event,
            () = teller.left() => return Ok(()),
        };
        match event {
            Ok(event) if seen.contains(&event) || wanted.as_ref().is_some_and(|user| *user != event.user) => {}
            Ok(event) => teller.value(json!({ "events": [event] })),
            Err(RecvError::Lagged(missed)) => {
                teller.progress(format!("{missed} more were audited than could be passed on"));
            }
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

fn new_key(data: &Data, teller: &Teller) -> Result<(), Failure> {
    let made = data.engine.keys().make_file(&**data.engine.random());
    let file = made.map_err(|error| Failure::run(chain(&error)))?;
    teller.answer(format!("made {}: nothing uses it yet", file.display()));
    teller.answer("back it up, copy it to every server that shares this store, then run matrix-2fa keys rotate");
    Ok(())
}

async fn rotate(to: Option<&str>, data: &Data, teller: &Teller) -> Result<(), Failure> {
    let (key, done) = data.engine.rotate_keys(to, told(teller)).await.map_err(failed)?;
    let file = data.engine.keys().file(&key).map_err(|error| Failure::run(chain(&error)))?;
    teller.answer(format!("the active key is {key}; {} seeds were sealed anew", done.resealed));
    teller.answer(format!("back up {} now: without it nobody's second factor opens", file.display()));
    if done.broken > 0 {
        return Err(Failure::run(format!(
            "{} seeds do not open and were left: see matrix-2fa keys check",
            done.broken
        )));
    }
    teller.answer("the key before is not needed any more once matrix-2fa keys remove has taken it out of use");
    Ok(())
}

async fn check(data: &Data, teller: &Teller) -> Result<(), Failure> {
    let census = data.engine.check_keys(told(teller)).await.map_err(failed)?;
    let active = data.engine.keys().active();
    for (id, seeds) in &census.seeds {
        let role = match (*id == active, seeds) {
            (true, _) => "active",
            (false, 0) => "can be removed",
            (false, _) => "still needed",
        };
        teller.answer(format!("key {id}: {seeds} seeds, {role}"));
    }
    for (user, authenticator) in &census.named {
        teller.answer(format!("does not open: authenticator {authenticator} of {user}"));
    }
    if census.broken > 0 {
        let what = "wrong key, damaged, or copied from another user";
        return Err(Failure::run(format!("{} of the seeds do not open ({what})", census.broken)));
    }
    if data.engine.is_rotating().await.map_err(failed)? {
        teller.answer("a rotation is not finished: matrix-2fa keys rotate goes on with it, and so does the next start");
    }
    teller.answer(format!("every seed of {} accounts opens", census.accounts));
    Ok(())
}

async fn remove(id: &str, data: &Data, teller: &Teller) -> Result<(), Failure> {
    data.engine.remove_key(id, told(teller)).await.map_err(failed)?;
    let file = data.engine.keys().file(id).map_err(|error| Failure::run(chain(&error)))?;
    teller.answer(format!("nothing is sealed with the key {id} any more, and no start asks for it"));
    teller.answer(format!("{} stays: keep it as long as you keep backups from before, then remove it", file.display()));
    Ok(())
}

fn told(teller: &Teller) -> impl Fn(&Progress) + Send + Sync + use<> {
    let teller = teller.clone();
    move |progress| {
        let Progress { accounts, resealed, .. } = progress;
        teller.progress(format!("{accounts} accounts looked at, {resealed} seeds sealed anew"));
    }
}

fn failed(error: RotationError) -> Failure {
    Failure::run(chain(&error))
}
