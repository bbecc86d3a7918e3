//! The reviews of this device for the commands: asked of the daemon over its own HTTP where one runs, else read from the journal, which
//! only one process holds. Asks nobody but the address of the configuration.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Error;
use super::open::bundle_folder;
use crate::api::review::{self, Export, Exported, Resolve, ReviewCase, ReviewPage, ReviewStateName};
use crate::bundle::Bundle;
use crate::domain::chain;
use crate::gateway::settings::Config;
use crate::store::{self, CaseId, Journal, Limits, Resolution, ReviewLine};
use crate::transport::http::{MORE, PAGE_MAX, Problem, THROUGH};

/// A daemon that does not answer within this does not answer.
const TIME_MAX: Duration = Duration::from_secs(30);
/// A page of the longest texts.
const BODY_BYTES_MAX: usize = 32 << 20;

/// Where the reviews are.
pub enum ReviewClient {
    /// With the daemon.
    Daemon(Daemon),
    /// In the journal, which nobody else holds.
    Journal(Box<Journal>, Option<Box<Bundle>>),
}

/// Where the daemon of this device listens.
pub struct Daemon {
    address: SocketAddr,
    token: Option<String>,
}

impl ReviewClient {
    /// The daemon's where one holds the journal, or where this user may not.
    pub fn open(config: &Config) -> Result<Self, Error> {
        let folder = &config.journal.folder;
        if !folder.join("journal.db").try_exists().unwrap_or(true) {
            return Err(Error::Review(format!(
                "there is no journal in {}; name the gateway's configuration with --config, or set journal.folder",
                folder.display()
            )));
        }
        match Journal::open(folder, Limits { disk_bytes_max: config.journal.budget_bytes }) {
            Ok((journal, _)) => {
                let student = bundle_folder(config.student.bundle.as_deref()).ok();
                let bundle = student.and_then(|folder| Bundle::open(&folder).ok());
                Ok(Self::Journal(Box::new(journal), bundle.map(Box::new)))
            }
            Err(error @ store::Error::InUse { .. }) => Daemon::of(config, &error).map(Self::Daemon),
            Err(store::Error::File { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
                Daemon::of(config, &source).map(Self::Daemon)
            }
            Err(error) => Err(Error::Journal(error)),
        }
    }

    pub fn list(&mut self, state: ReviewStateName, after: Option<i64>, limit: usize) -> Result<ReviewPage, Error> {
        match self {
            Self::Daemon(daemon) => {
                let name = if state == ReviewStateName::Open { "open" } else { "resolved" };
                let after = after.map_or_else(String::new, |after| format!("&after={after}"));
                daemon.get(&format!("/v1/reviews?state={name}&limit={limit}{after}"))
            }
            Self::Journal(journal, bundle) => {
                steps(journal, |batch| review::list(batch, state.into(), after, limit, bundle.as_deref()))
            }
        }
    }

    pub fn show(&mut self, case: i64) -> Result<ReviewCase, Error> {
        match self {
            Self::Daemon(daemon) => daemon.get(&format!("/v1/reviews/{case}")),
            Self::Journal(journal, bundle) => {
                steps(journal, |batch| review::show(batch, CaseId(case), bundle.as_deref()))
            }
        }
    }

    pub fn resolve(&mut self, case: i64, said: &Resolve) -> Result<ReviewCase, Error> {
        match self {
            Self::Daemon(daemon) => daemon.post(&format!("/v1/reviews/{case}/resolve"), said),
            Self::Journal(journal, bundle) => steps(journal, |batch| {
                review::resolve(batch, CaseId(case), said, bundle.as_deref(), SystemTime::now())?;
                review::show(batch, CaseId(case), bundle.as_deref())
            }),
        }
    }

    /// A page behind `after`, or behind what was exported.
    pub fn export(&mut self, after: Option<i64>) -> Result<Export, Error> {
        match self {
            Self::Daemon(daemon) => {
                let after = after.map_or_else(String::new, |after| format!("&after={after}"));
                let path = format!("/v1/reviews/export?format=jsonl&limit={PAGE_MAX}{after}");
                let (headers, body) = daemon.ask(Method::GET, &path, None)?;
                let said = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
                let odd = || Error::Review("the daemon's export cannot be read; is it of this version?".to_owned());
                let through = Resolution(said(THROUGH).parse().map_err(|_| odd())?);
                let lines = body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
                let lines: Result<Vec<ReviewLine>, _> = lines.map(serde_json::from_slice).collect();
                Ok(Export { lines: lines.map_err(|_| odd())?, through, more: said(MORE) == "true" })
            }
            Self::Journal(journal, _) => steps(journal, |batch| review::export(batch, after.map(Resolution), PAGE_MAX)),
        }
    }

    pub fn mark_exported(&mut self, through: Resolution) -> Result<(), Error> {
        match self {
            Self::Daemon(daemon) => {
                let body = Exported { through: through.0 };
                daemon.post::<Exported>("/v1/reviews/exported", &body).map(drop)
            }
            Self::Journal(journal, _) => steps(journal, |batch| Ok(batch.mark_exported(through, SystemTime::now())?)),
        }
    }
}

fn steps<T>(
    journal: &mut Journal,
    steps: impl FnOnce(&mut store::Batch<'_>) -> Result<T, review::Error>,
) -> Result<T, Error> {
    let mut refused = None;
    let done = journal.batch(|batch| match steps(batch) {
        Ok(done) => Ok(Some(done)),
        Err(review::Error::Store(error)) => Err(error),
        Err(error) => {
            refused = Some(error); // before anything was written
            Ok(None)
        }
    });
    match (done, refused) {
        (Ok(Some(done)), _) => Ok(done),
        (Ok(None), refused) => Err(Error::Review(refused.map_or_else(String::new, |refused| chain(&refused)))),
        (Err(error), _) if error.refusal().is_some() => Err(Error::Review(error.to_string())),
        (Err(error), _) => Err(Error::Journal(error)),
    }
}

impl Daemon {
    /// Of this configuration; `why` the journal itself cannot be read.
    fn of(config: &Config, why: &(dyn std::error::Error + 'static)) -> Result<Self, Error> {
        let Some(mut address) = config.transports.http.listen else {
            return Err(Error::Review(format!(
                "{}; and it has no HTTP to ask: set http.listen, or stop the gateway",
                chain(why)
            )));
        };
        if address.ip().is_unspecified() {
            let loopback =
                if address.is_ipv4() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { IpAddr::from(Ipv6Addr::LOCALHOST) };
            address.set_ip(loopback);
        }
        let token = config.transports.http.token.as_ref().map(|file| file.read()).transpose()?;
        Ok(Self { address, token: token.map(|token| token.expose().to_owned()) })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.ask(Method::GET, path, None).and_then(|(_, body)| read(&body))
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let body = serde_json::to_vec(body).expect("our own records have string keys");
        self.ask(Method::POST, path, Some(body)).and_then(|(_, body)| read(&body))
    }

    /// One request on a connection of its own.
    fn ask(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<(HeaderMap, Bytes), Error> {
        let address = self.address;
        let failed = |source: io::Error| Error::Daemon { address, source };
        let mut request = Request::builder().method(method).uri(path).header(HOST, address.to_string());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::<Bytes>::from(body.unwrap_or_default()))
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let exchange = async {
            let stream = TcpStream::connect(address).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
            let connection = tokio::spawn(connection);
            let response = sender.send_request(request).await.map_err(io::Error::other)?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(io::Error::other)?.to_bytes();
            drop(sender);
            connection.abort();
            Ok((parts, body))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (parts, body) = runtime
            .block_on(async { timeout(TIME_MAX, exchange).await.unwrap_or_else(|late| Err(late.into())) })
            .map_err(failed)?;
        match parts.status {
            StatusCode::OK => Ok((parts.headers, body)),
            status => {
                let said = serde_json::from_slice(&body).map(|Problem { error }| error);
                let said = said.unwrap_or_else(|_| format!("the daemon at {address} answered {status}"));
                Err(if status.is_server_error() { failed(io::Error::other(said)) } else { Error::Review(said) })
            }
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body)
        .map_err(|error| Error::Review(format!("the daemon's answer cannot be read; is it of this version? {error}")))
}
