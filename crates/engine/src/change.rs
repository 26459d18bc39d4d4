//! Changes that need a fresh proof (which the caller has), and the administrator's.

use matrix_2fa_core::{
    Account, Authenticator, RecoveryCode, Transition,
    account::{ChangeRefused, Removal},
};
use matrix_2fa_store::{Expected, RecordChange};

use crate::{
    Engine, EngineError, Origination,
    hashing::Place,
    logins::LOGIN_SEEN,
    notices::{NOTICE, told::TOLD, unfinished::UNFINISHED},
    page_sessions::PAGE_SESSION,
    tickets::{LOGIN_TOKEN, PROOF, RECOVERY_LOGIN},
};

/// What to turn off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disable {
    /// Every factor.
    Everything,
    /// The recovery codes alone.
    Recovery,
}

impl Engine {
    /// Gives an authenticator another name.
    pub async fn rename(
        &self,
        user: &str,
        from: &Origination,
        id: &str,
        name: &str,
    ) -> Result<Result<Authenticator, ChangeRefused>, EngineError> {
        let cx = self.context(user, from);
        self.change(user, from, |account| account.rename(&cx, id, name)).await
    }

    /// Removes one authenticator.
    pub async fn remove(
        &self,
        user: &str,
        from: &Origination,
        id: &str,
    ) -> Result<Result<Removal, ChangeRefused>, EngineError> {
        let (cx, judge) = (self.context(user, from), self.judge(user).await?);
        self.change(user, from, |account| account.remove(&cx, judge.policy(account, cx.now), id)).await
    }

    /// Turns factors off.
    pub async fn disable(
        &self,
        user: &str,
        from: &Origination,
        what: Disable,
    ) -> Result<Result<Removal, ChangeRefused>, EngineError> {
        let (cx, judge) = (self.context(user, from), self.judge(user).await?);
        self.change(user, from, |account| match what {
            Disable::Everything => account.disable(&cx, judge.policy(account, cx.now)),
            Disable::Recovery => account.drop_recovery(&cx),
        })
        .await
    }

    /// A place for the hashing that [`Self::regenerate`] needs. Take it before the user spends a code on the renewal.
    pub fn renewal_place(&self, user: &str) -> Result<Place, EngineError> {
        Ok(self.renewals.place(user)?)
    }

    /// Replaces the recovery codes and returns the new ones, this once.
    pub async fn regenerate(
        &self,
        user: &str,
        from: &Origination,
        place: Place,
    ) -> Result<Result<Vec<RecoveryCode>, ChangeRefused>, EngineError> {
        let cx = self.context(user, from);
        if !self.account(user).await?.is_enrolled() {
            return Ok(Err(ChangeRefused::NotEnrolled));
        }
        let (set, codes) = self.fresh_recovery_set(cx.now, place).await?;
        let done = self.change(user, from, |account| account.regenerate(&cx, set.clone())).await?;
        Ok(done.map(|()| codes))
    }

    /// An administrator removes every factor and counter of a user.
    pub async fn reset(&self, user: &str, from: &Origination) -> Result<Removal, EngineError> {
        let cx = self.context(user, from);
        // What was proved with the factors that are gone proves nothing.
        let records = self.ticket_deletions(user, &[LOGIN_TOKEN, PROOF, RECOVERY_LOGIN, PAGE_SESSION]).await?;
        self.transact(user, |account| Ok((account.reset(&cx), records.clone()))).await
    }

    /// An administrator lifts a lock, and whatever else of small records keeps the user out.
    pub async fn unlock(&self, user: &str, from: &Origination) -> Result<(), EngineError> {
        let cx = self.context(user, from);
        let unfinished = RecordChange::delete(UNFINISHED, user, Expected::Any);
        self.transact(user, |account| Ok((account.unlock(&cx), vec![unfinished.clone()]))).await
    }

    /// The user is deactivated: seeds, codes, pending states, sessions and tickets go.
    pub async fn forget(&self, user: &str, from: &Origination) -> Result<(), EngineError> {
        let cx = self.context(user, from);
        let mut records = self.session_deletions(user).await?;
        records.extend(
            self.ticket_deletions(
                user,
                &[LOGIN_TOKEN, PROOF, RECOVERY_LOGIN, PAGE_SESSION, NOTICE, TOLD, UNFINISHED, LOGIN_SEEN],
            )
            .await?,
        );
        self.transact(user, |account| Ok((account.forget(&cx), records.clone()))).await
    }

    /// The password changed: what was proved with the old one (sessions, login tokens, proofs) is worth nothing any more.
    pub async fn end_pending(&self, user: &str) -> Result<(), EngineError> {
        let mut records = self.session_deletions(user).await?;
        records.extend(self.ticket_deletions(user, &[LOGIN_TOKEN, PROOF, PAGE_SESSION]).await?);
        self.transact(user, |_account| {
            Ok((Transition { account: None, outcome: (), events: Vec::new() }, records.clone()))
        })
        .await
    }

    /// Decides and commits on behalf of whoever asks; a page's session is judged and moved on in the same commit.
    pub(crate) async fn change<O>(
        &self,
        user: &str,
        from: &Origination,
        mut decide: impl FnMut(&Account) -> Transition<O> + Send,
    ) -> Result<O, EngineError> {
        self.transact(user, |account| {
            self.judge_page(from, account)?;
            let transition = decide(account);
            let page = self.page_changes(from.page.as_ref(), transition.account.as_ref())?;
            Ok((transition, page))
        })
        .await
    }
}
