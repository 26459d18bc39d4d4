//! Codes that an administrator issues to somebody who lost every factor. The code leaves the server once, to the administrator; what is kept
//! is a keyed digest.

use std::time::Duration;

use matrix_2fa_core::{
    Account, Timestamp,
    account::{ChangeRefused, IssuedOutcome},
    issued::{ISSUED_BYTES, Issued, IssuedCode, LONGEST},
    secret::RecoveryDigest,
};
use matrix_2fa_store::RecordChange;
use zeroize::Zeroizing;

use crate::{Engine, EngineError, Origination, policy::by, verify::Verdict};

impl Engine {
    /// Issues a code that is good once, in place of a recovery code, for `lifetime` (a day at most). One that was issued before dies.
    pub async fn issue_code(
        &self,
        user: &str,
        author: &str,
        lifetime: Duration,
    ) -> Result<Result<(IssuedCode, Timestamp), ChangeRefused>, EngineError> {
        let mut bytes = Zeroizing::new([0; ISSUED_BYTES]);
        self.random.fill(bytes.as_mut());
        let code = IssuedCode::from_random(*bytes);
        let cx = self.context(user, &by("issue-code", author));
        let expires_at = cx.now.plus(lifetime.min(LONGEST));
        let digest = self.issued_digest(user, &code);
        let issued = Issued { digest, author: author.to_owned(), at: cx.now, expires_at };
        let issue = |account: &Account| Ok((account.issue_code(&cx, issued.clone()), Vec::new()));
        Ok(self.transact(user, issue).await?.map(|()| (code, expires_at)))
    }

    pub(crate) async fn verify_issued(
        &self,
        user: &str,
        from: &Origination,
        code: &IssuedCode,
        on_success: Vec<RecordChange>,
    ) -> Result<Verdict, EngineError> {
        let _turn = self.gate.enter(user).await;
        let digest = self.issued_digest(user, code);
        let outcome = self
            .transact(user, |account| {
                let transition = account.verify_issued(&self.context(user, from), &digest);
                let verified = transition.outcome == IssuedOutcome::Verified;
                Ok((transition, if verified { on_success.clone() } else { Vec::new() }))
            })
            .await?;
        Ok(match outcome {
            IssuedOutcome::Verified => Verdict::Verified,
            IssuedOutcome::Wrong => Verdict::Wrong,
            IssuedOutcome::Wait(until) => Verdict::Wait(until),
            IssuedOutcome::NotEnrolled => Verdict::NotEnrolled,
        })
    }

    /// Bound to the user: a row that was copied to another account is no code there.
    fn issued_digest(&self, user: &str, code: &IssuedCode) -> RecoveryDigest {
        let bytes = [user.as_bytes(), b"\0", code.expose()].concat();
        RecoveryDigest::from_bytes(self.keys.digest("issued-code", &bytes))
    }
}
