//! `/_matrix-2fa/account`: where people see and change their second factors.
//!
//! 1. Signing in is a [visit](super::sign_in) whose goal is this page. At its end the session moves to the cookie `account`: a new value, good
//!    for an hour, whatever is done with it.
//! 2. [`Owner::find`] asks at every request whether that session still stands: a changed password, a logout of all devices, or a factor that was
//!    changed anywhere else ends it. Then GET leads to signing in, and POST to a page that says so.
//! 3. Everything that changes something is a POST to a [`Place`]. [`submit`] is the one door for all of them: the form must be ours and made
//!    for this cookie and this place, and the proof (the password, and the second factor if there is one) at most ten minutes old. Older,
//!    and [`Place::Prove`] asks for both again and then goes on.
//! 4. What was proved goes into the transition ([`Proof`](matrix_2fa_core::Proof)), which judges it in the value that it changes. A recovery
//!    code is as much as a login with one: it replaces authenticators and renews codes, and nothing else.
//! 5. The commit of a change moves this session on too, so that of two submissions of one form one happens; and it is judged there once more
//!    whether others changed the factors meanwhile (decision 0042).

mod change;
mod forms;
mod history;
mod overview;
mod owner;
mod place;

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use matrix_2fa_core::Timestamp;

pub(super) use owner::COOKIE;

use self::{owner::Owner, place::Place};
use super::{ACCOUNT, sign_in, trouble::Trouble, visitor::Visitor};
use crate::TwoFactor;

/// A moment, for people.
pub(super) fn moment(at: Timestamp) -> String {
    history::When::at(at).text
}

pub(super) async fn show(State(module): State<Arc<TwoFactor>>, visitor: Visitor) -> Response {
    let Some(site) = module.site() else { return StatusCode::NOT_FOUND.into_response() };
    let made = async {
        let place = Place::parse(visitor.path()).ok_or(Trouble::NotFound)?;
        match Owner::find(&module, site, &visitor).await? {
            Some(owner) => owner.show(place).await,
            None => sign_in::open_account(&module, site, &visitor).await,
        }
    };
    visitor.answer_at(site, made.await, ACCOUNT)
}

pub(super) async fn submit(State(module): State<Arc<TwoFactor>>, visitor: Visitor) -> Response {
    let Some(site) = module.site() else { return StatusCode::NOT_FOUND.into_response() };
    let made = async {
        visitor.must_be_ours()?;
        let place = Place::parse(visitor.path()).ok_or(Trouble::NotFound)?;
        let owner = Owner::find(&module, site, &visitor).await?.ok_or(Trouble::SignedOut)?;
        owner.must_come_from(&place)?;
        owner.submit(place).await
    };
    visitor.answer_at(site, made.await, ACCOUNT)
}
