//! What is asked after a restart, and answered by a live server.

use rand::{RngExt, rngs::StdRng};

use super::{
    choice,
    model::{Code, Purpose, Request},
    person::{Person, Violation},
};

/// What a restart must not have changed.
pub fn person(person: &mut Person, chance: &mut StdRng, now: u64) -> Result<usize, Violation> {
    let mut sent = 2;
    alive(person.act(&[Request::Status], now)?);
    alive(person.act(&[Request::Devices], now)?);
    let tokens: Vec<String> = person.tokens.iter().rev().take(5).cloned().collect();
    alive(person.check_tokens(&tokens)?);
    for purpose in [Purpose::Login, Purpose::Regenerate, Purpose::Disable] {
        for session in choice::sessions(person, purpose, now).into_iter().rev().take(3) {
            alive(person.act(&[Request::Poll { session, purpose }], now)?);
            sent += 1;
        }
    }
    let enrolled = person.states.iter().all(|state| state.factor.is_some());
    if let Some(&session) = choice::sessions(person, Purpose::Login, now).first().filter(|_| enrolled) {
        let finish = |proof| Request::Finish { session, purpose: Purpose::Login, proof, fresh: 0 };
        let mut requests = vec![finish(choice::replay(person, now))];
        if chance.random_range(0..4) == 0 {
            // Two right factors at once make one login.
            let both = choice::both(person, session, chance, now);
            alive(person.act(&both, now)?);
            sent += both.len();
        }
        if chance.random_range(0..3) == 0 {
            sent += try_elsewhere(person, chance, now)?;
        }
        if chance.random_range(0..4) == 0 {
            requests.push(finish(choice::stale_recovery(person, chance)));
        }
        if chance.random_range(0..4) == 0 {
            // Wrong ones until the wait shows how many there were.
            let waits = |person: &Person| person.states.iter().all(|state| state.totp.run >= 5);
            for _ in 0..6 {
                if !waits(person) {
                    alive(person.act(&[finish(choice::totp(person, Code::Wrong))], now)?);
                    sent += 1;
                }
            }
            requests.push(finish(choice::totp(person, Code::Wrong)));
        }
        for request in requests {
            alive(person.act(&[request], now)?);
            sent += 1;
        }
    }
    Ok(sent)
}

/// A session at the wrong endpoint, with everything else right.
fn try_elsewhere(person: &mut Person, chance: &mut StdRng, now: u64) -> Result<usize, Violation> {
    let (opened_for, other) = (Purpose::Regenerate, Purpose::Disable);
    let fresh = person.fresh();
    let sessions = choice::sessions(person, opened_for, now);
    let Some(&session) = sessions.first() else {
        alive(person.act(&[choice::open(person, opened_for, fresh, now)], now)?);
        return Ok(1);
    };
    alive(person.act(&[Request::Password { session, purpose: opened_for }], now)?);
    for purpose in [other, if chance.random_bool(0.5) { opened_for } else { other }] {
        let proof = choice::fresh_totp(person, now);
        alive(person.act(&[Request::Finish { session, purpose, proof, fresh }], now)?);
    }
    Ok(3)
}

/// Nobody killed it.
#[track_caller]
pub fn alive(answered: bool) {
    assert!(answered, "the server died by itself");
}
