//! The acts themselves.

use matrix_2fa::homeserver::Homeserver;
use matrix_2fa_core::Account;
use matrix_2fa_engine::{
    Origination,
    rotation::{Progress, RotationError},
};

use super::{Act, Teller};
use crate::{
    backup,
    data::Data,
    events,
    failure::{Failure, chain},
};

/// Does it. `serving`: others use the store at the same time.
pub async fn perform(act: Act, data: &Data, serving: bool, teller: &Teller) -> Result<(), Failure> {
    match act {
        Act::Reset { user } => reset(&user, data, teller).await,
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

async fn reset(user: &str, data: &Data, teller: &Teller) -> Result<(), Failure> {
    let id = data
        .host
        .canonical_user(user)
        .ok_or_else(|| Failure::start(format!("{user} is not a Matrix id of this server; write @user:server")))?;
    let account = data.engine.account(&id).await.map_err(|error| Failure::run(chain(&error)))?;
    // Behind a gateway the users are somebody else's, and known here by what they did.
    let exists = data.host.exists(&id).await.map_err(|error| Failure::run(chain(&error)))?;
    if !exists && account == Account::default() {
        return Err(Failure::run(format!("there is no user {id} on this server")));
    }
    let enrolled = account.is_enrolled();
    let from = Origination { operation: Some("admin reset".to_owned()), ..Origination::default() };
    data.engine.reset(&id, &from).await.map_err(|error| Failure::run(chain(&error)))?;
    teller.answer(if enrolled {
        format!("{id} has no second factor any more and logs in with the password alone")
    } else {
        format!("{id} had no second factor; pending enrollments and counters are gone")
    });
    Ok(())
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
