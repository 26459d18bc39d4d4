//! What the server says about itself to whoever watches it: `GET /metrics` in the text format of Prometheus on a listener of its own, and
//! `GET /health`, there and beside the users' endpoints. No figure has a user in it.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{FutureExt, future::Shared};
use matrix_2fa_engine::{Engine, numbers};
use matrix_2fa_store::{Commit, Kind, Store};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::{
    connections,
    failure::{Failure, chain},
    proxies::Proxies,
    settings::Settings,
};

/// Gauge: users with a second factor, counted every hour.
const ENROLLED: &str = "matrix_2fa_enrolled_accounts";
/// Gauge: accounts that were counted for it.
const ACCOUNTS: &str = "matrix_2fa_accounts";
/// Gauge: the chance of somebody who knows a password to guess a code within a year, by the limits in force.
const GUESS_PROBABILITY: &str = "matrix_2fa_guess_probability_per_year";

/// How often everybody is counted.
const CENSUS: Duration = Duration::from_secs(60 * 60);
/// Accounts that are counted before requests get a turn.
const PAGE: usize = 500;
/// How often what was recorded is folded into buckets.
const UPKEEP: Duration = Duration::from_secs(5);
/// A store that takes longer to answer is not healthy.
const PATIENCE: Duration = Duration::from_secs(2);

/// Seconds; a commit takes a tenth of a millisecond to some.
const SECONDS: [f64; 12] = [0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Commits that share a flush.
const COMMITS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0];
/// Seconds that a code was ahead of the server's clock, in steps of its period.
const OFFSETS: [f64; 11] = [-300.0, -120.0, -60.0, -30.0, 0.0, 30.0, 60.0, 90.0, 120.0, 300.0, 600.0];

/// Begins to record. Before anything else, or what is recorded before is lost.
pub fn record() -> Result<PrometheusHandle, Failure> {
    let mut builder = PrometheusBuilder::new();
    for (metric, buckets) in [
        (numbers::COMMIT_SECONDS, &SECONDS[..]),
        (numbers::FLUSHED_COMMITS, &COMMITS[..]),
        (matrix_2fa_engine::timing::CODE_OFFSET, &OFFSETS[..]),
    ] {
        let set = builder.set_buckets_for_metric(Matcher::Full(metric.to_owned()), buckets);
        builder = set.map_err(|error| Failure::because(&error))?;
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| Failure::because(&error))?;
    Ok(handle)
}

/// The listener for whoever watches.
pub async fn listen(settings: &Settings) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = settings.metrics_listen else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| Failure::start(format!("metrics_listen: cannot listen on {address}: {error}")))?;
    let bound: SocketAddr = listener.local_addr().map_err(|error| Failure::because(&error))?;
    tracing::info!(address = %bound, "numbers are at /metrics");
    Ok(Some(listener))
}

/// Answers on that listener, and counts what must be counted.
pub async fn serve(listener: TcpListener, handle: PrometheusHandle, engine: Engine, settings: &Settings) {
    metrics::gauge!(GUESS_PROBABILITY).set(settings.odds().per_year);
    let routes =
        Router::new().route("/metrics", get(show)).with_state(handle.clone()).merge(health(Arc::clone(engine.store())));
    let serving = connections::serve(listener, routes, Proxies::default(), std::future::pending(), Duration::ZERO);
    let tidying = async {
        loop {
            tokio::time::sleep(UPKEEP).await;
            handle.run_upkeep();
        }
    };
    let counting = async {
        loop {
            if let Err(error) = count(&engine).await {
                tracing::warn!(error = chain(&error), "accounts are not counted; it is tried again in an hour");
            }
            tokio::time::sleep(CENSUS).await;
        }
    };
    let ((), (), ()) = tokio::join!(serving, tidying, counting);
}

async fn show(State(handle): State<PrometheusHandle>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response()
}

/// `GET /health`: 200 if the store reads and writes, else 503.
pub fn health(store: Arc<dyn Store>) -> Router {
    Router::new().route("/health", get(tell_health)).with_state(Arc::new(Health { store, running: Mutex::default() }))
}

/// One examination at a time, whoever asks and how often: each is a commit.
struct Health {
    store: Arc<dyn Store>,
    running: Mutex<Option<Examination>>,
}

type Examination = Shared<Pin<Box<dyn Future<Output = bool> + Send>>>;

impl Health {
    /// The examination that runs, or a new one.
    fn examination(&self) -> Examination {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_ref().filter(|running| running.peek().is_none()) {
            return running.clone();
        }
        // In a task of its own: who asked for it may hang up.
        let task = tokio::spawn(tokio::time::timeout(PATIENCE, examine(Arc::clone(&self.store))));
        let ended: Pin<Box<dyn Future<Output = bool> + Send>> = Box::pin(async { matches!(task.await, Ok(Ok(true))) });
        running.insert(ended.shared()).clone()
    }
}

/// A commit of nothing goes through the same queue as every other, and the store must be able to write.
async fn examine(store: Arc<dyn Store>) -> bool {
    store.record(Kind("health"), "none").await.is_ok() && store.commit(Commit::default()).await.is_ok()
}

async fn tell_health(State(health): State<Arc<Health>>) -> Response {
    let (status, body) = match health.examination().await {
        true => (StatusCode::OK, "{\"status\":\"ok\"}\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "{\"status\":\"the store does not answer\"}\n"),
    };
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

async fn count(engine: &Engine) -> Result<(), matrix_2fa_engine::EngineError> {
    let (mut after, mut accounts, mut enrolled) = (None::<String>, 0_u32, 0_u32);
    loop {
        let users = engine.store().users(after.as_deref(), PAGE).await?;
        let Some(last) = users.last() else { break };
        after = Some(last.clone());
        for user in &users {
            accounts = accounts.saturating_add(1);
            enrolled = enrolled.saturating_add(engine.account(user).await?.is_enrolled().into());
        }
        tokio::task::yield_now().await;
    }
    metrics::gauge!(ACCOUNTS).set(f64::from(accounts));
    metrics::gauge!(ENROLLED).set(f64::from(enrolled));
    Ok(())
}

#[cfg(test)]
mod tests {
    use matrix_2fa_store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn whoever_asks_for_health_waits_for_the_examination_that_runs() {
        let health = Health { store: Arc::new(MemoryStore::default()), running: Mutex::default() };
        let (first, second) = (health.examination(), health.examination());
        assert!(first.ptr_eq(&second), "it runs");
        assert!(first.await && second.await);
        let third = health.examination();
        assert!(third.peek().is_none(), "what has ended is no answer to a later question");
        assert!(third.await);
    }
}
