//! The routes: what each takes and gives, and how failures are told. [`ROUTES`] lists them all.
//!
//! Who asks waits for the answer as long as `Prefer: wait=SECONDS` says, or gets 202 and the place where it will be. An answer
//! counts as delivered when it was handed to whoever waits, or fetched later.
//!
//! Never sees the journal or the model, never answers a question itself.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::openapi::{Gives, Parameter, Route, Takes};
use super::places::SERVED_MAX;
use super::server::stopped;
use crate::api::answer::Message;
use crate::api::json as to_json;
use crate::api::review::{Claim, Exported, Format, Resolve, ReviewCase, ReviewPage, ReviewStateName};
use crate::api::status::Health;
use crate::domain::{ASKER_CHARS_MAX, NAME_BYTES_MAX, is_asker_name, is_name};
use crate::transport::arrival::Arrival;
use crate::transport::body::{object, text};
use crate::transport::call::{Call, Reply};
use crate::transport::request::{self, AskBody, Key, Refusal, Request, Source, unique_name};

/// Of these, so many may wait for an answer; the others get 202 at once, so that health is told whoever waits.
pub const WAITING_MAX: usize = 48;
/// A request waits this long where others are served: whoever only wants to know how the gateway is must hear it within a second.
const TURN_TIMEOUT: Duration = Duration::from_millis(500);
/// How long who asks waits where nothing else is said: many times what a model needs.
const WAIT_DEFAULT: Duration = Duration::from_secs(5);
/// How long anybody may wait; proxies give up after a minute.
pub const WAIT_MAX: Duration = Duration::from_secs(30);
/// For the gateway's word on anything else; more than a slow card's longest pause.
const REPLY_TIMEOUT: Duration = Duration::from_secs(15);
/// Cases on a page of reviews, and reviews on a page of an export: some MB where every text is the longest.
pub const PAGE_MAX: usize = 100;
const PAGE_DEFAULT: usize = 50;
/// Who asks without saying who.
const CLIENT_DEFAULT: &str = "http";
const THROUGH_NAME: &str = "sokutou-through";
const MORE_NAME: &str = "sokutou-more";
/// On a page of an export: the last review on it.
pub const THROUGH: HeaderName = HeaderName::from_static(THROUGH_NAME);
/// On a page of an export: does another one follow?
pub const MORE: HeaderName = HeaderName::from_static(MORE_NAME);

/// Everything there is. The router is made from it, and so is the OpenAPI document.
pub const ROUTES: [Route; 11] =
    [ASK, ANSWER, EXPLAIN, REVIEWS, REVIEW, CLAIM, RESOLVE, EXPORT, EXPORTED, HEALTH, METRICS];

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

const NO_SUCH_METHOD: &str = "no such method here, expected GET or POST as Allow says";

/// All routes, without the guard. What has a GET has a HEAD too.
pub fn router() -> Router<Arc<AppState>> {
    ROUTES
        .into_iter()
        .fold(Router::new(), |router, Route { method, path, serve, .. }| {
            let method = MethodFilter::try_from(method).expect("a method of HTTP/1.1");
            router.route(path, serve(method))
        })
        .fallback(|| async {
            refused(StatusCode::NOT_FOUND, "no such path; the paths are listed by `sokutou schema openapi`")
        })
        .method_not_allowed_fallback(|| async { refused(StatusCode::METHOD_NOT_ALLOWED, NO_SUCH_METHOD) }) // and Allow
}

/// What the handlers share.
pub struct AppState {
    arrivals: mpsc::Sender<Arrival>,
    turns: Semaphore,
    waiting: Semaphore,
    stop: watch::Receiver<bool>,
}

impl AppState {
    pub fn new(arrivals: mpsc::Sender<Arrival>, stop: watch::Receiver<bool>) -> Self {
        Self { arrivals, turns: Semaphore::new(SERVED_MAX), waiting: Semaphore::new(WAITING_MAX), stop }
    }

    /// A request's turn to be served; it ends when what is returned is dropped.
    pub async fn turn(&self) -> Result<SemaphorePermit<'_>, Failure> {
        let busy = "too many ask at once; ask again";
        let turn = timeout(TURN_TIMEOUT, self.turns.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| Failure::new(StatusCode::SERVICE_UNAVAILABLE, busy))
    }

    /// Hands a call to the gateway and waits for its reply.
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

/// How long a caller wants to wait; see [`wait`].
const PREFER: Parameter = Parameter::header("Prefer", "`wait=SECONDS`: how long to wait, at most 30");

const ASK: Route = Route {
    method: Method::POST,
    path: "/v1/ask",
    id: "ask",
    summary: "Asks a question; the same client and id again gets the same answer",
    parameters: &[PREFER],
    takes: Some(Takes::json::<AskBody>()),
    gives: &[
        Gives::json::<Message>("200", "The answer, as it stands now"),
        Gives::json::<Accepted>("202", "Kept and not answered yet; Location says where the answer will be"),
    ],
    serve: |method| on(method, ask),
};

async fn ask(State(app): State<Arc<AppState>>, headers: HeaderMap, body: Bytes) -> Result<Response, Failure> {
    let (key, AskBody { question, task, explain, .. }) = match asked(&body) {
        Ok(asked) => asked,
        Err(failure) => {
            let kind = Refusal::Unreadable(String::new()).kind();
            drop(app.arrivals.send(Arrival::Refused(Source::Http, kind)).await);
            return Err(failure);
        }
    };
    let until = Instant::now() + wait(&headers).unwrap_or(WAIT_DEFAULT);
    let (said, taken) = oneshot::channel();
    let request =
        Request { key: key.clone(), task, question, explain, expires_in: None, route: request::Route::Fetched };
    app.arrivals.send(Arrival::Ask(request, said)).await.map_err(|_| Failure::stopping())?;
    taken.await.map_err(|_| Failure::stopping())??;
    let Some(answer) = app.answer(&key, until).await? else { return Ok(accepted(&key)) };
    if explain && let Ok(rationale) = app.call(until, |reply| Call::Explain { key, reply }).await {
        return Ok(json(rationale));
    }
    Ok(json(answer))
}

/// A question as it came, and what it is called from now on.
fn asked(body: &[u8]) -> Result<(Key, AskBody), Failure> {
    let body = read(body, AskBody::read_json)?;
    let client = body.client.clone().unwrap_or_else(|| CLIENT_DEFAULT.to_owned());
    let id = body.id.clone().unwrap_or_else(unique_name);
    if is_name(&client) && is_name(&id) {
        return Ok((Key { client, id }, body));
    }
    let why = format!("expected client and id of 1 to {NAME_BYTES_MAX} letters, digits, - and _");
    Err(Failure(StatusCode::BAD_REQUEST, why))
}

const ANSWER: Route = Route {
    method: Method::GET,
    path: "/v1/answers/{client}/{id}",
    id: "answer",
    summary: "The latest answer to a question",
    parameters: &[PREFER],
    takes: None,
    gives: &[
        Gives::json::<Message>("200", "The answer, as it stands now"),
        Gives::json::<Accepted>("202", "Kept and not answered yet; Location says where the answer will be"),
    ],
    serve: |method| {
        on(method, answer).head(|| async {
            let mut response =
                refused(StatusCode::METHOD_NOT_ALLOWED, "HEAD would take the answer for read; expected GET");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
            response
        })
    },
};

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

const EXPLAIN: Route = Route {
    method: Method::POST,
    path: "/v1/answers/{client}/{id}/explain",
    id: "explain",
    summary: "The rationale of an answer: the one that is kept, or one written now",
    parameters: &[PREFER],
    takes: None,
    gives: &[Gives::json::<Message>("200", "The answer with the model's rationale")],
    serve: |method| on(method, explain),
};

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

const REVIEWS: Route = Route {
    method: Method::GET,
    path: "/v1/reviews",
    id: "reviews",
    summary: "Cases that a person was asked about, the oldest first",
    parameters: &[
        Parameter::query::<ReviewStateName>("state"),
        Parameter::query::<i64>("after"),
        Parameter::query::<u32>("limit"),
    ],
    takes: None,
    gives: &[Gives::json::<ReviewPage>("200", "A page")],
    serve: |method| on(method, reviews),
};

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

const REVIEW: Route = Route {
    method: Method::GET,
    path: "/v1/reviews/{case}",
    id: "review",
    summary: "One case",
    parameters: &[],
    takes: None,
    gives: &[Gives::json::<ReviewCase>("200", "The case")],
    serve: |method| on(method, review),
};

async fn review(State(app): State<Arc<AppState>>, at: PathParam<i64>) -> Result<Response, Failure> {
    let Path(case) = at?;
    app.soon(|reply| Call::Review { case, reply }).await.map(json)
}

const CLAIM: Route = Route {
    method: Method::POST,
    path: "/v1/reviews/{case}/claim",
    id: "claim",
    summary: "Takes a review for some minutes",
    parameters: &[],
    takes: Some(Takes::json::<Claim>()),
    gives: &[Gives::json::<ReviewCase>("200", "The case as it is now")],
    serve: |method| on(method, claim),
};

async fn claim(State(app): State<Arc<AppState>>, at: PathParam<i64>, body: Bytes) -> Result<Response, Failure> {
    let Path(case) = at?;
    let claim = read(&body, |text| object::<Claim>(text, "{\"reviewer\"}"))?;
    app.soon(|reply| Call::Claim { case, claim, reply }).await.map(json)
}

const RESOLVE: Route = Route {
    method: Method::POST,
    path: "/v1/reviews/{case}/resolve",
    id: "resolve",
    summary: "Says whether the model was right",
    parameters: &[],
    takes: Some(Takes::json::<Resolve>()),
    gives: &[Gives::json::<ReviewCase>("200", "The case as it is now; the asker gets the next revision of the answer")],
    serve: |method| on(method, resolve),
};

async fn resolve(State(app): State<Arc<AppState>>, at: PathParam<i64>, body: Bytes) -> Result<Response, Failure> {
    let Path(case) = at?;
    let expected = "{\"verdict\": \"right\" | \"wrong\" | \"unclear\", \"correction\"?, \"reviewer\"?}";
    let resolve = read(&body, |text| object::<Resolve>(text, expected))?;
    app.soon(|reply| Call::Resolve { case, resolve, reply }).await.map(json)
}

const EXPORT: Route = Route {
    method: Method::GET,
    path: "/v1/reviews/export",
    id: "export",
    summary: "A page of resolved reviews, for the training toolkit or for Label Studio",
    parameters: &[
        Parameter::query::<Format>("format"),
        Parameter::query::<i64>("after"),
        Parameter::query::<u32>("limit"),
    ],
    takes: None,
    gives: &[Gives::text(
        &["application/jsonl", "application/json"],
        "Resolved reviews behind `after`, or behind what was marked as exported",
    )
    .with_headers(&[
        (THROUGH_NAME, "integer", "The last review on the page"),
        (MORE_NAME, "boolean", "Does another page follow?"),
    ])],
    serve: |method| on(method, export),
};

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

const EXPORTED: Route = Route {
    method: Method::POST,
    path: "/v1/reviews/exported",
    id: "exported",
    summary: "Marks reviews as exported, once they are safe",
    parameters: &[],
    takes: Some(Takes::json::<Exported>()),
    gives: &[Gives::json::<Exported>("200", "What was marked")],
    serve: |method| on(method, exported),
};

async fn exported(State(app): State<Arc<AppState>>, body: Bytes) -> Result<Response, Failure> {
    let exported = read(&body, |text| object::<Exported>(text, "{\"through\"}"))?;
    app.soon(|reply| Call::Exported { exported, reply }).await?;
    Ok(json(to_json(&exported)))
}

pub(super) const HEALTH: Route = Route {
    method: Method::GET,
    path: "/healthz",
    id: "health",
    summary: "Is the gateway well? Asks for no token",
    parameters: &[],
    takes: None,
    gives: &[Gives::json::<Health>("200", "All is well"), Gives::json::<Health>("503", "Something is missing")],
    serve: |method| on(method, health),
};

async fn health(State(app): State<Arc<AppState>>) -> Result<Response, Failure> {
    let (well, body) = app.soon(|reply| Call::Health { reply }).await?;
    let mut response = json(body);
    if !well {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

const METRICS: Route = Route {
    method: Method::GET,
    path: "/metrics",
    id: "metrics",
    summary: "What the gateway has counted",
    parameters: &[],
    takes: None,
    gives: &[Gives::text(&["text/plain"], "Prometheus text")],
    serve: |method| on(method, metrics),
};

async fn metrics(State(app): State<Arc<AppState>>) -> Result<Response, Failure> {
    let text = app.soon(|reply| Call::Metrics { reply }).await?;
    Ok(of_kind("text/plain; version=0.0.4; charset=utf-8", text))
}

type PathParam<T> = Result<Path<T>, PathRejection>;

fn read<T>(body: &[u8], parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Failure> {
    text(body).and_then(parse).map_err(|why| Failure(StatusCode::BAD_REQUEST, why))
}

/// Of a question that was asked, over whatever transport.
fn key(client: String, id: String) -> Result<Key, Failure> {
    if is_asker_name(&client) && is_asker_name(&id) {
        return Ok(Key { client, id });
    }
    let why =
        format!("expected client and id of 1 to {ASKER_CHARS_MAX} characters without / + # and control characters");
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

/// A segment of a path, with all but letters, digits and a few marks in percent signs.
fn encoded(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let byte = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    segment.bytes().map(byte).collect()
}

fn accepted(key: &Key) -> Response {
    let Key { client, id } = key.clone();
    let location = format!("/v1/answers/{}/{}", encoded(&client), encoded(&id));
    let place = HeaderValue::from_str(&location).expect("what is no letter or digit is encoded");
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

    /// The gateway dropped the way back.
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
            Refusal::Unreadable(_) | Refusal::UnknownTask(_) => StatusCode::BAD_REQUEST,
            Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            Refusal::Conflict(_) | Refusal::Reused(_) => StatusCode::CONFLICT,
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::Full | Refusal::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
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
