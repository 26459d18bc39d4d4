//! Browsers that a user has proved a second factor in before. What they keep stands in for no proof: it is read after the right password, and
//! all that it does is that their sign-ins make no room for those of others who know the password (decision 0072).

use std::time::Duration;

use http::HeaderValue;
use subtle::ConstantTimeEq;

use super::{Site, visitor::Visitor};
use crate::TwoFactor;

const DAY: u64 = 24 * 60 * 60;

/// How long a browser is known after the last proof.
const LIFETIME: Duration = Duration::from_secs(180 * DAY);

/// What this browser is to keep from now on.
pub(super) fn cookie(module: &TwoFactor, site: &Site, user: &str) -> HeaderValue {
    let day = module.engine().now().as_secs() / DAY;
    let seconds = i64::try_from(LIFETIME.as_secs()).unwrap_or_default();
    site.cookie(&name(module, user), &format!("{day}.{}", mark(module, user, day)), seconds)
}

/// Does this browser keep what [`cookie`] made for this user, and not for too long?
pub(super) fn is_known(module: &TwoFactor, site: &Site, visitor: &Visitor, user: &str) -> bool {
    let kept = visitor.cookie(site, &name(module, user)).unwrap_or_default();
    let Some((day, given)) = kept.split_once('.') else { return false };
    let Ok(day) = day.parse::<u64>() else { return false };
    let age = (module.engine().now().as_secs() / DAY).checked_sub(day);
    let is_live = age.is_some_and(|days| days < LIFETIME.as_secs() / DAY);
    is_live && bool::from(given.as_bytes().ct_eq(mark(module, user, day).as_bytes()))
}

/// One for each user of a browser, without their name in it.
fn name(module: &TwoFactor, user: &str) -> String {
    let digest = data_encoding::HEXLOWER.encode(&module.engine().keys().digest("known-browser-of", user.as_bytes()));
    format!("seen-{}", digest.get(..16).unwrap_or_default())
}

fn mark(module: &TwoFactor, user: &str, day: u64) -> String {
    let bytes = [&day.to_be_bytes()[..], user.as_bytes()].concat();
    data_encoding::HEXLOWER.encode(&module.engine().keys().digest("known-browser", &bytes))
}
