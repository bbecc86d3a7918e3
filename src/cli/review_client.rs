//! The reviews of this device for the commands: asked of the gateway over its own HTTP where one runs, else read from the journal, which
//! only one process holds. Asks nobody but the address of the configuration.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap};
use ureq::http::{Method, Request, StatusCode};

use super::Error;
use super::open::bundle_folder;
use crate::api::json;
use crate::api::review::{self, Export, Exported, Resolve, ReviewCase, ReviewPage, ReviewStateName};
use crate::bundle::Bundle;
use crate::domain::chain;
use crate::gateway::settings::Config;
use crate::store::{self, CaseId, Journal, Limits, Resolution, ReviewLine};
use crate::transport::http::{MORE, PAGE_MAX, Problem, THROUGH};

/// A gateway that does not answer within this does not answer.
const TIME_MAX: Duration = Duration::from_secs(30);
/// A page of the longest texts.
const BODY_BYTES_MAX: u64 = 32 << 20;

/// Where the reviews are.
pub enum ReviewClient {
    /// With the gateway.
    Gateway(Gateway),
    /// In the journal, which nobody else holds.
    Journal(Box<Journal>, Option<Box<Bundle>>),
}

/// Where the gateway of this device listens.
pub struct Gateway {
    address: SocketAddr,
    token: Option<String>,
}

impl ReviewClient {
    /// The gateway's where one holds the journal, or where this user may not.
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
            Err(error @ store::Error::InUse { .. }) => Gateway::of(config, &error).map(Self::Gateway),
            Err(store::Error::File { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
                Gateway::of(config, &source).map(Self::Gateway)
            }
            Err(error) => Err(Error::Journal(error)),
        }
    }

    pub fn list(&mut self, state: ReviewStateName, after: Option<i64>, limit: usize) -> Result<ReviewPage, Error> {
        match self {
            Self::Gateway(gateway) => {
                let name = if state == ReviewStateName::Open { "open" } else { "resolved" };
                let after = after.map_or_else(String::new, |after| format!("&after={after}"));
                gateway.get(&format!("/v1/reviews?state={name}&limit={limit}{after}"))
            }
            Self::Journal(journal, bundle) => {
                steps(journal, |batch| review::list(batch, state.into(), after, limit, bundle.as_deref()))
            }
        }
    }

    pub fn show(&mut self, case: i64) -> Result<ReviewCase, Error> {
        match self {
            Self::Gateway(gateway) => gateway.get(&format!("/v1/reviews/{case}")),
            Self::Journal(journal, bundle) => {
                steps(journal, |batch| review::show(batch, CaseId(case), bundle.as_deref()))
            }
        }
    }

    pub fn resolve(&mut self, case: i64, said: &Resolve) -> Result<ReviewCase, Error> {
        match self {
            Self::Gateway(gateway) => gateway.post(&format!("/v1/reviews/{case}/resolve"), said),
            Self::Journal(journal, bundle) => steps(journal, |batch| {
                review::resolve(batch, CaseId(case), said, bundle.as_deref(), SystemTime::now())?;
                review::show(batch, CaseId(case), bundle.as_deref())
            }),
        }
    }

    /// A page behind `after`, or behind what was exported.
    pub fn export(&mut self, after: Option<i64>) -> Result<Export, Error> {
        match self {
            Self::Gateway(gateway) => {
                let after = after.map_or_else(String::new, |after| format!("&after={after}"));
                let path = format!("/v1/reviews/export?format=jsonl&limit={PAGE_MAX}{after}");
                let (headers, body) = gateway.ask(&path, None)?;
                let said = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
                let odd = || Error::Review("the gateway's export cannot be read; is it of this version?".to_owned());
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
            Self::Gateway(gateway) => {
                let body = Exported { through: through.0 };
                gateway.post::<Exported>("/v1/reviews/exported", &body).map(drop)
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

impl Gateway {
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
        self.ask(path, None).and_then(|(_, body)| read(&body))
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let body = json(body);
        self.ask(path, Some(body)).and_then(|(_, body)| read(&body))
    }

    /// One request on a connection of its own: a POST where there is a body, else a GET.
    fn ask(&self, path: &str, body: Option<Vec<u8>>) -> Result<(HeaderMap, Vec<u8>), Error> {
        let address = self.address;
        let failed = |source: io::Error| Error::Gateway { address, source };
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut request =
            Request::builder().method(method).uri(format!("http://{address}{path}")).header(HOST, address.to_string()); // with the port, be it 80
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(body.unwrap_or_default())
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let (status, headers, body) = exchange(request).map_err(|error| failed(io_error(error)))?;
        if status == StatusCode::OK {
            return Ok((headers, body));
        }
        let said = serde_json::from_slice(&body).map(|Problem { error }| error);
        let said = said.unwrap_or_else(|_| format!("the gateway at {address} answered {status}"));
        Err(if status.is_server_error() { failed(io::Error::other(said)) } else { Error::Review(said) })
    }
}

/// Asks nobody but the address in the request: no proxy, whatever the environment says, and no other place that the answer names.
fn exchange(request: Request<Vec<u8>>) -> Result<(StatusCode, HeaderMap, Vec<u8>), ureq::Error> {
    let agent: Agent = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(TIME_MAX))
        .build()
        .into();
    let (parts, body) = request.into_parts();
    let response = match parts.method {
        Method::GET => agent.run(Request::from_parts(parts, ())),
        _ => agent.run(Request::from_parts(parts, body)),
    }?;
    let (parts, mut body) = response.into_parts();
    let body = body.with_config().limit(BODY_BYTES_MAX).read_to_vec()?;
    Ok((parts.status, parts.headers, body))
}

fn io_error(error: ureq::Error) -> io::Error {
    match error {
        ureq::Error::Timeout(_) => io::ErrorKind::TimedOut.into(),
        error => error.into_io(),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body)
        .map_err(|error| Error::Review(format!("the gateway's answer cannot be read; is it of this version? {error}")))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// Answers one request with these bytes, and gives back what it was asked.
    fn server(answer: String) -> (Gateway, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = String::new();
            while !asked.contains("\r\n\r\n") || (asked.starts_with("POST") && !asked.ends_with('}')) {
                let mut bytes = [0; 1024];
                let count = stream.read(&mut bytes).unwrap();
                asked.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
            let _ = stream.write_all(answer.as_bytes()); // may be closed before all is sent
            asked.to_lowercase()
        });
        (Gateway { address, token: Some("sesame".to_owned()) }, asked)
    }

    fn answer(head: &str, body: &str) -> String {
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn it_says_where_it_asks_and_shows_the_token() {
        let (gateway, asked) = server(answer("200 OK\r\nSokutou-Through: 7", "{}"));
        let (headers, body) = gateway.ask("/v1/reviews?limit=1", None).unwrap();
        assert_eq!((headers[THROUGH].as_bytes(), body.as_slice()), (&b"7"[..], &b"{}"[..]));
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("get /v1/reviews?limit=1 http/1.1\r\n"), "{asked}");
        for header in [format!("host: {}", gateway.address), "authorization: bearer sesame".to_owned()] {
            assert!(asked.contains(&format!("\r\n{header}\r\n")), "{asked}");
        }

        let (gateway, asked) = server(answer("200 OK", "{}"));
        gateway.ask("/v1/reviews/exported", Some(b"{\"through\":7}".to_vec())).unwrap();
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("post /v1/reviews/exported http/1.1\r\n"), "{asked}");
        assert!(
            asked.contains("\r\ncontent-type: application/json\r\n") && asked.ends_with("{\"through\":7}"),
            "{asked}"
        );
    }

    #[test]
    fn it_follows_no_redirect_and_tells_what_the_gateway_says() {
        let told = |answer: String| {
            let (gateway, asked) = server(answer);
            let error = gateway.ask("/v1/reviews/1", None).unwrap_err();
            asked.join().unwrap();
            (gateway.address, error)
        };
        let (address, error) = told(answer("302 Found\r\nLocation: http://127.0.0.1:1/", ""));
        assert_eq!(error.to_string(), format!("the gateway at {address} answered 302 Found"));
        let (_, error) = told(answer("409 Conflict", "{\"error\":\"it is taken\"}"));
        assert!(matches!(&error, Error::Review(said) if said == "it is taken"), "{error:?}");
        let (_, error) = told(answer("503 Service Unavailable", "{\"error\":\"ask again\"}"));
        assert!(matches!(&error, Error::Gateway { source, .. } if source.to_string() == "ask again"), "{error:?}");
    }

    #[test]
    fn an_answer_too_long_and_nobody_at_all_are_errors() {
        let (gateway, asked) =
            server(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat((32 << 20) + 1)));
        assert!(matches!(gateway.ask("/v1/reviews", None), Err(Error::Gateway { .. })));
        asked.join().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nobody = Gateway { address: closed, token: None };
        let error = nobody.ask("/v1/reviews", None).unwrap_err();
        let refused = io::ErrorKind::ConnectionRefused;
        assert!(matches!(&error, Error::Gateway { source, .. } if source.kind() == refused), "{error:?}");
        assert_eq!(io_error(ureq::Error::Timeout(ureq::Timeout::Global)).kind(), io::ErrorKind::TimedOut);
    }
}
