//! Does time tell what the answers do not (R59)? Pairs of requests that must look alike, sent in turns to the reference homeserver with the
//! password hash that ships, and compared: medians, and the Mann-Whitney test, which asks whether one kind tends to be slower.
//!
//! ```text
//! cargo run --release -p matrix-2fa-conformance --example oracles [requests of each kind, default 1000] [pairs, default 123456]
//! ```
//!
//! A pair passes if its medians differ by less than 2 ms or |z| stays below 2.576 (p > 0.01). The machine should be idle; the turns change
//! their order each time, so that what else it does meets both kinds alike.

#![expect(clippy::print_stdout, reason = "a tool that prints figures")]

use std::{
    process::ExitCode,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use matrix_2fa::{Settings, TwoFactor};
use matrix_2fa_core::{Clock, MockClock, Params, Seed, Timestamp, throttle::Budget, throttle::TOTP, totp::code_at};
use matrix_2fa_engine::{Engine, EngineSettings, Keyring, OsRandom};
use matrix_2fa_homeserver::{HomeserverSettings, LocalHomeserver, app};
use matrix_2fa_store_sled::{Options, SledStore};
use reqwest::blocking::Client;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn main() -> Result<ExitCode, Failure> {
    let count = std::env::args().nth(1).map_or(Ok(1000), |count| count.parse())?;
    let chosen = std::env::args().nth(2).unwrap_or_else(|| "123456".to_owned());
    let folder = tempfile::tempdir()?;
    let (url, clock) = start(folder.path().to_owned())?;
    let bench = Bench { client: Client::builder().no_proxy().build()?, url, clock };
    let plain = bench.register("plain")?;
    let (seed, session) = bench.enroll(&bench.register("enrolled")?)?;

    let password = |user: &str, password: &str| {
        let identifier = json!({"type": "m.id.user", "user": user});
        json!({"type": "m.login.password", "identifier": identifier, "password": password})
    };
    let code = |steps: i64| {
        let at = Timestamp::from_millis(NOW.as_millis().saturating_add_signed(steps * 30_000));
        let code = code_at(Params::default(), &seed, at).map(|code| code.expose().to_owned()).unwrap_or_default();
        json!({"auth": {"type": "m.login.2fa.totp", "session": session, "token": code}})
    };
    let wrong = code(-1000);
    let pairs = [
        ("unknown user / known user", 403, password("nobody", "wrong password"), password("plain", "wrong password")),
        ("no factor / a factor", 403, password("plain", "wrong password"), password("enrolled", "wrong password")),
        (
            "unknown / known, password and code in one field",
            403,
            password("nobody", "wrong password 123456"),
            password("enrolled", "wrong password 123456"),
        ),
        (
            "wrong / right password, wrong code in one field",
            403,
            password("enrolled", "wrong password 000000"),
            password("enrolled", "correct horse 000000"),
        ),
        ("wrong code / replayed code", 401, wrong.clone(), code(0)),
        ("wrong code / near miss", 401, wrong, code(3)),
    ];
    println!("{:<50} {:>10} {:>10} {:>10} {:>8}", "median of each, ms", "first", "second", "apart", "z");
    let mut passed = plain.len() > 1;
    let pairs = pairs.into_iter().zip('1'..).filter(|(_, number)| chosen.contains(*number));
    for ((name, status, first, second), _) in pairs {
        passed &= bench.compare(name, count, status, &first, &second)?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The reference homeserver in a thread of its own. Its clock stands, and wrong codes never wait: what is measured is their evaluation.
fn start(data: std::path::PathBuf) -> Result<(String, MockClock), Failure> {
    let (tell, told) = mpsc::channel();
    let clock = MockClock::new(NOW);
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    std::thread::spawn(move || -> Result<(), Failure> {
        tokio::runtime::Runtime::new()?.block_on(async {
            let store = Arc::new(SledStore::open(&data.join("store"), Options::default())?);
            let keys = Keyring::open_or_create(&data.join("keys"), &*store, &OsRandom).await?;
            let totp_budget = Budget { free: u32::MAX, lock_at: None, ..TOTP };
            let settings = EngineSettings { totp_budget, ..EngineSettings::default() };
            let random = Arc::new(OsRandom);
            let engine = Engine::new(store.clone(), keys, shared.clone(), random.clone(), settings);
            let settings = HomeserverSettings { open_registration: true, ..HomeserverSettings::default() };
            let host = Arc::new(LocalHomeserver::open(store, shared, random, settings).await?);
            let routes = app(host.clone(), TwoFactor::new(engine, host, Settings::default()));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            tell.send(format!("http://{}/_matrix/client/v3/", listener.local_addr()?))?;
            Ok(axum::serve(listener, routes).await?)
        })
    });
    Ok((told.recv()?, clock))
}

struct Bench {
    client: Client,
    url: String,
    clock: MockClock,
}

impl Bench {
    fn post(&self, path: &str, token: &str, body: &Value) -> Result<(u16, Value), Failure> {
        let request = self.client.post(format!("{}{path}", self.url)).bearer_auth(token).body(body.to_string());
        let response = request.send()?;
        Ok((response.status().as_u16(), serde_json::from_slice(&response.bytes()?)?))
    }

    fn register(&self, name: &str) -> Result<String, Failure> {
        let body = json!({"username": name, "password": "correct horse", "auth": {"type": "m.login.dummy"}});
        text(&self.post("register", "", &body)?.1, "access_token")
    }

    /// An authenticator, a login session that waits for its code, and the code of the present step burnt.
    fn enroll(&self, token: &str) -> Result<(Seed, String), Failure> {
        let identifier = json!({"type": "m.id.user", "user": "enrolled"});
        let password = json!({"type": "m.login.password", "identifier": identifier, "password": "correct horse"});
        let (_, begun) = self.post("account/two-factor/totp", token, &json!({"name": "phone", "auth": password}))?;
        let seed = Seed::from_bytes(data_encoding::BASE32_NOPAD.decode(text(&begun, "seed")?.as_bytes())?);
        let code = code_at(Params::default(), &seed, self.clock.now()).ok_or("no code")?;
        let confirm = json!({"id": begun.get("id"), "token": code.expose()});
        self.post("account/two-factor/totp/confirm", token, &confirm)?;
        Ok((seed, text(&self.post("login", "", &password)?.1, "session")?))
    }

    /// Sends both kinds in turns and prints what came out.
    fn compare(&self, name: &str, count: usize, status: u16, first: &Value, second: &Value) -> Result<bool, Failure> {
        let mut times = (Vec::with_capacity(count), Vec::with_capacity(count));
        for n in 0..count + 10 {
            // The first ones warm up.
            let (a, b) = if n % 2 == 0 {
                let a = self.time(status, first)?;
                (a, self.time(status, second)?)
            } else {
                let b = self.time(status, second)?;
                (self.time(status, first)?, b)
            };
            if n >= 10 {
                times.0.push(a);
                times.1.push(b);
            }
        }
        let z = mann_whitney(&times.0, &times.1);
        let (first, second) = (median(&mut times.0), median(&mut times.1));
        let apart = (first - second).abs();
        let passed = apart < 2.0 || z.abs() < 2.576;
        let verdict = if passed { "" } else { "  TOLD APART" };
        println!("{name:<50} {first:>10.3} {second:>10.3} {apart:>10.3} {z:>8.2}{verdict}");
        Ok(passed)
    }

    fn time(&self, expected: u16, body: &Value) -> Result<Duration, Failure> {
        #[expect(clippy::disallowed_methods, reason = "it measures real time")]
        let begun = Instant::now();
        let (status, answer) = self.post("login", "", body)?;
        let took = begun.elapsed();
        if status == expected { Ok(took) } else { Err(format!("{status} {answer}").into()) }
    }
}

fn text(answer: &Value, key: &str) -> Result<String, Failure> {
    Ok(answer.get(key).and_then(Value::as_str).ok_or_else(|| format!("no {key} in {answer}"))?.to_owned())
}

/// In milliseconds.
fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

/// The test's statistic in standard deviations (normal approximation; times in nanoseconds hardly ever tie). Positive: the first is slower.
fn mann_whitney(first: &[Duration], second: &[Duration]) -> f64 {
    let mut all: Vec<_> = first.iter().map(|time| (time, 1.0)).chain(second.iter().map(|time| (time, 0.0))).collect();
    all.sort_by_key(|(time, _)| **time);
    let ranks: f64 = all.iter().zip(1u32..).map(|((_, of_first), rank)| of_first * f64::from(rank)).sum();
    let (n, m) = (first.len() as f64, second.len() as f64);
    let u = ranks - n * (n + 1.0) / 2.0;
    (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}
