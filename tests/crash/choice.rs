//! What a person does next. Chance chooses, and only among requests that the person can make.

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};

use super::{
    model::{Code, Name, Proof, Purpose, Request, State},
    person::Person,
};
use crate::harness::STEP_MS;

/// Sessions of one kind that may live at once. The server ends the oldest above 16.
const SESSIONS: usize = 14;

/// The next request, or several at once.
pub fn next(person: &mut Person, chance: &mut StdRng, now: u64) -> Vec<Request> {
    let enrolled = person.states.iter().filter(|state| state.factor.is_some()).count();
    if enrolled == 0 {
        vec![without_factor(person, chance, now)]
    } else if enrolled < person.states.len() {
        vec![Request::Status]
    } else {
        with_factor(person, chance, now)
    }
}

fn without_factor(person: &mut Person, chance: &mut StdRng, now: u64) -> Request {
    let pending = any(person).alive(now).map(|pending| pending.seed).filter(|seed| person.has_seed(*seed));
    let fresh = person.fresh();
    match (pending, chance.random_range(0..10)) {
        (_, 0) => Request::Login { fresh },
        (None, _) | (_, 1) => Request::Begin { fresh },
        (Some(seed), 2..4) => Request::Confirm { seed, code: Code::Wrong, fresh },
        (Some(seed), _) => Request::Confirm { seed, code: Code::Step(now / STEP_MS - 1), fresh },
    }
}

fn with_factor(person: &mut Person, chance: &mut StdRng, now: u64) -> Vec<Request> {
    let fresh = person.fresh();
    let logins = sessions(person, Purpose::Login, now);
    let Some(&login) = logins.choose(chance) else { return vec![open(person, Purpose::Login, fresh, now)] };
    let at_login = |proof| Request::Finish { session: login, purpose: Purpose::Login, proof, fresh };
    let changes: Vec<_> = [Purpose::Regenerate, Purpose::Disable]
        .into_iter()
        .flat_map(|purpose| sessions(person, purpose, now).into_iter().map(move |session| (session, purpose)))
        .collect();
    let state = any(person).clone();
    let one = match chance.random_range(0..100) {
        0..24 => at_login(fresh_totp(person, now)),
        24..36 => at_login(totp(person, Code::Wrong)),
        36..42 => at_login(replay(person, now)),
        42..54 => at_login(fresh_recovery(person, chance)),
        54..60 => at_login(stale_recovery(person, chance)),
        60..66 => open(person, Purpose::Login, fresh, now),
        66..72 => {
            let purpose = if chance.random_range(0..3) == 0 { Purpose::Disable } else { Purpose::Regenerate };
            open(person, purpose, fresh, now)
        }
        72..76 => Request::Poll { session: login, purpose: Purpose::Login },
        76..92 => match changes.choose(chance) {
            None => open(person, Purpose::Disable, fresh, now),
            Some(&(session, purpose)) => change(person, chance, &state, session, purpose, fresh, now),
        },
        92..94 => return wrong_ones_at_once(person, &logins, fresh),
        _ => return together(person, chance, &logins, fresh, now),
    };
    vec![one]
}

/// The next request of a change; sometimes at the wrong endpoint, with everything else right.
fn change(
    person: &Person,
    chance: &mut StdRng,
    state: &State,
    session: Name,
    opened_for: Purpose,
    fresh: Name,
    now: u64,
) -> Request {
    let other = if opened_for == Purpose::Disable { Purpose::Regenerate } else { Purpose::Disable };
    let purpose = if chance.random_range(0..4) == 0 { other } else { opened_for };
    let passed = state.sessions.get(&session).is_some_and(|session| session.password_passed);
    if !passed {
        return Request::Password { session, purpose: opened_for };
    }
    let proof = match chance.random_range(0..4) {
        0 => fresh_recovery(person, chance),
        1 => totp(person, Code::Wrong),
        _ => fresh_totp(person, now),
    };
    Request::Finish { session, purpose, proof, fresh }
}

/// Two right factors at once in one session.
pub fn both(person: &Person, session: Name, chance: &mut StdRng, now: u64) -> Vec<Request> {
    let proofs = [fresh_totp(person, now), fresh_recovery(person, chance)];
    let finish = |proof| Request::Finish { session, purpose: Purpose::Login, proof, fresh: 0 };
    proofs.map(finish).to_vec()
}

/// Two right factors in one session; one code in two sessions; a recovery code beside a TOTP code.
fn together(person: &Person, chance: &mut StdRng, logins: &[Name], fresh: Name, now: u64) -> Vec<Request> {
    let finish = |session, proof| Request::Finish { session, purpose: Purpose::Login, proof, fresh };
    let (code, recovery) = (fresh_totp(person, now), fresh_recovery(person, chance));
    match *logins {
        [first, second, ..] => match chance.random_range(0..3) {
            0 => both(person, first, chance, now),
            1 => vec![finish(first, code), finish(second, code)],
            _ => vec![finish(first, totp(person, Code::Wrong)), finish(second, recovery)],
        },
        [only] => both(person, only, chance, now),
        [] => vec![Request::Devices],
    }
}

fn wrong_ones_at_once(person: &Person, logins: &[Name], fresh: Name) -> Vec<Request> {
    let proof = totp(person, Code::Wrong);
    let finish = |session: &Name| Request::Finish { session: *session, purpose: Purpose::Login, proof, fresh };
    logins.iter().take(3).map(finish).collect()
}

/// Opens a session, unless there are too many already.
pub fn open(person: &Person, purpose: Purpose, fresh: Name, now: u64) -> Request {
    let login = |session: &super::model::Session| session.purpose == Purpose::Login;
    let live =
        |state: &State| state.live(now).filter(|(_, session)| login(session) == (purpose == Purpose::Login)).count();
    if person.states.iter().map(live).max().unwrap_or_default() + person.lost >= SESSIONS {
        return Request::Devices;
    }
    if purpose == Purpose::Login { Request::Login { fresh } } else { Request::Open { purpose, fresh } }
}

/// Sessions of which the person knows that they live.
pub fn sessions(person: &Person, purpose: Purpose, now: u64) -> Vec<Name> {
    let state = any(person);
    let fits = |session: &super::model::Session| session.purpose == purpose;
    let known = state.live(now).filter(|(name, session)| fits(session) && person.has_session(**name));
    known.map(|(name, _)| *name).collect()
}

/// A code of a step that was never shown, if there is one.
pub fn fresh_totp(person: &Person, now: u64) -> Proof {
    let present = now / STEP_MS;
    let used =
        person.states.iter().filter_map(|state| Some(state.factor.as_ref()?.last_step)).max().unwrap_or_default();
    totp(person, Code::Step((used + 1).max(present - 1).min(present + 1)))
}

/// The code that was used last, if the server still looks at its step.
pub fn replay(person: &Person, now: u64) -> Proof {
    let used = any(person).factor.as_ref().map_or(0, |factor| factor.last_step);
    let near = used.abs_diff(now / STEP_MS) <= 1;
    totp(person, if near { Code::Step(used) } else { Code::Wrong })
}

pub fn totp(person: &Person, code: Code) -> Proof {
    Proof::Totp(any(person).factor.as_ref().map_or(0, |factor| factor.seed), code)
}

fn fresh_recovery(person: &Person, chance: &mut StdRng) -> Proof {
    recovery(person, chance, false)
}

/// A recovery code that was spent, or one of no set.
pub fn stale_recovery(person: &Person, chance: &mut StdRng) -> Proof {
    recovery(person, chance, true)
}

fn recovery(person: &Person, chance: &mut StdRng, spent: bool) -> Proof {
    let Some(codes) = &any(person).codes else { return Proof::Recovery(0, None) };
    let places: Vec<usize> = (0..10).filter(|place| codes.spent.contains(place) == spent).collect();
    let place = places.choose(chance).copied().filter(|_| person.has_codes(codes.set));
    Proof::Recovery(codes.set, place)
}

fn any(person: &Person) -> &State {
    person.states.first().expect("there is always one")
}
