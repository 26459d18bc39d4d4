//! Everybody's factors on their way to another server, and from one.
//!
//! * What leaves is audited before it is passed on: first that an export begins, then each user of a page, then the page itself. An export that
//!   is cut short has disclosed no more than the audit says.
//! * What arrives is one commit a user: seeds sealed with the key of this server, the event, the notice, and the end of everything that was
//!   proved or begun while a password was enough. Cut short, it is done again: who is here is known by the seeds.

use matrix_2fa_core::{
    Account, Event, EventKind,
    account::moving::{Admission, Arrival, Moved},
    event::SERVER,
};
use matrix_2fa_store::StoreError;
use tokio::task::JoinSet;

use crate::{
    Engine, EngineError,
    page_sessions::PAGE_SESSION,
    policy::by,
    tickets::{LOGIN_TOKEN, PROOF, RECOVERY_LOGIN},
};

/// Users in a page.
const PAGE: usize = 256;
/// Accounts read at the same time.
const AT_ONCE: usize = 32;

/// How an import is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportMode {
    /// Add to the factors that a user has.
    pub add: bool,
    /// Only say what would become of it.
    pub dry_run: bool,
}

impl Engine {
    /// Passes everybody who has anything worth moving to `page`, with open seeds, some at a time and in the order of their ids. Returns how
    /// many there were. Who changes meanwhile is passed on as before or as after, never in between.
    pub async fn export_everybody<E: From<EngineError>>(
        &self,
        author: &str,
        recipients: &[String],
        mut page: impl FnMut(Vec<(String, Moved)>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let (author, recipients) = (author.to_owned(), recipients.to_vec());
        let kind = EventKind::ExportStarted { author: author.clone(), recipients: recipients.clone() };
        self.audit(vec![self.server_event(kind)]).await?;
        let (mut after, mut exported) = (SERVER.to_owned(), 0);
        loop {
            let users = self.store.users(Some(&after), PAGE).await.map_err(EngineError::from)?;
            let Some(last) = users.last() else { break };
            after.clone_from(last);
            let departing = self.departing(users).await?;
            let seeds = departing.iter().filter(|(_, moved)| !moved.authenticators.is_empty());
            let events = seeds.map(|(user, _)| Event {
                at: self.now(),
                user: user.clone(),
                origin: self.context(user, &by("export", &author)).origin,
                kind: EventKind::Exported { author: author.clone(), recipients: recipients.clone() },
            });
            self.audit(events.collect()).await?;
            exported += departing.len() as u64;
            page(departing)?;
        }
        self.audit(vec![self.server_event(EventKind::ExportFinished { author, users: exported })]).await?;
        Ok(exported)
    }

    /// Takes a user's factors, as far as they are not here.
    pub async fn import(
        &self,
        user: &str,
        author: &str,
        moved: &Moved,
        mode: ImportMode,
    ) -> Result<Arrival, EngineError> {
        let _turn = self.gate.enter(user).await;
        self.keys.refresh(&*self.store).await?;
        let cx = self.context(user, &by("import", author));
        let sealed = moved.authenticators.iter().map(|one| {
            let id = self.fresh_id();
            let seed = self.keys.seal(user, &id, &one.seed, &*self.random)?;
            Ok((id, seed))
        });
        let sealed = sealed.collect::<Result<Vec<_>, EngineError>>()?;
        let decide = |account: &Account| {
            let known = self.has_all(user, account, moved)?;
            let admission = Admission { author: author.to_owned(), add: mode.add, sealed: sealed.clone(), known };
            Ok::<_, EngineError>(account.arriving(&cx, moved, &admission))
        };
        let now = decide(&self.account(user).await?)?;
        if mode.dry_run || now.account.is_none() {
            return Ok(now.outcome);
        }
        let mut ended = self.session_deletions(user).await?;
        ended.extend(self.ticket_deletions(user, &[LOGIN_TOKEN, PROOF, RECOVERY_LOGIN, PAGE_SESSION]).await?);
        self.transact(user, |account| {
            let transition = decide(account)?;
            let ends = transition.account.is_some() && !moved.authenticators.is_empty();
            Ok((transition, if ends { ended.clone() } else { Vec::new() }))
        })
        .await
    }

    async fn departing(&self, users: Vec<String>) -> Result<Vec<(String, Moved)>, EngineError> {
        let mut departing = Vec::with_capacity(users.len());
        for some in users.chunks(AT_ONCE) {
            let load = |user: &String| {
                let (engine, user) = (self.clone(), user.clone());
                async move {
                    let account = engine.account(&user).await?;
                    let moved = account.departing(|one| engine.keys.open(&user, &one.id, &one.seed))?;
                    Ok::<_, EngineError>(moved.map(|moved| (user, moved)))
                }
            };
            let mut tasks: JoinSet<_> = some.iter().map(load).collect();
            while let Some(done) = tasks.join_next().await {
                departing.extend(done.map_err(|error| StoreError::Unavailable(Box::new(error)))??);
            }
        }
        departing.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(departing)
    }

    /// Is every seed one of this account's?
    fn has_all(&self, user: &str, account: &Account, moved: &Moved) -> Result<bool, EngineError> {
        let own = account.authenticators().iter().map(|one| self.keys.open(user, &one.id, &one.seed));
        let own = own.collect::<Result<Vec<_>, _>>()?;
        Ok(moved.authenticators.iter().all(|one| own.iter().any(|seed| seed.expose() == one.seed.expose())))
    }
}
