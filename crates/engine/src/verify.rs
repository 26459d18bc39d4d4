//! Checking a second factor, charged and durable before anybody learns the outcome.

use matrix_2fa_core::{
    Account, IssuedCode, RecoveryCode, RecoverySet, Stage, Timestamp, TotpCode,
    account::{OpenedSeed, ReserveOutcome, SettleOutcome, TotpOutcome},
};
use matrix_2fa_store::{RecordChange, StoreError};

use crate::{Engine, EngineError, Origination, numbers, timing::time_of};

/// What a code led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right. Its step is burnt or the code is spent, and everything that was to join the commit happened.
    Verified,
    /// Wrong, replayed, or of a shape that no factor has: one answer.
    Wrong,
    /// Nothing was evaluated; come back at this moment.
    Wait(Timestamp),
    /// Every authenticator is locked; nothing was evaluated.
    Locked,
    /// The account has no such factor.
    NotEnrolled,
}

impl Engine {
    /// Checks `code` as `stage`. `on_success` joins the commit that makes the code used: the session is consumed, or a proof is written,
    /// in the same durable step.
    pub async fn verify(
        &self,
        user: &str,
        from: &Origination,
        stage: Stage,
        code: &str,
        on_success: Vec<RecordChange>,
    ) -> Result<Verdict, EngineError> {
        let verdict = match stage {
            Stage::Totp => self.verify_totp(user, from, code, on_success).await,
            Stage::Recovery => self.verify_recovery(user, from, code, on_success).await,
            Stage::Password | Stage::Token | Stage::Dummy | Stage::Sso => Ok(Verdict::NotEnrolled),
        };
        numbers::attempt(stage, &verdict);
        let verdict = verdict?;
        if !matches!(verdict, Verdict::Verified | Verdict::NotEnrolled) {
            self.expect_factor(user, from.client).await?;
        }
        tracing::debug!(user.id = user, ?stage, outcome = ?verdict, "second factor checked");
        Ok(verdict)
    }

    async fn verify_totp(
        &self,
        user: &str,
        from: &Origination,
        code: &str,
        on_success: Vec<RecordChange>,
    ) -> Result<Verdict, EngineError> {
        let _turn = self.gate.enter(user).await;
        let code = TotpCode::parse(code);
        let mut timed = None;
        let outcome = self
            .transact(user, |account| {
                // After the load, which brought the time of a store that has a clock of its own.
                let cx = self.context(user, from);
                let seeds = self.opened_seeds(user, account)?;
                let transition = account.verify_totp(&cx, code.as_ref(), &seeds);
                timed =
                    time_of(account, &transition.outcome, transition.account.as_ref(), code.as_ref(), &seeds, cx.now);
                let verified = transition.outcome == TotpOutcome::Verified;
                Ok((transition, if verified { on_success.clone() } else { Vec::new() }))
            })
            .await?;
        if let Some(timed) = timed {
            self.timing.learn(user, timed);
        }
        Ok(match outcome {
            TotpOutcome::Verified => Verdict::Verified,
            TotpOutcome::Wrong | TotpOutcome::Replayed => Verdict::Wrong,
            TotpOutcome::Wait(until) => Verdict::Wait(until),
            TotpOutcome::Locked => Verdict::Locked,
            TotpOutcome::NotEnrolled => Verdict::NotEnrolled,
        })
    }

    /// Reserve by a swap, hash, settle by a swap: the try is charged before it costs anything, and one hash is in flight an account.
    async fn verify_recovery(
        &self,
        user: &str,
        from: &Origination,
        code: &str,
        on_success: Vec<RecordChange>,
    ) -> Result<Verdict, EngineError> {
        if let Some(code) = IssuedCode::parse(code) {
            return self.verify_issued(user, from, &code, on_success).await;
        }
        let Some(code) = RecoveryCode::parse(code) else { return Ok(Verdict::Wrong) };
        // A task of its own: a client that hangs up meanwhile must not leave a charge that nobody settles.
        let (engine, user, from) = (self.clone(), user.to_owned(), from.clone());
        let task = tokio::spawn(async move { engine.reserve_hash_settle(&user, &from, code, on_success).await });
        task.await.map_err(|error| StoreError::Unavailable(Box::new(error)))?
    }

    async fn reserve_hash_settle(
        &self,
        user: &str,
        from: &Origination,
        code: RecoveryCode,
        on_success: Vec<RecordChange>,
    ) -> Result<Verdict, EngineError> {
        let _turn = self.gate.enter_slow(user).await;
        let id = self.reservation_id();
        let reserve = |account: &Account| account.reserve_recovery(&self.context(user, from), id);
        match self.transact(user, |account| Ok((reserve(account), Vec::new()))).await? {
            ReserveOutcome::Reserved => {}
            ReserveOutcome::Wait(until) => return Ok(Verdict::Wait(until)),
            ReserveOutcome::NotEnrolled => return Ok(Verdict::NotEnrolled),
        }
        let settled = self.hash_and_settle(user, from, id, code, on_success).await;
        if !matches!(settled, Ok(SettleOutcome::Verified { .. } | SettleOutcome::Wrong | SettleOutcome::Replayed)) {
            // Nothing was decided: the reservation goes, so that it does not block the next try.
            self.transact(user, |account| Ok((account.abandon_recovery(id), Vec::new()))).await?;
        }
        Ok(match settled? {
            SettleOutcome::Verified { .. } => Verdict::Verified,
            // A set that was replaced while its code was hashed is dead, and so is the code.
            SettleOutcome::Wrong | SettleOutcome::Replayed | SettleOutcome::Stale => Verdict::Wrong,
        })
    }

    async fn hash_and_settle(
        &self,
        user: &str,
        from: &Origination,
        id: u64,
        code: RecoveryCode,
        on_success: Vec<RecordChange>,
    ) -> Result<SettleOutcome, EngineError> {
        let account = self.account(user).await?;
        let Some(RecoverySet { salt, params, .. }) = account.recovery() else { return Ok(SettleOutcome::Stale) };
        let Some(digest) = self.checks.place(user)?.hash_codes(vec![code], *salt, *params).await?.pop() else {
            return Ok(SettleOutcome::Stale);
        };
        self.transact(user, |account| {
            let transition = account.settle_recovery(&self.context(user, from), id, salt, &digest);
            let verified = matches!(transition.outcome, SettleOutcome::Verified { .. });
            Ok((transition, if verified { on_success.clone() } else { Vec::new() }))
        })
        .await
    }

    fn opened_seeds(&self, user: &str, account: &Account) -> Result<Vec<OpenedSeed>, EngineError> {
        let open = |authenticator: &matrix_2fa_core::Authenticator| {
            let seed = self.keys.open(user, &authenticator.id, &authenticator.seed)?;
            Ok(OpenedSeed { id: authenticator.id.clone(), seed })
        };
        account.authenticators().iter().filter(|authenticator| authenticator.locked_at.is_none()).map(open).collect()
    }

    fn reservation_id(&self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }
}
