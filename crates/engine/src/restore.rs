//! After a backup was restored: nothing that may have been used since it was made counts any more. One pass over everybody, that can be run
//! again as often as it is cut short.

use matrix_2fa_core::Account;
use matrix_2fa_store::{Commit, Expected, Kind, RecordChange};

use crate::{
    Engine, EngineError, Origination,
    page_sessions::PAGE_SESSION,
    sessions::SESSION,
    tickets::{LOGIN_TOKEN, PROOF, RECOVERY_LOGIN},
};

/// Records in one step.
const PAGE: usize = 256;

/// What the pass over everybody found.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Accounts visited.
    pub accounts: u64,
    /// Of which so many have a second factor.
    pub enrolled: u64,
    /// Recovery codes that ended.
    pub recovery: u64,
    /// Whose enrollment was not finished when the backup was made, and may have been since.
    pub pending: Vec<String>,
}

impl Engine {
    /// Ends every set of recovery codes and every pending enrollment, refuses every code up to now, and ends whatever was proved or begun.
    /// `tell` hears how many accounts are done. The server must not serve meanwhile.
    pub async fn make_restored_safe(&self, tell: impl Fn(u64) + Send + Sync) -> Result<Restored, EngineError> {
        for kind in [SESSION, PAGE_SESSION, LOGIN_TOKEN, PROOF, RECOVERY_LOGIN] {
            self.delete_all(kind).await?;
        }
        let mut found = Restored::default();
        let count = |page: Vec<(String, Account)>| {
            for (user, before) in page {
                found.accounts += 1;
                found.enrolled += u64::from(before.is_enrolled());
                found.recovery += u64::from(before.recovery().is_some());
                let pending = before.sealed_seeds().count() > before.authenticators().len();
                found.pending.extend(pending.then_some(user));
            }
            tell(found.accounts);
        };
        self.everybody(|engine, user| async move { engine.make_account_safe(user).await }, count).await?;
        Ok(found)
    }

    /// Gives the account as it was before.
    async fn make_account_safe(&self, user: String) -> Result<(String, Account), EngineError> {
        let from = Origination { operation: Some("admin restored".to_owned()), ..Origination::default() };
        let cx = self.context(&user, &from);
        let before = self.account(&user).await?;
        self.transact(&user, |account| Ok((account.restored(&cx, cx.now), Vec::new()))).await?;
        Ok((user, before))
    }

    async fn delete_all(&self, kind: Kind) -> Result<(), EngineError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.store.records(kind, after.as_deref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            let records = page.into_iter().map(|(key, _)| RecordChange::delete(kind, key, Expected::Any)).collect();
            // Nothing is expected, so nothing can conflict.
            let _done = self.store.commit(Commit { records, ..Commit::default() }).await?;
        }
    }
}
