//! `matrix-2fa serve` and `matrix-2fa gateway`: open everything, say so, and answer until somebody says stop.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use matrix_2fa::{Homeserver, TwoFactor};
use matrix_2fa_engine::Engine;
use matrix_2fa_gateway::{Found, UpstreamHomeserver};
use matrix_2fa_homeserver::{LocalHomeserver, app, finish_forgetting};
use matrix_2fa_store::Store;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
    time::MissedTickBehavior,
};
use tracing_subscriber::EnvFilter;

use crate::{
    admin::api,
    clock, connections, console, control,
    data::Data,
    failure::{Failure, chain},
    guard::Guard,
    notices, numbers,
    settings::{Flags, LogFormat, Settings},
    time_source,
};

/// How often expired records are swept.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// How often the store's life is counted: what a restore loses within it may not be noticed.
const BEAT: Duration = Duration::from_secs(60);

/// Records swept in one step, so that requests get a turn in between.
const SWEEP_STEP: usize = 1000;

/// How long requests may go on after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Whose users log in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// Our own.
    Homeserver,
    /// Those of the homeserver behind us.
    Gateway,
}

/// Runs the server.
pub fn run(flags: &Flags, front: Front) -> Result<(), Failure> {
    let mut settings = Settings::load(flags)?;
    start_log(&settings)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::because(&error))?;
    let served = runtime.block_on(async {
        let upstream = match front {
            Front::Homeserver => None,
            Front::Gateway => Some(find(&settings).await?),
        };
        if let Some(upstream) = &upstream {
            upstream.server_name().clone_into(&mut settings.server_name);
        }
        serve(&settings, upstream).await
    });
    // What still hashes is given up; the store closes when its last user is gone.
    runtime.shutdown_timeout(GRACE);
    served
}

/// Asks the upstream who it is.
async fn find(settings: &Settings) -> Result<Found, Failure> {
    let found = Found::find(settings.gateway()?).await.map_err(|error| Failure::because(&error))?;
    found.check_administrator().await.map_err(|error| Failure::because(&error))?;
    if found.delegates() {
        tracing::warn!(
            "the upstream leaves logins to an OAuth 2.0 provider (MSC3861): a second factor for those belongs to that provider. Covered here is what still goes through POST /login and interactive auth; the rest of its logins are not"
        );
    }
    Ok(found)
}

async fn serve(settings: &Settings, upstream: Option<Found>) -> Result<(), Failure> {
    // The port first: a second server finds out before it touches the data of the first.
    let listener = listen(settings.listen).await?;
    let watched = match numbers::listen(settings).await? {
        Some(listener) => Some((listener, numbers::record()?)),
        None => None,
    };
    let address = listener.local_addr().map_err(|error| Failure::because(&error))?;
    let mut clock_routes = Router::new();
    let data = Data::open_or_create(settings, |clock| {
        let (clock, routes) = clock::clock(clock);
        clock_routes = routes;
        clock
    })
    .await?;
    let control = tokio::spawn(control::serve(data.clone(), settings)?);
    let reloads = tokio::spawn(reload_at_hangup(data.clone())?);
    let administrators = api::serve(data.clone(), settings).await?.map(tokio::spawn);
    let Data { store, engine, host, guard, audit, .. } = data;
    let upkeep = {
        let engine = engine.clone();
        tokio::spawn(async move {
            let catch_up = async {
                if let Some(tap) = audit {
                    tap.catch_up(&engine).await;
                }
            };
            tokio::join!(finish_rotation(&engine), beat(&guard), catch_up).0
        })
    };
    let module = settings.module(address)?;
    let (two_factor, routes, upstream, told) = match upstream {
        Some(found) => {
            let upstream = UpstreamHomeserver::new(found, &engine).map_err(|error| Failure::because(&error))?;
            let upstream = Arc::new(upstream);
            let two_factor = TwoFactor::new(engine, Arc::clone(&upstream) as Arc<_>, module);
            let told = Arc::clone(&upstream) as Arc<dyn Homeserver>;
            let routes = matrix_2fa_gateway::app(Arc::clone(&upstream), Arc::clone(&two_factor));
            (two_factor, routes, Some(upstream), told)
        }
        None => {
            let two_factor = TwoFactor::new(engine, Arc::clone(&host) as Arc<_>, module);
            let told = Arc::clone(&host) as Arc<dyn Homeserver>;
            let routes = app(Arc::clone(&host), Arc::clone(&two_factor));
            (two_factor, routes, None, told)
        }
    };
    let courier = courier(settings, &two_factor, &told)?;
    let numbers = {
        let (engine, settings) = (two_factor.engine().clone(), settings.clone());
        tokio::spawn(async move {
            if let Some((listener, handle)) = watched {
                numbers::serve(listener, handle, engine, &settings).await;
            }
        })
    };
    tracing::info!("{}", settings.odds_in_words());
    if settings.trusted_proxies.is_none() && settings.listen.ip().is_loopback() {
        tracing::warn!(
            "listening on loopback without trusted_proxies: no limit by address, for whoever comes through a proxy"
        );
    }
    if let Some(source) = settings.time_source.clone() {
        tokio::spawn(time_source::watch(source));
    }
    let health = numbers::health(Arc::clone(&store));
    let ender = {
        let upstream = upstream.clone();
        tokio::spawn(async move {
            if let Some(upstream) = upstream {
                upstream.end_what_was_cut_short().await;
            }
        })
    };
    let sweeper = tokio::spawn(sweep(store, Arc::clone(&host), upstream, two_factor));
    let routes = routes.merge(clock_routes).merge(health);
    let stop = stop_signal()?;
    let stopping = async move {
        stop.await;
        tracing::info!("stopping");
        host.close();
    };
    clock::WARNING.into_iter().for_each(console::warn);
    console::say(&format!("matrix-2fa is ready: http://{address}"));
    connections::serve(listener, routes, settings.proxies(), stopping, GRACE).await;
    for task in [sweeper, ender, upkeep, control, reloads, courier, numbers].into_iter().chain(administrators) {
        task.abort();
        let _ = task.await;
    }
    Ok(())
}

/// Delivers notices, if anybody is to be told.
fn courier(settings: &Settings, two_factor: &TwoFactor, host: &Arc<dyn Homeserver>) -> Result<JoinHandle<()>, Failure> {
    let courier = notices::courier(settings, two_factor, host)?;
    Ok(tokio::spawn(async move {
        if let Some(courier) = courier {
            courier.run().await;
        }
    }))
}

/// Finishes a rotation of the keys that was cut short.
async fn finish_rotation(engine: &Engine) {
    match engine.is_rotating().await {
        Ok(true) => tracing::info!("a rotation of the keys was cut short; it goes on"),
        Ok(false) => return,
        Err(error) => return tracing::error!(error = chain(&error), "the keys cannot be looked at"),
    }
    if let Err(error) = engine.rotate_keys(None, |_| ()).await {
        tracing::error!(error = chain(&error), "the rotation of the keys is not finished; see matrix-2fa keys rotate");
    }
}

/// Counts the minutes of this store's life.
async fn beat(guard: &Guard) {
    loop {
        tokio::time::sleep(BEAT).await;
        // A database can be restored while servers run: their markers then stay ahead of it, and none of them starts again over it.
        if let Err(failure) = guard.admit().await {
            tracing::error!(%failure, "the store was restored while it was served, or cannot be reached");
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::start(format!("cannot listen on {address}: {error}; choose another address with --listen"))
    })
}

/// Ends with the first SIGTERM or SIGINT.
fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| Failure::because(&error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Failure::because(&error))?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// SIGHUP: the settings are read again and their policy is put in force. The other settings wait for the next start.
fn reload_at_hangup(data: Data) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| Failure::because(&error))?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            match data.reload_policy("SIGHUP").await {
                Ok(true) => tracing::info!("the policy of the settings is in force"),
                Ok(false) => tracing::info!("the policy of the settings is in force already"),
                Err(failure) => tracing::error!(%failure, "the policy stays as it was"),
            }
        }
    })
}

/// Frees what has expired, and finishes deactivations that were cut short.
async fn sweep(
    store: Arc<dyn Store>,
    host: Arc<LocalHomeserver>,
    upstream: Option<Arc<UpstreamHomeserver>>,
    two_factor: Arc<TwoFactor>,
) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Some(upstream) = &upstream {
            upstream.tidy();
        }
        if finish_forgetting(&host, &two_factor).await.is_err() {
            tracing::warn!("not every deactivated user is forgotten yet; it is tried again");
        }
        loop {
            match store.sweep(two_factor.engine().now(), SWEEP_STEP).await {
                Ok(SWEEP_STEP) => tokio::task::yield_now().await,
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "expired records are not swept");
                    break;
                }
            }
        }
    }
}

fn start_log(settings: &Settings) -> Result<(), Failure> {
    let (filter, format) = (&settings.log, settings.log_format);
    let bad = |error| Failure::start(format!("log: {error}; write a level (info) or a filter (info,matrix_2fa=debug)"));
    // These libraries tell every step that they take, which drowns everything else; who wants that names them.
    let loud = ["refinery_core", "tokio_postgres"].into_iter().filter(|library| !filter.contains(library));
    let quiet: String = loud.map(|library| format!("{library}=warn,")).collect();
    let filter = EnvFilter::builder().parse(format!("{quiet}{filter}")).map_err(bad)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Complaining about a closed stderr on stderr would panic.
    let log = log.log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().flatten_event(true).with_ansi(false).init(),
    }
    Ok(())
}
