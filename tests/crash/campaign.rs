//! Rounds: people work, the server dies at a random moment, comes back over the same data, and is asked about everything.

use std::{path::Path, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    choice,
    model::{Code, Purpose, Request, Saw},
    person::{Person, Violation},
};
use crate::harness::{MINUTE_MS, Needs, Server};

/// Threads of clients, and the people of each.
const WORKERS: usize = 3;
const PEOPLE: usize = 2;

/// The longest that a server works before it is killed. What counts is that the moment is random: a request takes 1 to 300 ms.
const WORK: Duration = Duration::from_millis(500);

/// Wrong codes after which somebody new takes the place.
const RETIRE: u32 = 60;

/// What to do, and how often.
pub struct Campaign<'a> {
    pub binary: &'a Path,
    /// `MATRIX_2FA_*` variables: another database, or a fault.
    pub settings: &'a [(&'a str, &'a str)],
    pub kills: u32,
    pub seed: u64,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    pub kills: u32,
    pub requests: usize,
    pub in_flight: usize,
    pub people: usize,
    pub resets: u32,
}

/// A violation, after so many kills.
pub type Found = (Violation, u32);

impl Campaign<'_> {
    /// Kills until all is done or something is wrong.
    pub fn run(&self) -> Result<Report, Found> {
        let server = Server::launch(self.binary, Needs::Settings(self.settings));
        let mut chance = StdRng::seed_from_u64(self.seed);
        let mut now = server.now_ms();
        let mut report = Report::default();
        let register = |report: &mut Report| {
            report.people += 1;
            Person::register(&server)
        };
        let mut teams: Vec<Vec<Person>> =
            (0..WORKERS).map(|_| (0..PEOPLE).map(|_| register(&mut report)).collect()).collect();
        while report.kills < self.kills {
            let killed = report.kills;
            let found = |violation| (violation, killed);
            let life = Duration::from_micros(chance.random_range(0..WORK.as_micros() as u64));
            let done = self.work_until_killed(&server, &mut teams, life, chance.random(), now).map_err(found)?;
            report.kills += 1;
            report.requests += done.0;
            report.in_flight += done.1;
            let killed = report.kills;
            let found = |violation| (violation, killed);
            if chance.random_range(0..5) == 0 {
                let person = &mut teams[chance.random_range(0..WORKERS)][chance.random_range(0..PEOPLE)];
                self.reset(&server, person, &mut chance, now).map_err(found)?;
                report.resets += 1;
            }
            if chance.random_range(0..6) == 0 {
                server.start_and_kill(Duration::from_millis(chance.random_range(0..150)));
                report.kills += 1;
            }
            server.restart();
            server.set_clock(now);
            report.requests += self.check(&mut teams, chance.random(), now).map_err(found)?;
            for person in teams.iter_mut().flatten().filter(|person| person.wrong > RETIRE) {
                *person = register(&mut report);
            }
            // The steps of codes are used up; sessions, enrollments and waits end some time.
            now += match chance.random_range(0..20) {
                0 => 70 * MINUTE_MS,
                1..3 => 11 * MINUTE_MS,
                _ => 90_000,
            };
            server.set_clock(now);
        }
        Ok(report)
    }

    /// Returns what was sent, and how many answers did not come.
    fn work_until_killed(
        &self,
        server: &Server,
        teams: &mut [Vec<Person>],
        life: Duration,
        seed: u64,
        now: u64,
    ) -> Result<(usize, usize), Violation> {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (seed..)
                .zip(teams)
                .map(|(seed, team)| scope.spawn(move || work(team, &mut StdRng::seed_from_u64(seed), now)))
                .collect();
            pause(life);
            server.kill_9();
            let mut done = (0, 0);
            for worker in workers {
                let (sent, lost) = worker.join().expect("no panic")?;
                done = (done.0 + sent, done.1 + lost);
            }
            Ok(done)
        })
    }

    /// `admin reset` of a stopped server, killed in the middle or not.
    fn reset(&self, server: &Server, person: &mut Person, chance: &mut StdRng, now: u64) -> Result<(), Violation> {
        let patience = chance.random_bool(0.5).then(|| Duration::from_millis(chance.random_range(0..200)));
        let saw = server.admin_reset(person.id(), patience).then_some(Saw::Done);
        person.see(&[(Request::Reset, saw)], now)
    }

    /// Everything that can be asked is asked.
    fn check(&self, teams: &mut [Vec<Person>], seed: u64, now: u64) -> Result<usize, Violation> {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (seed..)
                .zip(teams)
                .map(|(seed, team)| {
                    scope.spawn(move || {
                        let mut chance = StdRng::seed_from_u64(seed);
                        team.iter_mut().map(|person| check_person(person, &mut chance, now)).sum::<Result<usize, _>>()
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().expect("no panic")).sum()
        })
    }
}

/// A person after the other, until the server is gone.
fn work(team: &mut [Person], chance: &mut StdRng, now: u64) -> Result<(usize, usize), Violation> {
    let mut sent = 0;
    loop {
        let person = &mut team[chance.random_range(0..PEOPLE)];
        let requests = choice::next(person, chance, now);
        sent += requests.len();
        if !person.act(&requests, now)? {
            return Ok((sent, requests.len()));
        }
    }
}

/// What a restart must not have changed.
fn check_person(person: &mut Person, chance: &mut StdRng, now: u64) -> Result<usize, Violation> {
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

#[track_caller]
fn alive(answered: bool) {
    assert!(answered, "the server died by itself");
}

/// When the server dies is the one thing that must not follow from what it answers.
#[expect(clippy::disallowed_methods, reason = "a kill at a random moment needs one")]
fn pause(life: Duration) {
    std::thread::sleep(life);
}
