//! The password stage, with a code at its end or without.

use std::{net::IpAddr, num::NonZeroU32};

use matrix_2fa_core::{Account, Stage};
use zeroize::Zeroizing;

use crate::{ApiError, TwoFactor, password};

/// What a password field turned out to be.
pub(crate) enum PasswordCheck {
    /// Wrong, or an unknown user.
    Wrong,
    /// The user's password.
    Right,
    /// The user's password followed by what looks like a code, which was not evaluated yet. Only for users who have a factor.
    WithCode { stage: Stage, code: Zeroizing<String> },
}

impl TwoFactor {
    /// Checks a password that was typed on a page: it counts for the client's address, and its owner hears of it if no second factor follows.
    pub(crate) async fn check_page_password(
        &self,
        user: &str,
        password: &str,
        client: Option<IpAddr>,
    ) -> Result<bool, ApiError> {
        self.admit(client)?;
        let right = self.host.verify_password(user, password).await?;
        if right {
            self.engine.expect_factor(user, client).await?;
        }
        Ok(right)
    }

    /// Checks a password field. Two checks whenever its tail has the shape of a code, else one, whoever the user is; each counts for the
    /// client's address.
    pub(crate) async fn check_password(
        &self,
        user: &str,
        field: &str,
        client: Option<IpAddr>,
    ) -> Result<PasswordCheck, ApiError> {
        let account =
            if self.settings.password_and_code { self.engine.account(user).await? } else { Account::default() };
        let split = password::split(field, &account).filter(|_| self.settings.password_and_code);
        self.admit_tries(client, NonZeroU32::MIN.saturating_add(split.is_some().into()))?;
        let whole = self.host.verify_password(user, field).await?;
        let prefix = match &split {
            Some(split) => self.host.verify_password(user, split.password).await?,
            None => false,
        };
        if whole {
            self.engine.expect_factor(user, client).await?;
        }
        Ok(match split {
            _ if whole => PasswordCheck::Right,
            Some(split) if prefix && account.is_enrolled() => {
                PasswordCheck::WithCode { stage: split.stage, code: Zeroizing::new(split.code.to_owned()) }
            }
            _ => PasswordCheck::Wrong,
        })
    }
}
