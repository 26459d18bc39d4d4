//! What is audited: written with the change that it tells of, or alone if nothing changes; then logged, counted, and told to who watches.

use matrix_2fa_core::{
    Context, Event, EventKind,
    EventKind::{FactorFailed, FactorReplayed, Locked, LoginStopped, UnguardedRefused},
    Timestamp,
    event::{Origin, SERVER},
};
use matrix_2fa_store::Commit;
use tokio::sync::broadcast;

use crate::{Engine, EngineError, Origination};

impl Engine {
    /// The newest `limit` audited things of a user, newest first.
    pub async fn events(&self, user: &str, limit: usize) -> Result<Vec<Event>, EngineError> {
        let mut events = self.store.events(user, Timestamp::from_millis(0), limit).await?;
        events.reverse();
        Ok(events)
    }

    /// What this process audits from now on.
    pub fn watch(&self) -> broadcast::Receiver<Event> {
        self.audited.subscribe()
    }

    /// Audits something of a user that changes no account.
    pub async fn audit_of(&self, user: &str, kind: EventKind, from: &Origination) -> Result<(), EngineError> {
        let Context { user, now: at, origin, .. } = self.context(user, from);
        self.audit(vec![Event { at, user, origin, kind }]).await
    }

    /// Audits things that change no account.
    pub(crate) async fn audit(&self, events: Vec<Event>) -> Result<(), EngineError> {
        if events.is_empty() {
            return Ok(());
        }
        // Nothing is expected, so nothing can conflict.
        let _done = self.store.commit(Commit { events: events.clone(), ..Commit::default() }).await?;
        events.iter().for_each(|event| self.tell(event));
        Ok(())
    }

    pub(crate) fn server_event(&self, kind: EventKind) -> Event {
        Event { at: self.now(), user: SERVER.to_owned(), origin: Origin::default(), kind }
    }

    /// To be called once it is durable.
    pub(crate) fn tell(&self, event: &Event) {
        log(event);
        crate::numbers::event(event);
        if self.audited.receiver_count() > 0 {
            // They may have gone meanwhile.
            let _ = self.audited.send(event.clone());
        }
    }
}

/// Events carry no secret.
fn log(event: &Event) {
    let (ip, what) = (event.origin.ip.as_deref(), &event.kind);
    match what {
        FactorFailed { .. } | FactorReplayed { .. } | Locked { .. } | LoginStopped | UnguardedRefused => {
            tracing::warn!(user.id = event.user, client.ip = ip, operation = event.origin.operation, event = ?what, "audit");
        }
        _ => {
            tracing::info!(user.id = event.user, client.ip = ip, operation = event.origin.operation, event = ?what, "audit");
        }
    }
}
