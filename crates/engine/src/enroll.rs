//! Adding an authenticator: the server chooses the secret, a right code confirms it.

use std::fmt;

use matrix_2fa_core::{
    Account, Authenticator, Params, RecoveryCode, RecoverySet, Seed, Timestamp, TotpCode,
    account::{BeginRefused, Confirmation, NewAuthenticator, OpenedSeed},
    recovery::{CODE_BYTES, CODES},
    totp::otpauth_uri,
};
use zeroize::Zeroizing;

use crate::{Engine, EngineError, Origination, hashing::Place};

/// A new, still pending authenticator. The only place where its secret ever leaves the server.
pub struct Enrollment {
    /// Name it in the confirmation.
    pub id: String,
    /// The secret. `Debug` prints nothing of it.
    pub seed: Seed,
    /// How the authenticator must make codes.
    pub params: Params,
    /// The otpauth URI, for a QR code or a link.
    pub uri: Zeroizing<String>,
    /// When it dies unconfirmed.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Enrollment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URI holds the seed, and `Zeroizing` prints what it wipes.
        f.debug_struct("Enrollment").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a confirmation led to.
#[derive(Debug)]
pub enum Confirmed {
    /// The authenticator counts. `recovery` are the codes, shown this once, if it is the account's first factor.
    Yes {
        /// As stored.
        authenticator: Box<Authenticator>,
        /// The fresh codes.
        recovery: Option<Vec<RecoveryCode>>,
    },
    /// A wrong code.
    Wrong {
        /// It was one too many: begin again.
        discarded: bool,
    },
    /// No such pending enrollment of this access token.
    Unknown,
}

impl Engine {
    /// Begins an enrollment for the holder of `token`.
    pub async fn enroll(
        &self,
        user: &str,
        from: &Origination,
        token: &str,
        name: &str,
    ) -> Result<Result<Enrollment, BeginRefused>, EngineError> {
        let mut secret = Zeroizing::new([0; Seed::LEN]);
        self.random.fill(secret.as_mut());
        let seed = Seed::from_bytes(secret.to_vec());
        let id = self.fresh_id();
        self.keys.refresh(&*self.store).await?;
        let new = NewAuthenticator {
            id: id.clone(),
            name: name.to_owned(),
            seed: self.keys.seal(user, &id, &seed, &*self.random)?,
            bound_to: self.token_digest(token),
        };
        let cx = self.context(user, from);
        let judge = self.judge(user).await?;
        let begin = |account: &Account| account.begin_enrollment(&cx, judge.policy(account, cx.now), new.clone());
        let begun = self.change(user, from, begin).await?;
        Ok(begun.map(|pending| Enrollment {
            id,
            uri: Zeroizing::new(otpauth_uri(&self.settings.issuer, user, &seed, pending.params)),
            seed,
            params: pending.params,
            expires_at: pending.expires_at,
        }))
    }

    /// Takes a pending enrollment back: what was proved for it was worth nothing any more.
    pub async fn discard(&self, user: &str, id: &str) -> Result<(), EngineError> {
        self.transact(user, |account| Ok((account.discard_enrollment(id), Vec::new()))).await
    }

    /// Confirms the pending enrollment `id` with a code of it.
    pub async fn confirm(
        &self,
        user: &str,
        from: &Origination,
        token: &str,
        id: &str,
        code: &str,
    ) -> Result<Confirmed, EngineError> {
        let _turn = self.gate.enter_slow(user).await;
        let bound_to = self.token_digest(token);
        let code = TotpCode::parse(code);
        let account = self.account(user).await?;
        let decide = |account: &Account, set: Option<RecoverySet>| {
            self.judge_page(from, account)?;
            let cx = self.context(user, from);
            let seed = match account.confirmable(&cx, id, &bound_to) {
                Some(pending) => self.keys.open(user, id, &pending.seed)?,
                None => Seed::from_bytes(Vec::new()),
            };
            let opened = OpenedSeed { id: id.to_owned(), seed };
            Ok::<_, EngineError>(account.confirm(&cx, &bound_to, &opened, code.as_ref(), set))
        };
        // The commit that confirms a first factor must carry its recovery codes, and their hashing is slow: only for a right code.
        let first = matches!(decide(&account, None)?.outcome, Confirmation::Confirmed { first: true, .. });
        let fresh =
            if first { Some(self.fresh_recovery_set(self.now(), self.renewal_place(user)?).await?) } else { None };
        let set = fresh.as_ref().map(|(set, _)| set);
        let decided = |account: &Account| {
            let transition = decide(account, set.cloned())?;
            let confirmed = matches!(transition.outcome, Confirmation::Confirmed { .. });
            let step = from.page.as_ref().filter(|_| confirmed);
            let page = self.page_changes(step, transition.account.as_ref())?;
            Ok((transition, page))
        };
        let confirmation = self.transact(user, decided).await?;
        Ok(match confirmation {
            Confirmation::Confirmed { authenticator, first } => {
                let recovery = fresh.filter(|_| first).map(|(_, codes)| codes);
                Confirmed::Yes { authenticator, recovery }
            }
            Confirmation::Wrong { discarded } => Confirmed::Wrong { discarded },
            Confirmation::Unknown => Confirmed::Unknown,
        })
    }

    /// Ten fresh codes and the set that knows them.
    pub(crate) async fn fresh_recovery_set(
        &self,
        now: Timestamp,
        place: Place,
    ) -> Result<(RecoverySet, Vec<RecoveryCode>), EngineError> {
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        let fresh = || {
            let mut bytes = Zeroizing::new([0; CODE_BYTES]);
            self.random.fill(bytes.as_mut());
            RecoveryCode::from_random(*bytes)
        };
        let codes: Vec<_> = (0..CODES).map(|_| fresh()).collect();
        let params = self.settings.hash_params;
        let digests = place.hash_codes(codes.clone(), salt, params).await?;
        Ok((RecoverySet::new(salt, params, now, digests), codes))
    }
}
