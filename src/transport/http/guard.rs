//! Who may come in. A page of another site must not reach the gateway through a browser on this network: the Host must be
//! loopback, the address that the configuration listens on or one of its names; what a browser marks as cross-site is refused;
//! what changes something must be `application/json`, which a foreign form cannot send; no answer ever allows another origin.
//!
//! [`admit`] decides from the head of a request alone.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::config::{Settings, Token};
use super::routes::Failure;

/// Lets in whom the configuration lets in, and says to browsers what they may do with the answer: nothing but show it here.
pub async fn guard(State(settings): State<Arc<Settings>>, request: Request, next: Next) -> Response {
    let mut response = match admit(&settings, request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

/// Whether a request with this head may come in.
fn admit(settings: &Settings, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
    let host = single(headers, header::HOST)?
        .ok_or_else(|| Failure::new(StatusCode::BAD_REQUEST, "expected a Host header, got none; speak HTTP/1.1"))?;
    let authority = uri.authority().map(|authority| authority.as_str());
    for host in [Some(host), authority].into_iter().flatten() {
        if !is_own_host(settings, host) {
            let why = format!(
                "expected a Host that is loopback, the address of http.listen or a name in http.hosts, got {host:.80}"
            );
            return Err(Failure(StatusCode::MISDIRECTED_REQUEST, why));
        }
    }
    if is_foreign(headers, host)? {
        let why = "a page of another site may not speak with this gateway; open the gateway's own address";
        return Err(Failure::new(StatusCode::FORBIDDEN, why));
    }
    // Whoever watches over the device need not know its secret.
    if let Some(token) = &settings.token
        && uri.path() != "/healthz"
        && !shows(single(headers, header::AUTHORIZATION)?, token)
    {
        let why = "expected `Authorization: Bearer TOKEN` with the token of http.token_file";
        return Err(Failure::new(StatusCode::UNAUTHORIZED, why));
    }
    if *method == Method::POST {
        let kind = single(headers, header::CONTENT_TYPE)?.unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let why = format!("expected `Content-Type: application/json`, got {kind:.80}");
            return Err(Failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let coding = single(headers, header::CONTENT_ENCODING)?.unwrap_or_default();
        if !matches!(coding.to_ascii_lowercase().as_str(), "" | "identity") {
            let why = format!("expected a body as it is, without Content-Encoding, got {coding:.80}");
            return Err(Failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
    }
    Ok(())
}

/// Whether a host, with or without a port, stands for this device.
fn is_own_host(settings: &Settings, host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.to_ascii_lowercase();
    let address = name.parse::<IpAddr>().ok();
    let is_own_address = address.is_some_and(|address| address.is_loopback() || address == settings.listen.ip());
    is_own_address || name == "localhost" || settings.hosts.contains(&name)
}

/// Whether a browser says that a page of another site than `host` asks.
fn is_foreign(headers: &HeaderMap, host: &str) -> Result<bool, Failure> {
    let is_cross_site = match single(headers, HeaderName::from_static("sec-fetch-site"))? {
        Some(site) => !matches!(site, "same-origin" | "none"),
        None => false,
    };
    let is_other_origin = match single(headers, header::ORIGIN)? {
        Some(origin) => origin.split_once("://").is_none_or(|(_, origin)| !origin.eq_ignore_ascii_case(host)),
        None => false,
    };
    Ok(is_cross_site || is_other_origin)
}

fn shows(authorization: Option<&str>, token: &Token) -> bool {
    authorization
        .and_then(|shown| shown.split_once(' '))
        .is_some_and(|(scheme, shown)| scheme.eq_ignore_ascii_case("bearer") && token.is(shown.trim().as_bytes()))
}

/// The header, if it is there once and can be read.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Failure> {
    let odd = || Failure(StatusCode::BAD_REQUEST, format!("expected one {name} header of visible ASCII"));
    let mut values = headers.get_all(&name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| odd()),
        (Some(_), Some(_)) => Err(odd()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(token: Option<&str>) -> Settings {
        Settings {
            listen: "192.168.1.7:8620".parse().unwrap(),
            token: token.map(Token::new),
            hosts: vec!["press.local".to_owned()],
        }
    }

    /// The status that a request is refused with, or 200.
    fn status(token: Option<&str>, request: &str, headers: &[(&str, &str)]) -> u16 {
        let (method, uri) = request.split_once(' ').unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        let method = Method::try_from(method).unwrap();
        admit(&settings(token), &method, &uri.parse().unwrap(), &map)
            .map_or_else(|failure| failure.0.as_u16(), |()| 200)
    }

    const HOST: (&str, &str) = ("host", "localhost:8620");
    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn only_a_name_of_this_device_is_a_host() {
        for host in
            ["localhost", "LOCALHOST:9", "127.0.0.2:80", "[::1]", "[::1]:80", "192.168.1.7:8620", "Press.Local:80"]
        {
            assert_eq!(status(None, "GET /healthz", &[("host", host)]), 200, "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "192.168.1.8", "[::2]:80", "press.local.", "a b"] {
            assert_eq!(status(None, "GET /healthz", &[("host", host)]), 421, "{host}");
        }
        assert_eq!(status(None, "GET /healthz", &[]), 400);
        assert_eq!(status(None, "GET /healthz", &[HOST, HOST]), 400, "two of them");
        assert_eq!(status(None, "GET http://evil.example/healthz", &[HOST]), 421, "the other one in the request line");
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        let with = |name, value| status(None, "GET /metrics", &[HOST, (name, value)]);
        assert_eq!((with("origin", "http://localhost:8620"), with("origin", "http://LOCALHOST:8620")), (200, 200));
        for origin in ["http://localhost", "http://evil.example", "null", ""] {
            assert_eq!(with("origin", origin), 403, "{origin}");
        }
        assert_eq!((with("sec-fetch-site", "same-origin"), with("sec-fetch-site", "none")), (200, 200));
        assert_eq!((with("sec-fetch-site", "same-site"), with("sec-fetch-site", "cross-site")), (403, 403));
    }

    #[test]
    fn a_token_opens_everything_and_health_needs_none() {
        let with = |path, shown| status(Some("open sesame"), path, &[HOST, ("authorization", shown)]);
        assert_eq!(
            (with("GET /metrics", "Bearer open sesame"), with("GET /metrics", "bearer  open sesame ")),
            (200, 200)
        );
        for shown in ["", "Bearer", "Bearer ", "Bearer open sesam", "Bearer open sesamee", "Basic open sesame"] {
            assert_eq!(with("GET /metrics", shown), 401, "{shown}");
        }
        let without = |path| status(Some("open sesame"), path, &[HOST]);
        assert_eq!((without("GET /healthz"), without("GET /healthz/"), without("GET /v1/none")), (200, 401, 401));
    }

    #[test]
    fn a_body_is_json_as_it_is() {
        assert_eq!(status(None, "POST /v1/ask", &[HOST, JSON]), 200);
        assert_eq!(status(None, "POST /v1/ask", &[HOST, ("content-type", "Application/JSON ; charset=utf-8")]), 200);
        for kind in ["", "text/plain", "application/jsonx", "multipart/form-data"] {
            assert_eq!(status(None, "POST /v1/ask", &[HOST, ("content-type", kind)]), 415, "{kind}");
        }
        assert_eq!(status(None, "POST /v1/ask", &[HOST]), 415);
        for (coding, said) in [("identity", 200), ("gzip", 415), ("br", 415), ("identity, gzip", 415), ("x", 415)] {
            assert_eq!(status(None, "POST /v1/ask", &[HOST, JSON, ("content-encoding", coding)]), said, "{coding}");
        }
        assert_eq!(status(None, "POST /v1/ask", &[HOST, JSON, JSON]), 400);
    }
}
