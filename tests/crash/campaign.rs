//! Rounds: people work, the server or its database dies at a random moment, comes back over the same data, and is asked about everything.

use std::{
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use matrix_2fa_store_postgres::cluster::Cluster;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    check::{self, alive},
    choice,
    model::{Proof, Request, Saw},
    person::{Person, Violation},
};
use crate::harness::{MINUTE_MS, Needs, Server};

/// Threads of clients, and the people of each.
const WORKERS: usize = 3;
const PEOPLE: usize = 2;

/// The longest that a server works before it is killed; a request takes 1 to 300 ms.
const WORK: Duration = Duration::from_millis(600);

/// Requests of each person before the first kill.
const WARM_UP: u32 = 6;

/// Wrong codes after which somebody new takes the place.
const RETIRE: u32 = 60;

/// What to do, and how often.
pub struct Campaign<'a> {
    pub binary: &'a Path,
    /// `MATRIX_2FA_*` variables: a fault.
    pub settings: &'a [(&'a str, &'a str)],
    /// The database, if it is not the store in the data folder. It will be killed.
    pub cluster: Option<&'a Cluster>,
    pub kills: u32,
    pub seed: u64,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    pub kills: u32,
    /// Of these the database's.
    pub of_the_database: u32,
    pub requests: usize,
    pub in_flight: usize,
    pub people: usize,
    pub resets: u32,
}

/// When to kill. At the latest when [`WORK`] is over.
#[derive(Clone, Copy)]
enum Moment {
    /// At any time.
    After(Duration),
    /// With the answer to this request of many.
    Answer(u32),
    /// With the answer that says that a recovery code was right.
    Spent,
}

/// Who dies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    Server,
    Database,
    Both,
}

/// A violation, after so many kills.
pub type Found = (Violation, u32);

impl Campaign<'_> {
    /// Kills until all is done or something is wrong.
    pub fn run(&self) -> Result<Report, Found> {
        let needs = Needs::Settings(self.settings);
        let server = match self.cluster {
            None => Server::launch(self.binary, needs),
            Some(cluster) => Server::launch_over(self.binary, needs, &cluster.database()),
        };
        let mut chance = StdRng::seed_from_u64(self.seed);
        let mut now = server.now_ms();
        let mut report = Report::default();
        let register = |report: &mut Report| {
            report.people += 1;
            Person::register(&server)
        };
        let mut teams: Vec<Vec<Person>> =
            (0..WORKERS).map(|_| (0..PEOPLE).map(|_| register(&mut report)).collect()).collect();
        report.requests +=
            side_by_side(&mut teams, chance.random(), |team, chance| warm_up(team, chance, now)).map_err(|v| (v, 0))?;
        while report.kills < self.kills {
            let killed = report.kills;
            let found = |violation| (violation, killed);
            let moment = match chance.random_range(0..6) {
                0 => Moment::Answer(chance.random_range(1..20)),
                1 => Moment::Spent,
                _ => Moment::After(Duration::from_micros(chance.random_range(0..WORK.as_micros() as u64))),
            };
            let victim = match chance.random_range(0..5) {
                _ if self.cluster.is_none() => Victim::Server,
                0..2 => Victim::Database,
                2 => Victim::Both,
                _ => Victim::Server,
            };
            let (kill, seed) = (|| self.kill(&server, victim), chance.random());
            let done = work_until_killed(kill, &mut teams, moment, seed, now).map_err(found)?;
            report.kills += 1;
            report.of_the_database += u32::from(victim != Victim::Server);
            report.requests += done.0;
            report.in_flight += done.1;
            let killed = report.kills;
            let found = |violation| (violation, killed);
            if victim != Victim::Database && chance.random_range(0..5) == 0 {
                let person = &mut teams[chance.random_range(0..WORKERS)][chance.random_range(0..PEOPLE)];
                self.reset(&server, person, &mut chance, now).map_err(found)?;
                report.resets += 1;
            }
            if victim != Victim::Database {
                if chance.random_range(0..6) == 0 {
                    server.start_and_kill(Duration::from_millis(chance.random_range(0..150)));
                    report.kills += 1;
                }
                server.restart();
                server.set_clock(now);
            }
            let check = |team: &mut Vec<Person>, chance: &mut StdRng| {
                team.iter_mut().map(|person| check::person(person, chance, now)).sum()
            };
            report.requests += side_by_side(&mut teams, chance.random(), check).map_err(found)?;
            for person in teams.iter_mut().flatten().filter(|person| person.wrong > RETIRE) {
                *person = register(&mut report);
            }
            // The steps of codes are used up; sessions, enrollments and waits end some time.
            let (later, sessions_end) = match chance.random_range(0..20) {
                0 => (70 * MINUTE_MS, true),
                1..4 => (11 * MINUTE_MS, true),
                _ => (90_000, false),
            };
            now += later;
            for person in teams.iter_mut().flatten().filter(|_| sessions_end) {
                person.lost = 0;
            }
            server.set_clock(now);
        }
        Ok(report)
    }

    /// A database comes back at once, and a server that lives must find it again.
    fn kill(&self, server: &Server, victim: Victim) {
        if victim != Victim::Server {
            self.cluster.expect("there is one").kill_9();
        }
        if victim != Victim::Database {
            server.kill_9();
        }
        if victim != Victim::Server {
            self.cluster.expect("there is one").recover();
        }
    }

    /// `admin reset` of a stopped server, killed in the middle or not.
    fn reset(&self, server: &Server, person: &mut Person, chance: &mut StdRng, now: u64) -> Result<(), Violation> {
        let patience = chance.random_bool(0.5).then(|| Duration::from_millis(chance.random_range(0..200)));
        let saw = server.admin_reset(person.id(), patience).then_some(Saw::Done);
        person.see(&[(Request::Reset, saw)], now)
    }
}

/// Returns what was sent, and how many answers did not come.
fn work_until_killed(
    kill: impl FnOnce(),
    teams: &mut [Vec<Person>],
    moment: Moment,
    seed: u64,
    now: u64,
) -> Result<(usize, usize), Violation> {
    let phase = Phase::default();
    std::thread::scope(|scope| {
        let (answered, answers) = channel();
        let phase = &phase;
        let workers: Vec<_> = (seed..)
            .zip(teams)
            .map(|(seed, team)| {
                let answered = answered.clone();
                scope.spawn(move || work(team, &mut StdRng::seed_from_u64(seed), now, &answered, phase))
            })
            .collect();
        drop(answered);
        wait_for(moment, &answers);
        phase.killing.store(true, Ordering::SeqCst);
        kill();
        phase.over.store(true, Ordering::SeqCst);
        let mut done = (0, 0);
        for worker in workers {
            let (sent, lost) = worker.join().expect("no panic")?;
            done = (done.0 + sent, done.1 + lost);
        }
        Ok(done)
    })
}

/// What the threads of clients must know of the kill.
#[derive(Default)]
struct Phase {
    /// It is under way, or done.
    killing: AtomicBool,
    /// Who died in it is back, if nobody else brings it back.
    over: AtomicBool,
}

/// Every team on a thread of its own, and the sum of what they return.
fn side_by_side(
    teams: &mut [Vec<Person>],
    seed: u64,
    act: impl Fn(&mut Vec<Person>, &mut StdRng) -> Result<usize, Violation> + Sync,
) -> Result<usize, Violation> {
    std::thread::scope(|scope| {
        let act = &act;
        let spawn = |(seed, team)| scope.spawn(move || act(team, &mut StdRng::seed_from_u64(seed)));
        let workers: Vec<_> = (seed..).zip(teams).map(spawn).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).sum()
    })
}

fn warm_up(team: &mut [Person], chance: &mut StdRng, now: u64) -> Result<usize, Violation> {
    let mut sent = 0;
    for person in team {
        for _ in 0..WARM_UP {
            let requests = choice::next(person, chance, now);
            sent += requests.len();
            alive(person.act(&requests, now)?);
        }
    }
    Ok(sent)
}

/// Ends with the moment, or when nobody answers any more because something is wrong.
fn wait_for(moment: Moment, answers: &Receiver<bool>) {
    let life = if let Moment::After(life) = moment { life } else { WORK };
    let mut left = life;
    let mut count = 0;
    #[expect(clippy::disallowed_methods, reason = "a kill at a random moment needs a clock")]
    let begin = std::time::Instant::now();
    loop {
        match (answers.recv_timeout(left), moment) {
            (Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected), _) | (Ok(true), Moment::Spent) => return,
            (Ok(_), Moment::Answer(wanted)) if count + 1 == wanted => return,
            (Ok(_), _) => count += 1,
        }
        left = life.saturating_sub(begin.elapsed());
    }
}

/// A person after the other, until the server is gone or its database was.
fn work(
    team: &mut [Person],
    chance: &mut StdRng,
    now: u64,
    answered: &Sender<bool>,
    phase: &Phase,
) -> Result<(usize, usize), Violation> {
    let mut sent = 0;
    while !phase.over.load(Ordering::SeqCst) {
        let person = &mut team[chance.random_range(0..PEOPLE)];
        let requests = choice::next(person, chance, now);
        sent += requests.len();
        if !person.act(&requests, now)? {
            if !phase.killing.load(Ordering::SeqCst) {
                return Err(person.violation("no answer, and nobody had been killed"));
            }
            return Ok((sent, requests.len()));
        }
        let recovery =
            |request: &Request| matches!(request, Request::Finish { proof: Proof::Recovery(_, Some(_)), .. });
        let _killed = answered.send(requests.iter().any(recovery) && person.last_was_right());
    }
    Ok((sent, 0))
}
