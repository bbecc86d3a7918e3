//! The HTTP server: its address, its connections and their limits. Served by hyper itself, so that a caller that is slow, silent
//! or too long cannot keep a place from others.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::config::Settings;
use super::guard::guard;
use super::places::{Place, Places};
use super::routes::{self, AppState, Failure, WAIT_MAX};
use crate::domain::ASK_BYTES_MAX;
use crate::transport::arrival::Arrival;

/// A browser sends some twenty.
const HEADERS_MAX: usize = 64;
/// All of them, and the request line.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// For a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
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
    let mut places = Places::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(()) = places.next_ended() => continue,
            () = stopped(&mut stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::select! {
                    () = places.room() => {}
                    () = stopped(&mut stop) => break,
                }
                places.take(|place| serve_connection(stream, place, router.clone(), stop.clone()));
            }
            Err(error) => {
                log::warn!("a connection over HTTP could not be taken: {error}");
                sleep(Duration::from_millis(100)).await; // out of files: others must end first
            }
        }
    }
    drop(listener);
    while places.next_ended().await.is_some() {}
}

/// Every route: behind the guard, and each request in its turn.
fn router(settings: Settings, state: AppState) -> Router {
    let state = Arc::new(state);
    routes::router()
        .layer(from_fn_with_state(state.clone(), in_turn))
        .layer(from_fn_with_state(Arc::new(settings), guard))
        .with_state(state)
}

/// Serves a request once all of it is there. Too many at once wait a moment, and are told then; health waits for nobody.
async fn in_turn(State(app): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let place = request.extensions().get::<Arc<Place>>().cloned();
    let (head, body) = request.into_parts();
    let body = match whole(body).await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(),
    };
    place.as_ref().inspect(|place| place.serve());
    let turn = if head.uri.path() == routes::HEALTH.path { None } else { Some(app.turn().await) };
    let response = match turn {
        Some(Err(failure)) => failure.into_response(),
        Some(Ok(_)) | None => next.run(Request::from_parts(head, body.into())).await,
    };
    place.as_ref().inspect(|place| place.wait());
    response
}

/// All of a request's body.
async fn whole(body: Body) -> Result<Bytes, Failure> {
    let read = timeout(BODY_TIMEOUT, to_bytes(body, ASK_BYTES_MAX)).await;
    let late =
        || Failure(StatusCode::REQUEST_TIMEOUT, format!("expected the body within {} s", BODY_TIMEOUT.as_secs()));
    let too_much = |_| {
        let why = format!("expected a whole body of at most {ASK_BYTES_MAX} bytes");
        Failure(StatusCode::PAYLOAD_TOO_LARGE, why)
    };
    read.map_err(|_| late())?.map_err(too_much)
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

async fn serve_connection(stream: TcpStream, place: Arc<Place>, router: Router, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true); // slower without, and no reason to give up
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(place.clone());
        routes.call(request)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(CONNECTION_TIME_MAX) => {}
        () = stopped(&mut stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_REQUEST, connection).await;
}
