//! `matrix-2fa admin restored`: the store is an older copy, and is made safe before anybody uses it.

use matrix_2fa_core::{Event, EventKind, Timestamp, event::Origin, event::SERVER};

use crate::{
    console,
    data::Data,
    failure::{Failure, chain},
    guard,
    settings::{Flags, Settings},
};

/// Runs the command.
pub fn run(since: Timestamp, flags: &Flags) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::because(&error))?;
    runtime.block_on(restored(since, &Settings::load(flags)?))
}

async fn restored(since: Timestamp, settings: &Settings) -> Result<(), Failure> {
    let Data { engine, host, guard, .. } = Data::open_unguarded(settings).await?;
    if since > engine.now() {
        return Err(Failure::start("--since: that moment is still to come"));
    }
    let failed = |error: &(dyn std::error::Error + 'static)| Failure::run(chain(error));
    // From here on the server does not start before this is done.
    guard.withhold(since).await?;
    let tell = |accounts| console::progress(&format!("{accounts} accounts made safe"));
    let found = engine.make_restored_safe(tell).await.map_err(|error| failed(&error))?;
    let users = host.end_all_sessions().await.map_err(|error| failed(&error))?;
    let kind = EventKind::RestoreFinished { since };
    guard.release(Event { at: engine.now(), user: SERVER.to_owned(), origin: Origin::default(), kind }).await?;

    let since = guard::time(since);
    console::say(&format!(
        "{} accounts, {} of them with a second factor: {} sets of recovery codes ended, codes up to now are refused",
        found.accounts, found.enrolled, found.recovery
    ));
    console::say(&format!("{users} users were signed out everywhere; each signs in again as the policy demands"));
    console::say(&format!("What nobody can know, and only their owners can tell, is what changed after {since}:"));
    console::say("  - second factors added since are gone: their owners log in without, or with what they had before");
    console::say("  - second factors removed or reset since are back, with the phone that was lost or sold");
    console::say(
        "  - passwords changed since are the old ones again; users who registered since are gone, who left are back",
    );
    console::say("  - wrong codes counted and locks set since are forgotten");
    for user in &found.pending {
        console::say(&format!("  - {user} was adding an authenticator at that time, and has to add it again"));
    }
    console::say(
        "Tell your users to look at their second factors, their password and their devices, and to make new recovery codes.",
    );
    Ok(())
}
