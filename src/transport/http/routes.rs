//! The routes: what each takes and gives, and how failures are told. [`ROUTES`] lists them all.
//!
//! Who asks waits for the answer as long as `Prefer: wait=SECONDS` says, or gets 202 and the place where it will be. An answer
//! counts as delivered when it was handed to whoever waits, or fetched later.
//!
//! Never sees the journal or the model, never answers a question itself.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::server::stopped;
use crate::api::json as to_json;
use crate::api::review::{Claim, Exported, Format, Resolve, ReviewStateName};
use crate::domain::{NAME_BYTES_MAX, QUESTION_BYTES_MAX, is_name};
use crate::transport::arrival::Arrival;
use crate::transport::call::{Call, Reply};
use crate::transport::request::{AskBody, Key, Refusal, Request, Route, unique_name};

/// The longest body: a question in JSON, where each byte may stand as an escape of six, and a few keys around it.
pub const BODY_BYTES_MAX: usize = 8 * QUESTION_BYTES_MAX;
/// Of these, so many may wait for an answer; the others get 202 at once, so that health is told whoever waits.
pub const WAITING_MAX: usize = 48;
/// For a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long who asks waits where nothing else is said: many times what a student needs.
const WAIT_DEFAULT: Duration = Duration::from_secs(5);
/// How long anybody may wait; proxies give up after a minute.
pub const WAIT_MAX: Duration = Duration::from_secs(30);
/// For the daemon's word on anything else; more than a slow card's longest pause.
const REPLY_TIMEOUT: Duration = Duration::from_secs(15);
/// Cases on a page of reviews, and reviews on a page of an export: some MB where every text is the longest.
pub const PAGE_MAX: usize = 100;
const PAGE_DEFAULT: usize = 50;
/// Who asks without saying who.
const CLIENT_DEFAULT: &str = "http";
/// On a page of an export: the last review on it.
pub const THROUGH: HeaderName = HeaderName::from_static("sokutou-through");
/// On a page of an export: does another one follow?
pub const MORE: HeaderName = HeaderName::from_static("sokutou-more");

/// What can be asked of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // ROUTES says it
pub enum Operation {
    Ask,
    Answer,
    Explain,
    Reviews,
    Review,
    Claim,
    Resolve,
    Export,
    Exported,
    Health,
    Metrics,
}

/// Method, path and operation of everything there is; the router is made from it, and so is the OpenAPI document.
pub const ROUTES: [(Method, &str, Operation); 11] = [
    (Method::POST, "/v1/ask", Operation::Ask),
    (Method::GET, "/v1/answers/{client}/{id}", Operation::Answer),
    (Method::POST, "/v1/answers/{client}/{id}/explain", Operation::Explain),
    (Method::GET, "/v1/reviews", Operation::Reviews),
    (Method::GET, "/v1/reviews/{case}", Operation::Review),
    (Method::POST, "/v1/reviews/{case}/claim", Operation::Claim),
    (Method::POST, "/v1/reviews/{case}/resolve", Operation::Resolve),
    (Method::GET, "/v1/reviews/export", Operation::Export),
    (Method::POST, "/v1/reviews/exported", Operation::Exported),
    (Method::GET, "/healthz", Operation::Health),
    (Method::GET, "/metrics", Operation::Metrics),
];

/// A question is kept, and not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// Who asked.
    pub client: String,
    /// The asker's name for the question, or the one that it was given.
    pub id: String,
    /// Where the answer will be.
    pub location: String,
}

/// Why there is nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// In words, with the way out.
    pub error: String,
}

/// All of them, without the guard.
pub fn router() -> Router<Arc<AppState>> {
    ROUTES
        .iter()
        .fold(Router::new(), |router, (_, path, operation)| router.route(path, served(*operation)))
        .fallback(|| async {
            refused(StatusCode::NOT_FOUND, "no such path; the paths are listed by `sokutou schema openapi`")
        })
        .method_not_allowed_fallback(|| async {
            refused(StatusCode::METHOD_NOT_ALLOWED, "no such method here; `sokutou schema openapi` lists them")
        })
}

fn served(operation: Operation) -> MethodRouter<Arc<AppState>> {
    match operation {
        Operation::Ask => post(ask),
        Operation::Answer => get(answer),
        Operation::Explain => post(explain),
        Operation::Reviews => get(reviews),
        Operation::Review => get(review),
        Operation::Claim => post(claim),
        Operation::Resolve => post(resolve),
        Operation::Export => get(export),
        Operation::Exported => post(exported),
        Operation::Health => get(health),
        Operation::Metrics => get(metrics),
    }
}

/// What the handlers share.
pub struct AppState {
    arrivals: mpsc::Sender<Arrival>,
    waiting: Semaphore,
    stop: watch::Receiver<bool>,
}

impl AppState {
    pub fn new(arrivals: mpsc::Sender<Arrival>, stop: watch::Receiver<bool>) -> Self {
        Self { arrivals, waiting: Semaphore::new(WAITING_MAX), stop }
    }

    /// Hands a call to the daemon and waits for its word.
    async fn call<T>(&self, until: Instant, call: impl FnOnce(Reply<T>) -> Call) -> Result<T, Failure> {
        let (reply, said) = oneshot::channel();
        let asked = async {
            self.arrivals.send(Arrival::Call(call(reply))).await.map_err(|_| Failure::stopping())?;
            said.await.map_err(|_| Failure::stopping())?.map_err(Failure::from)
        };
        let late = "the gateway did not answer in time; ask again";
        timeout_at(until, asked).await.map_err(|_| Failure::new(StatusCode::SERVICE_UNAVAILABLE, late))?
    }

    async fn soon<T>(&self, call: impl FnOnce(Reply<T>) -> Call) -> Result<T, Failure> {
        self.call(Instant::now() + REPLY_TIMEOUT, call).await
    }

    /// The answer, if there is one by then.
    async fn answer(&self, key: &Key, until: Instant) -> Result<Option<Vec<u8>>, Failure> {
        let now = self.soon(|reply| Call::Answer { key: key.clone(), wait: false, reply }).await?;
        let place = if until > Instant::now() { self.waiting.try_acquire().ok() } else { None };
        if now.is_some() || place.is_none() {
            return Ok(now);
        }
        let (reply, said) = oneshot::channel();
        let call = Call::Answer { key: key.clone(), wait: true, reply };
        self.arrivals.send(Arrival::Call(call)).await.map_err(|_| Failure::stopping())?;
        let mut stop = self.stop.clone();
        tokio::select! {
            said = said => said.map_err(|_| Failure::stopping())?.map_err(Failure::from),
            () = sleep_until(until) => Ok(None),
            () = stopped(&mut stop) => Ok(None),
        }
    }
}

async fn ask(State(app): State<Arc<AppState>>, headers: HeaderMap, body: Body) -> Result<Response, Failure> {
    let expected = "{\"question\", \"id\"?, \"client\"?, \"task\"?, \"explain\"?}";
    let AskBody { question, id, client, task, explain } = read(body, expected).await?;
    if question.len() > QUESTION_BYTES_MAX {
        let why = format!("expected a question of at most {QUESTION_BYTES_MAX} bytes, got {}", question.len());
        return Err(Failure(StatusCode::BAD_REQUEST, why));
    }
    let (client, id) = (client.unwrap_or_else(|| CLIENT_DEFAULT.to_owned()), id.unwrap_or_else(unique_name));
    let key = key(client, id)?;
    let until = Instant::now() + wait(&headers).unwrap_or(WAIT_DEFAULT);
    let (said, taken) = oneshot::channel();
    let request = Request { key: key.clone(), task, question, explain, expires_in: None, route: Route::Fetched };
    app.arrivals.send(Arrival::Ask(request, said)).await.map_err(|_| Failure::stopping())?;
    taken.await.map_err(|_| Failure::stopping())??;
    let Some(answer) = app.answer(&key, until).await? else { return Ok(accepted(&key)) };
    if explain && let Ok(rationale) = app.call(until, |reply| Call::Explain { key, reply }).await {
        return Ok(json(rationale));
    }
    Ok(json(answer))
}

async fn answer(
    State(app): State<Arc<AppState>>,
    at: PathParam<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Path((client, id)) = at?;
    let key = key(client, id)?;
    let until = Instant::now() + wait(&headers).unwrap_or_default();
    Ok(app.answer(&key, until).await?.map_or_else(|| accepted(&key), json))
}

async fn explain(
    State(app): State<Arc<AppState>>,
    at: PathParam<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Path((client, id)) = at?;
    let key = key(client, id)?;
    let until = Instant::now() + wait(&headers).unwrap_or(REPLY_TIMEOUT);
    app.call(until, |reply| Call::Explain { key, reply }).await.map(json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReviewsQuery {
    #[serde(default)]
    state: ReviewStateName,
    after: Option<i64>,
    limit: Option<usize>,
}

async fn reviews(
    State(app): State<Arc<AppState>>,
    query: Result<Query<ReviewsQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(ReviewsQuery { state, after, limit }) = query?;
    let limit = page(limit)?;
    app.soon(|reply| Call::Reviews { state, after, limit, reply }).await.map(json)
}

async fn review(State(app): State<Arc<AppState>>, at: PathParam<i64>) -> Result<Response, Failure> {
    let Path(case) = at?;
    app.soon(|reply| Call::Review { case, reply }).await.map(json)
}

async fn claim(State(app): State<Arc<AppState>>, at: PathParam<i64>, body: Body) -> Result<Response, Failure> {
    let Path(case) = at?;
    let claim: Claim = read(body, "{\"reviewer\"}").await?;
    app.soon(|reply| Call::Claim { case, claim, reply }).await.map(json)
}

async fn resolve(State(app): State<Arc<AppState>>, at: PathParam<i64>, body: Body) -> Result<Response, Failure> {
    let Path(case) = at?;
    let expected = "{\"verdict\": \"right\" | \"wrong\" | \"unclear\", \"correction\"?, \"reviewer\"?}";
    let resolve: Resolve = read(body, expected).await?;
    app.soon(|reply| Call::Resolve { case, resolve, reply }).await.map(json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportQuery {
    #[serde(default)]
    format: Format,
    after: Option<i64>,
    limit: Option<usize>,
}

async fn export(
    State(app): State<Arc<AppState>>,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(ExportQuery { format, after, limit }) = query?;
    let limit = page(limit)?;
    let page = app.soon(|reply| Call::Export { format, after, limit, reply }).await?;
    let kind = match format {
        Format::Jsonl => "application/jsonl",
        Format::LabelStudio => "application/json",
    };
    let mut response = of_kind(kind, page.body);
    response.headers_mut().insert(THROUGH, page.through.into());
    response.headers_mut().insert(MORE, HeaderValue::from_static(if page.more { "true" } else { "false" }));
    Ok(response)
}

async fn exported(State(app): State<Arc<AppState>>, body: Body) -> Result<Response, Failure> {
    let exported: Exported = read(body, "{\"through\"}").await?;
    app.soon(|reply| Call::Exported { exported, reply }).await?;
    Ok(json(to_json(&exported)))
}

async fn health(State(app): State<Arc<AppState>>) -> Result<Response, Failure> {
    let (well, body) = app.soon(|reply| Call::Health { reply }).await?;
    let mut response = json(body);
    if !well {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

async fn metrics(State(app): State<Arc<AppState>>) -> Result<Response, Failure> {
    let text = app.soon(|reply| Call::Metrics { reply }).await?;
    Ok(of_kind("text/plain; version=0.0.4; charset=utf-8", text))
}

type PathParam<T> = Result<Path<T>, PathRejection>;

async fn read<T: DeserializeOwned>(body: Body, expected: &str) -> Result<T, Failure> {
    let late =
        || Failure(StatusCode::REQUEST_TIMEOUT, format!("expected the body within {} s", BODY_TIMEOUT.as_secs()));
    let bytes = match timeout(BODY_TIMEOUT, to_bytes(body, BODY_BYTES_MAX)).await.map_err(|_| late())? {
        Ok(bytes) => bytes,
        Err(_) => {
            let why = format!("expected a whole body of at most {BODY_BYTES_MAX} bytes");
            return Err(Failure(StatusCode::PAYLOAD_TOO_LARGE, why));
        }
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure(StatusCode::BAD_REQUEST, format!("expected {expected} in UTF-8: {error}")))
}

fn key(client: String, id: String) -> Result<Key, Failure> {
    if is_name(&client) && is_name(&id) {
        return Ok(Key { client, id });
    }
    let why = format!("expected client and id of 1 to {NAME_BYTES_MAX} letters, digits, - and _");
    Err(Failure(StatusCode::BAD_REQUEST, why))
}

fn page(limit: Option<usize>) -> Result<usize, Failure> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Failure(
        StatusCode::BAD_REQUEST,
        format!("expected a limit from 1 to {PAGE_MAX}, got {limit}; page with after"),
    ))
}

/// `Prefer: wait=SECONDS`, of RFC 7240; what cannot be read is no preference, as it demands.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let said = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = said.flat_map(|value| value.split([',', ';'])).map(str::trim);
    let seconds = preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').parse().ok())?
    })?;
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

fn accepted(key: &Key) -> Response {
    let Key { client, id } = key.clone();
    let location = format!("/v1/answers/{client}/{id}");
    let place = HeaderValue::from_str(&location).expect("names are letters, digits, - and _");
    let body = to_json(&Accepted { client, id, location });
    let headers = [(header::LOCATION, place), (header::RETRY_AFTER, HeaderValue::from_static("1"))];
    (StatusCode::ACCEPTED, headers, json(body)).into_response()
}

fn json(body: Vec<u8>) -> Response {
    of_kind("application/json", body)
}

fn of_kind(kind: &'static str, body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

fn refused(status: StatusCode, why: &str) -> Response {
    Failure::new(status, why).into_response()
}

/// Why a request gets nothing else.
#[derive(Debug)]
pub struct Failure(pub StatusCode, pub String);

impl Failure {
    pub fn new(status: StatusCode, why: &str) -> Self {
        Self(status, why.to_owned())
    }

    /// The daemon let the way back fall.
    fn stopping() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the gateway is stopping, or could not do it; ask again, a question under the same id",
        )
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Unreadable(_) => StatusCode::BAD_REQUEST,
            Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            Refusal::Conflict(_) | Refusal::Reused(_) => StatusCode::CONFLICT,
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::Full => StatusCode::INSUFFICIENT_STORAGE,
            Refusal::Unavailable(_) | Refusal::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self(status, refusal.to_string())
    }
}

impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Self(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(status, error) = self;
        let body = to_json(&Problem { error });
        let mut response = json(body);
        *response.status_mut() = status;
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
