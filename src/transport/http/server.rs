//! The HTTP server: its address, its connections and their limits. Served by hyper itself, so that a caller that is slow, silent
//! or too long cannot keep a place from others.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::config::Settings;
use super::guard::guard;
use super::routes::{self, AppState, WAIT_MAX, WAITING_MAX};
use crate::transport::arrival::Arrival;

/// Open at once; later ones wait to be accepted. Each may hold one body of [`crate::domain::ASK_BYTES_MAX`].
const CONNECTIONS_MAX: usize = 64;
const _: () = assert!(WAITING_MAX < CONNECTIONS_MAX);
/// A browser sends some twenty.
const HEADERS_MAX: usize = 64;
/// All of them, and the request line.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// For a request's head, and for the next one on the same connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection ends after its request then: who reads slowly or not at all must not keep it for ever.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(300);
/// For the request that is on the way when a connection ends.
const LAST_REQUEST: Duration = Duration::from_secs(45);
const _: () = assert!(LAST_REQUEST.as_secs() > WAIT_MAX.as_secs());
/// An address that cannot be had is tried again after this.
const RETRY: Duration = Duration::from_secs(5);

/// Serves until `stop` is true.
pub async fn run(settings: Settings, arrivals: mpsc::Sender<Arrival>, mut stop: watch::Receiver<bool>) {
    let listener = tokio::select! {
        listener = bind(settings.listen) => listener,
        () = stopped(&mut stop) => return,
    };
    let router = router(settings, AppState::new(arrivals, stop.clone()));
    let (places, stopping) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), stop.clone());
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            (place, accepted) = next => match accepted {
                Ok((stream, _)) => {
                    let connection = serve_connection(stream, router.clone(), stopping.clone());
                    connections.spawn(async move {
                        let _place = place;
                        connection.await;
                    });
                }
                Err(error) => {
                    log::warn!("a connection over HTTP could not be taken: {error}");
                    sleep(Duration::from_millis(100)).await; // out of files: others must end first
                }
            },
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Every route behind the guard.
fn router(settings: Settings, state: AppState) -> Router {
    routes::router().layer(from_fn_with_state(Arc::new(settings), guard)).with_state(Arc::new(state))
}

/// Ready when the server is to stop; without a gateway there is nothing to serve either.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The gateway starts without its address too: an interface may come up later.
async fn bind(listen: SocketAddr) -> TcpListener {
    let mut logged = false;
    loop {
        let error = match TcpListener::bind(listen).await {
            Ok(listener) => {
                log::info!("listening on http://{}", listener.local_addr().unwrap_or(listen));
                return listener;
            }
            Err(error) => error,
        };
        if !logged {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => "another program has it; stop that one, or set http.listen",
                io::ErrorKind::AddrNotAvailable => "no interface has this address yet; or set http.listen",
                _ => "set http.listen",
            };
            log::error!("no HTTP on {listen}: {error}: {hint}. Trying again every {} s", RETRY.as_secs());
            logged = true;
        }
        sleep(RETRY).await;
    }
}

async fn serve_connection(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true); // slower without, and no reason to give up
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(CONNECTION_TIME_MAX) => {}
        () = stopped(&mut stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_REQUEST, connection).await;
}
