//! Connections: accepted, bounded in number and in patience, and ended in order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use matrix_2fa::ClientAddress;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::ServiceExt;

use crate::proxies::Proxies;

/// A client that has not sent its whole head by then is cut off. It bounds idle keep-alive connections too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections at a time; more wait to be accepted. Well below what a process may open by default on today's systems.
const CONNECTIONS: usize = 10_000;

/// A head is at most so large, and so much of a body is read at once.
const BUFFER: usize = 64 * 1024;

/// How long to wait when the system has no descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(500);

/// Serves until `stopping` ends, and then as long as requests in flight need, within `grace`.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    proxies: Proxies,
    stopping: impl Future<Output = ()>,
    grace: Duration,
) {
    let graceful = GracefulShutdown::new();
    let proxies = Arc::new(proxies);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    tokio::pin!(stopping);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stopping => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = graceful.watch(connection(stream, peer, routes.clone(), Arc::clone(&proxies)));
                tokio::spawn(async move {
                    let _place = place;
                    // A client that hangs up or is too slow is no news.
                    let _ = connection.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    proxies: Arc<Proxies>,
) -> impl hyper_util::server::graceful::GracefulConnection {
    // Answers are small and complete: waiting for more to send only delays them. Without it they are late, not wrong.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let client = ClientAddress(proxies.client(peer.ip(), request.headers()));
        proxies.forget_claims(peer.ip(), request.headers_mut());
        request.extensions_mut().insert(client);
        routes.clone().oneshot(request.map(Body::new))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER);
    builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned()
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use http_body_util::BodyExt;
    use tokio::{io::AsyncWriteExt, sync::mpsc, time::Instant};

    use super::*;

    /// Whoever uploads for ever must not keep the process alive. (That an upload may end in time the suite shows, with a process.)
    #[tokio::test]
    async fn an_upload_that_does_not_end_is_cut_after_the_time_for_that() {
        let grace = Duration::from_secs(10);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("it listens");
        let (tell, mut told) = mpsc::channel(1);
        let upload = async move |mut body: Body| while body.frame().await.is_some() && tell.send(()).await.is_ok() {};
        let routes = Router::new().route("/", post(upload));
        client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst").await.expect("sent");
        let mut begin = None;
        let stopping = async {
            told.recv().await.expect("the first half");
            // From here on time passes by itself.
            tokio::time::pause();
            begin = Some(Instant::now());
        };
        serve(listener, routes, Proxies::default(), stopping, grace).await;
        let took = begin.expect("it was told to stop").elapsed();
        assert!(took >= grace && took < grace + Duration::from_secs(1), "{took:?}");
        drop(client);
    }
}
