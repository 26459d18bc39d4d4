//! The probe: is this the password, and whose? Its login is ended before anybody hears of it.

use std::{
    hash::{BuildHasher, RandomState},
    sync::PoisonError,
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use matrix_2fa::{ApiError, homeserver::HostError};
use serde_json::Value;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::UpstreamHomeserver;
use crate::{
    calls::{Answer, Login, Unexpected, unavailable},
    scope,
};

/// Places in which the probes of one name queue.
const PLACES: usize = 1024;

/// Probes of one place that may wait for their turn; more are answered 429.
const WAITING: usize = 64;

/// One probe of a name at a time: who sends thousands of passwords for an account at once makes the upstream hash one after the other, and
/// locks nobody out.
pub(crate) struct Turns {
    places: Vec<Place>,
    hasher: RandomState,
}

struct Place {
    turn: Semaphore,
    queue: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        let place = || Place { turn: Semaphore::new(1), queue: Semaphore::new(WAITING) };
        Self { places: std::iter::repeat_with(place).take(PLACES).collect(), hasher: RandomState::new() }
    }
}

impl Turns {
    async fn take<T>(&self, name: &str, answer: impl Future<Output = T>) -> Result<T, HostError> {
        let crowded = || HostError::Overloaded { retry_after: Duration::from_secs(1) };
        let index = usize::try_from(self.hasher.hash_one(name)).unwrap_or_default() % PLACES;
        let place = self.places.get(index).ok_or_else(crowded)?;
        let _waiting = place.queue.try_acquire().map_err(|_full| crowded())?;
        let _turn = place.turn.acquire().await.map_err(|_closed| crowded())?;
        Ok(answer.await)
    }
}

/// What the upstream said to a password.
pub(crate) enum Probe {
    /// It is that of the user who has this name here. `None`: of one who takes no part.
    Right(Option<String>),
    /// It is not; in the upstream's own words.
    Wrong(ApiError),
}

impl UpstreamHomeserver {
    /// Asks the upstream. A right password is remembered for the real login.
    pub(crate) async fn probe(&self, identifier: &Value, password: &str) -> Result<Probe, HostError> {
        let (upstream, asked, secret) =
            (self.upstream.clone(), identifier.clone(), Zeroizing::new(password.to_owned()));
        let (checks, leftovers) = (self.checks.clone(), self.leftovers.clone());
        // A client that hangs up ends this future, and must not leave a login behind.
        let probe = scope::to_the_end(async move {
            let running = checks.begin_check(asked, &secret).await?;
            let answer = running.ask(HeaderMap::new()).await?;
            let login = Login::of(&answer);
            if let Some(user) = login.as_ref().and_then(|login| login.user.as_ref()) {
                leftovers.end(&upstream, user, &secret, &answer).await;
            }
            running.end(&answer).await;
            Ok::<_, HostError>((answer, login))
        });
        let (answer, login) = self.turns.take(&identifier.to_string(), probe).await???;
        match login.and_then(|login| login.user) {
            Some(id) => {
                let user = self.spellings.ours(&id).await?;
                if let Some(user) = &user {
                    self.sealed.keep(user, password);
                }
                Ok(Probe::Right(user))
            }
            None => self.wrong(answer),
        }
    }

    fn wrong(&self, answer: Answer) -> Result<Probe, HostError> {
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS => Err(HostError::Answered(answer.refusal())),
            status if status.is_client_error() && answer.body.is_some() => {
                if status == StatusCode::FORBIDDEN && answer.string("errcode") == Some("M_FORBIDDEN") {
                    *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.clone());
                }
                Ok(Probe::Wrong(answer.refusal()))
            }
            status => Err(unavailable(Unexpected { what: "a password check", status: status.as_u16() })),
        }
    }
}
