//! TLS to the broker: the files of `[mqtt.tls]`, read in one way by the connection and by `config check`; and in words what is wrong
//! with one of them, or with the broker's certificate. Opens no connection.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use rumqttc::StateError;
use rumqttc::tokio_rustls::rustls::client::{
    WebPkiServerVerifier, danger::ServerCertVerifier as _, verify_server_name,
};
use rumqttc::tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use rumqttc::tokio_rustls::rustls::pki_types::pem::PemObject as _;
use rumqttc::tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rumqttc::tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rumqttc::tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use rumqttc::tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, InconsistentKeys, RootCertStore,
};

use super::config::{Tls, TlsFiles};
use crate::bytes::without_byte_order_mark;
use crate::config::check::{Check, State};
use crate::config::read_file;
use crate::domain::chain;

/// How a PEM file begins, comments aside.
const PEM: &str = "-----BEGIN ";

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Authority,
    Certificate,
    Key,
}

impl File {
    fn key(self) -> &'static str {
        match self {
            Self::Authority => "mqtt.tls.ca_file",
            Self::Certificate => "mqtt.tls.client_cert_file",
            Self::Key => "mqtt.tls.client_key_file",
        }
    }
}

/// What is wrong with a file, and the way out.
#[derive(Debug)]
struct Flaw {
    what: String,
    hint: String,
}

impl Flaw {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// Why there can be no connection with these files.
#[derive(Debug)]
pub struct Fault {
    file: File,
    path: String,
    flaw: Flaw,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, path, flaw: Flaw { what, hint } } = self;
        write!(f, "{} of this device, {path}: {what}; {hint}", file.key())
    }
}

/// What the connection needs.
pub fn config(tls: &Tls) -> Result<Arc<ClientConfig>, Fault> {
    let of = |file: File| {
        let path = match (file, &tls.files.client) {
            (File::Certificate, Some(client)) => client.certificate.display().to_string(),
            (File::Key, Some(client)) => client.key.to_string(),
            _ => tls.files.authority.display().to_string(),
        };
        move |flaw: Flaw| Fault { file, path, flaw }
    };
    let (roots, _) = authorities(&tls.ca).map_err(of(File::Authority))?;
    let own = tls.client.as_ref().map(|(certificate, key)| own(certificate, key));
    let own = own.transpose().map_err(|(file, flaw)| of(file)(flaw))?;
    let odd = |error: Error| of(File::Authority)(Flaw::new(error.to_string(), "tell whoever keeps this program"));
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(odd)?;
    let config = config.with_root_certificates(roots);
    Ok(Arc::new(match own {
        Some(own) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
        None => config.with_no_client_auth(),
    }))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

// The files.

/// The authorities of a file, and their certificates.
fn authorities(pem: &[u8]) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Flaw> {
    let certificates = certificates(pem)?;
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(certificates.iter().cloned());
    if taken == 0 {
        return Err(Flaw::new("no certificate in it can be read", "copy the authority's certificate again, in PEM"));
    }
    Ok((roots, certificates))
}

/// This device's certificate with its key; which file is wrong otherwise.
fn own(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, (File, Flaw)> {
    let chain = certificates(certificate).map_err(|flaw| (File::Certificate, flaw))?;
    let key = private_key(key).map_err(|flaw| (File::Key, flaw))?;
    let signing = provider().key_provider.load_private_key(key).map_err(|error| {
        let kinds = "expected RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519";
        (File::Key, Flaw::new(format!("the key cannot be used: {error}"), kinds))
    })?;
    let own = CertifiedKey::new(chain, signing);
    match own.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(own),
        Err(Error::InconsistentKeys(_)) => {
            let mut others = own.cert.iter().skip(1);
            let is_behind = |other: &CertificateDer<'static>| {
                CertifiedKey::new(vec![other.clone()], own.key.clone()).keys_match().is_ok()
            };
            Err(if others.any(is_behind) {
                let order = "put this device's own certificate first, and the one that signed it behind it";
                (File::Certificate, Flaw::new("the certificate of the key stands behind others", order))
            } else {
                let hint = "name the key that the certificate was requested with";
                (File::Key, Flaw::new("the key does not belong to mqtt.tls.client_cert_file", hint))
            })
        }
        Err(error) => Err((File::Certificate, own_flaw(&error))),
    }
}

/// The certificates of a file; there is one at least.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let hint = "expected a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----";
    let text = text(pem)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|error| Flaw::new(format!("a certificate in it cannot be read: {error}"), hint))?;
    if !found.is_empty() {
        return Ok(found);
    }
    Err(match Content::of(text) {
        Content::Key => Flaw::new("it holds a private key and no certificate", hint),
        Content::Request => Flaw::new("it holds a request for a certificate, which nobody has signed yet", hint),
        Content::Trusted => Flaw::new("it holds a TRUSTED CERTIFICATE of OpenSSL", "convert it: openssl x509 -in FILE"),
        Content::Der => {
            Flaw::new("it holds no PEM, it seems to be DER", "convert it: openssl x509 -inform der -in FILE")
        }
        Content::Other => Flaw::new("it holds no certificate", hint),
        Content::Nothing => Flaw::new("it holds no PEM", hint),
    })
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Flaw> {
    let hint = "expected a key in PEM, which begins with -----BEGIN PRIVATE KEY-----";
    let text = text(pem)?;
    if contains(text, "ENCRYPTED") {
        let decrypt =
            "nobody can type its passphrase here; take it off: openssl pkey -in FILE -out NEW, and chmod 600 NEW";
        return Err(Flaw::new("the key is encrypted", decrypt));
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match Content::of(text) {
        _ if contains(text, "PRIVATE KEY") => Flaw::new(format!("the key cannot be read: {error}"), hint),
        Content::Der => {
            Flaw::new("it holds no PEM, it seems to be DER", "convert it: openssl pkey -inform der -in FILE")
        }
        Content::Nothing => Flaw::new("it holds no PEM", hint),
        _ => Flaw::new("it holds no private key", hint),
    })
}

/// What a file holds that does not hold what it should.
enum Content {
    Key,
    Request,
    Trusted,
    Der,
    Other,
    Nothing,
}

impl Content {
    fn of(text: &[u8]) -> Self {
        match text {
            _ if contains(text, "PRIVATE KEY-----") => Self::Key,
            _ if contains(text, "CERTIFICATE REQUEST-----") => Self::Request,
            _ if contains(text, "TRUSTED CERTIFICATE-----") => Self::Trusted,
            _ if contains(text, PEM) => Self::Other,
            [0x30, 0x80..=0x84, ..] => Self::Der,
            _ => Self::Nothing,
        }
    }
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

/// The text without a byte order mark, behind which no PEM would be found.
fn text(pem: &[u8]) -> Result<&[u8], Flaw> {
    without_byte_order_mark(pem).ok_or_else(|| Flaw::new("it is UTF-16", "save it as UTF-8 or ASCII"))
}

// What `config check` says of them.

/// Whether the files can be used, and whether the broker at `host` and we would be believed with them.
pub fn check(files: &TlsFiles, host: &str) -> Vec<Check> {
    let TlsFiles { authority, client } = files;
    let read = |file: File, path: &std::path::Path| {
        read_file(path).map_err(|error| {
            let hint = "expected a certificate in PEM that the service's user can read";
            Check::fail(file.key(), chain(&error), hint)
        })
    };
    let mut checks = Vec::new();
    let failed = |file: File, path: &dyn fmt::Display, Flaw { what, hint }: Flaw| {
        Check::fail(file.key(), format!("{path}: {what}"), &hint)
    };
    let mut roots = RootCertStore::empty();
    checks.push(match read(File::Authority, authority) {
        Err(check) => check,
        Ok(pem) => match authorities(&pem) {
            Err(flaw) => failed(File::Authority, &authority.display(), flaw),
            Ok((found, certificates)) => {
                roots = found;
                let doubts = certificates.iter().filter_map(|one| doubt_of_broker(one, &roots, host));
                worst(File::Authority, &authority.display(), doubts)
            }
        },
    });
    let Some(client) = client else { return checks };
    let mut of_key = client.key.check(File::Key.key(), "");
    let is_key_there = of_key.iter().all(|check| check.state != State::Fail);
    match (read(File::Certificate, &client.certificate), client.key.read()) {
        (Err(check), _) => checks.push(check),
        (Ok(pem), Ok(key)) if is_key_there => match own(&pem, key.expose().as_bytes()) {
            Ok(own) => {
                let doubt = doubt_of_own(&own, &roots);
                checks.push(worst(File::Certificate, &client.certificate.display(), doubt.into_iter()));
            }
            Err((File::Key, flaw)) => {
                checks.push(Check::ok(File::Certificate.key(), client.certificate.display().to_string()));
                of_key[0] = failed(File::Key, &client.key, flaw);
            }
            Err((file, flaw)) => checks.push(failed(file, &client.certificate.display(), flaw)),
        },
        (Ok(pem), _) => checks.push(match certificates(&pem) {
            Ok(_) => Check::ok(File::Certificate.key(), client.certificate.display().to_string()),
            Err(flaw) => failed(File::Certificate, &client.certificate.display(), flaw),
        }),
    }
    checks.extend(of_key);
    checks
}

/// What may keep a connection from coming about, beside what is certain to.
struct Doubt {
    state: State,
    flaw: Flaw,
}

/// OK without a doubt.
fn worst(file: File, path: &dyn fmt::Display, doubts: impl Iterator<Item = Doubt>) -> Check {
    let rank = |doubt: &Doubt| doubt.state == State::Fail;
    match doubts.max_by_key(rank) {
        None => Check::ok(file.key(), path.to_string()),
        Some(Doubt { state, flaw: Flaw { what, hint } }) => {
            let found = format!("{path}: {what}");
            if state == State::Fail {
                Check::fail(file.key(), found, &hint)
            } else {
                Check::warn(file.key(), found, &hint)
            }
        }
    }
}

/// A certificate of the authorities' file that is made for the broker itself is believed only if the connection would believe it.
fn doubt_of_broker(certificate: &CertificateDer<'_>, roots: &RootCertStore, host: &str) -> Option<Doubt> {
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let parsed = ParsedCertificate::try_from(certificate).ok()?; // of version 1: an authority's at best
    verify_server_name(&parsed, &name).ok()?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots.clone()), provider()).build().ok()?;
    let error = verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now()).err()?;
    let Error::InvalidCertificate(why) = error else { return None };
    let state = if is_of_time(&why) { State::Warn } else { State::Fail };
    let what = format!("it is made for the broker {host} itself, which cannot show it: {}", in_words(&why));
    Some(Doubt { state, flaw: Flaw::new(what, broker_hint(&why)) })
}

/// What a broker would say of this device's certificate, as far as that can be known.
fn doubt_of_own(own: &CertifiedKey, roots: &RootCertStore) -> Option<Doubt> {
    let [first, behind @ ..] = own.cert.as_slice() else { return None };
    let mut roots = roots.clone();
    roots.add_parsable_certificates(behind.iter().cloned());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok()?;
    let error = verifier.verify_client_cert(first, behind, UnixTime::now()).err()?;
    let Error::InvalidCertificate(why) = &error else { return None };
    let state = match why {
        // The broker may know its authority; a chain must lead somewhere.
        CertificateError::UnknownIssuer if behind.is_empty() => return None,
        CertificateError::UnknownIssuer => {
            let what = "the certificates behind the first one have not signed it";
            let hint = "put the certificate behind it that signed it, or none";
            return Some(Doubt { state: State::Warn, flaw: Flaw::new(what, hint) });
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => State::Fail,
        _ => State::Warn,
    };
    Some(Doubt { state, flaw: own_flaw(&error) })
}

fn own_flaw(error: &Error) -> Flaw {
    let Error::InvalidCertificate(why) = error else {
        return Flaw::new(format!("it cannot be used: {error}"), "have it made again");
    };
    let hint = match (why, pki(why)) {
        (_, Some(webpki::Error::UnsupportedCertVersion)) => {
            "sign it again as version 3: openssl x509 -req with -extfile, where the file has basicConstraints=CA:FALSE"
        }
        (CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }, _) => {
            "sign it again with extendedKeyUsage=clientAuth, or without extendedKeyUsage"
        }
        _ if is_of_time(why) => "have it signed again, or set the clock",
        _ => "have it signed again, as a certificate of a client",
    };
    Flaw::new(in_words(why), hint)
}

// What the log says of a connection that did not come about.

/// Whose fault it is in TLS that there is no connection, and the way out; `None` where it is nothing of TLS.
pub fn explain(tls: &Tls, host: &str, error: &(dyn StdError + 'static)) -> Option<String> {
    let has_own = tls.client.is_some();
    Some(match cause(error)? {
        Error::InvalidCertificate(why) => {
            let (why, hint) = (in_words(why), broker_hint(why));
            format!("the certificate of the broker is not believed: {why}; {hint}")
        }
        Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure if !has_own => {
                "the broker wants a certificate of this device: set mqtt.tls.client_cert_file and client_key_file"
                    .to_owned()
            }
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
                if has_own =>
            {
                format!(
                    "the broker does not believe this device's own certificate, mqtt.tls.client_cert_file ({alert:?}); \
                     have it signed by an authority that the broker knows, and run `sokutou config check`"
                )
            }
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
                format!("the broker does not speak TLS 1.3 ({alert:?}); switch it on there")
            }
            _ => format!("the broker at {host} ended the TLS handshake: {alert:?}; its log says why"),
        },
        Error::InvalidMessage(_) => {
            "what answers there does not speak TLS; brokers mostly do on 8883: set mqtt.port".to_owned()
        }
        error => format!("no TLS with the broker: {error}"),
    })
}

/// What TLS says in an error of the connection. An I/O error hides the one inside it, and so does what the library says of a packet
/// that cannot be read: a broker that does not believe us says so in place of its first one.
fn cause<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let packet = match error.downcast_ref::<StateError>() {
            Some(StateError::Deserialization(packet)) => Some(packet as &(dyn StdError + 'static)),
            _ => None,
        };
        next = inside.map(|inside| inside as &(dyn StdError + 'static)).or(packet).or_else(|| error.source());
    }
    None
}

fn broker_hint(why: &CertificateError) -> &'static str {
    match (why, pki(why)) {
        (_, Some(webpki::Error::CaUsedAsEndEntity)) => {
            "make the broker's again with basicConstraints=CA:FALSE, or sign one for it with this one"
        }
        (CertificateError::UnknownIssuer | CertificateError::BadSignature, _) => {
            "name the certificate of the authority that signed the broker's in mqtt.tls.ca_file"
        }
        (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }, _) => {
            "call the broker by such a name in mqtt.host, or have its certificate made for this one"
        }
        _ if is_of_time(why) => "have the broker's certificate signed again, or set this device's clock",
        _ => "have the broker's certificate signed again, as version 3 and for a server",
    }
}

// What a certificate lacks, whosesoever it is.

fn in_words(why: &CertificateError) -> String {
    let date = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds).map_or_else(|_| "?".to_owned(), |time| time.to_string())
    };
    match (why, pki(why)) {
        (_, Some(webpki::Error::UnsupportedCertVersion)) => "it is of X.509 version 1, expected version 3".to_owned(),
        (_, Some(webpki::Error::CaUsedAsEndEntity)) => {
            "it is an authority's (CA:TRUE), which may sign others and not be shown itself".to_owned()
        }
        (CertificateError::ExpiredContext { not_after, .. }, _) => {
            format!("it ended on {}, or this device's clock is wrong", date(not_after))
        }
        (CertificateError::NotValidYetContext { not_before, .. }, _) => {
            format!("it begins on {}, or this device's clock is wrong", date(not_before))
        }
        (CertificateError::UnknownIssuer, _) => "no authority in mqtt.tls.ca_file has signed it".to_owned(),
        (CertificateError::BadSignature, _) => "another authority of the same name has signed it".to_owned(),
        (CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }, _) => {
            "its extendedKeyUsage does not allow this use".to_owned()
        }
        (_, Some(other)) => format!("it cannot be read as a certificate: {other}"),
        (other, None) => other.to_string(),
    }
}

fn is_of_time(why: &CertificateError) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(why, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
}

/// What rustls has no name for.
fn pki(why: &CertificateError) -> Option<&webpki::Error> {
    let CertificateError::Other(other) = why else { return None };
    other.0.downcast_ref()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
        date_time_ymd,
    };

    use rumqttc::ConnectionError;

    use super::super::config::ClientCertificate;
    use super::*;
    use crate::config::secret::SecretFile;

    const HOST: &str = "broker.plant";
    const VERSION_1: [&str; 2] =
        [include_str!("../../../tests/data/tls/version1.crt"), include_str!("../../../tests/data/tls/version1.key")];

    fn params(name: &str, hosts: &[&str]) -> CertificateParams {
        let mut params = CertificateParams::new(hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn authority(name: &str, hosts: &[&str]) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = params(name, hosts);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// Files as they stand on a device.
    struct Device {
        folder: tempfile::TempDir,
    }

    impl Device {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
            let path = self.folder.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            path
        }

        /// What is said of each file, with its state; the connection must find the same.
        fn said(&self, ca: &[u8], own: Option<[&[u8]; 2]>) -> Vec<String> {
            let authority = self.write("ca", ca);
            let client = own.map(|[certificate, key]| ClientCertificate {
                certificate: self.write("crt", certificate),
                key: SecretFile::at(&self.write("key", key)),
            });
            let files = TlsFiles { authority, client };
            let checks = check(&files, HOST);
            let tls = Tls { files, ca: ca.to_owned(), client: own.map(|own| (own[0].to_owned(), own[1].to_owned())) };
            let fault = config(&tls).err().map(|fault| fault.to_string());
            if let Some(fault) = &fault {
                let failed = |check: &&Check| check.state == State::Fail && fault.contains(&check.check);
                assert!(checks.iter().any(|check| failed(&check)), "only the connection finds: {fault}");
            }
            let line = |check: &Check| {
                let Check { check, state, found, hint, .. } = check;
                let name = Path::new(check).extension().unwrap().to_str().unwrap();
                format!("{state:?} {name}: {found} | {}", hint.as_deref().unwrap_or_default())
            };
            checks.iter().map(line).collect()
        }
    }

    fn has(said: &[String], state: &str, file: &str, words: &str) {
        let is_it = |line: &&String| line.starts_with(&format!("{state} {file}: ")) && line.contains(words);
        assert!(said.iter().any(|line| is_it(&line)), "expected {state} {file}: {words}, got {said:#?}");
    }

    fn all_ok(said: &[String]) {
        assert!(said.iter().all(|line| line.starts_with("Ok ")), "{said:#?}");
    }

    #[test]
    fn what_the_connection_takes_is_ok() {
        let device = Device::new();
        let plant = authority("plant", &[]);
        let key = KeyPair::generate().unwrap();
        let own = params("press-3", &[]).signed_by(&key, &plant).unwrap().pem();
        all_ok(&device.said(plant.pem().as_bytes(), None));
        let key = key.serialize_pem();
        all_ok(&device.said(plant.pem().as_bytes(), Some([own.as_bytes(), key.as_bytes()])));
        // Windows puts a mark before each.
        let marked =
            [plant.pem(), own.clone(), key.clone()].map(|pem| format!("\u{feff}{}", pem.replace('\n', "\r\n")));
        let [ca, crt, marked_key] = &marked;
        all_ok(&device.said(ca.as_bytes(), Some([crt.as_bytes(), marked_key.as_bytes()])));
        // The broker may know another authority than we do.
        let elsewhere = authority("elsewhere", &[]);
        all_ok(&device.said(elsewhere.pem().as_bytes(), Some([own.as_bytes(), key.as_bytes()])));
        // A self-signed certificate of the broker that is no authority's.
        let broker = params("broker", &[HOST]).self_signed(&KeyPair::generate().unwrap()).unwrap();
        all_ok(&device.said(broker.pem().as_bytes(), None));
    }

    #[test]
    fn a_file_of_another_kind_is_told_with_the_way_out() {
        let device = Device::new();
        let plant = authority("plant", &[]);
        let key = KeyPair::generate().unwrap();
        let own = params("press-3", &[]).signed_by(&key, &plant).unwrap();
        let request = params("press-3", &[]).serialize_request(&key).unwrap().pem().unwrap();
        let (ca, crt, key) = (plant.pem(), own.pem(), key.serialize_pem());
        for (file, words) in [
            (key.as_bytes(), "ca holds a private key and no certificate"),
            (request.as_bytes(), "ca holds a request"),
            (plant.der(), "openssl x509 -inform der"),
            (b"", "ca holds no PEM"),
            (b"\xff\xfe-\0", "is UTF-16"),
            (ca.replace("CERTIFICATE", "TRUSTED CERTIFICATE").as_bytes(), "openssl x509 -in"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate in it can be read"),
            (b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n", "cannot be read"),
        ] {
            let said = device.said(file, None);
            has(&said, "Fail", "ca_file", &words.replace("ca holds", "it holds"));
        }
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let old = format!(
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n{}",
            key.split_once('\n').unwrap().1
        );
        for (file, words) in [
            (encrypted.as_bytes(), "is encrypted | nobody can type its passphrase"),
            (old.as_bytes(), "openssl pkey -in"),
            (crt.as_bytes(), "it holds no private key"),
            (b"nothing", "it holds no PEM"),
            (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "the key cannot be used"),
            (KeyPair::generate().unwrap().serialize_pem().as_bytes(), "does not belong to mqtt.tls.client_cert_file"),
        ] {
            has(&device.said(ca.as_bytes(), Some([crt.as_bytes(), file])), "Fail", "client_key_file", words);
        }
        let swapped = device.said(ca.as_bytes(), Some([key.as_bytes(), crt.as_bytes()]));
        has(&swapped, "Fail", "client_cert_file", "a private key and no certificate");
    }

    #[test]
    fn a_certificate_of_our_own_that_no_broker_believes_is_told() {
        let device = Device::new();
        let plant = authority("plant", &[]);
        let ca = plant.pem();
        let [crt, key] = VERSION_1.map(str::as_bytes);
        let said = device.said(ca.as_bytes(), Some([crt, key]));
        has(&said, "Fail", "client_cert_file", "X.509 version 1, expected version 3 | sign it again as version 3");

        let key = KeyPair::generate().unwrap();
        let own = |change: fn(&mut CertificateParams)| {
            let mut params = params("press-3", &[]);
            change(&mut params);
            params.signed_by(&key, &plant).unwrap().pem()
        };
        let server_only = own(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
        let old = own(|params| params.not_after = date_time_ymd(2020, 1, 2));
        let plain = own(|_| {});
        let (behind, alone) = (format!("{ca}{plain}"), authority("elsewhere", &[]).pem());
        let unsigned = format!("{plain}{alone}");
        let pem = key.serialize_pem();
        for (crt, state, words) in [
            (
                &server_only,
                "Fail",
                "extendedKeyUsage does not allow this use | sign it again with extendedKeyUsage=clientAuth",
            ),
            (&old, "Warn", "it ended on 2020-01-02T00:00:00Z, or this device's clock is wrong"),
            (&behind, "Fail", "stands behind others | put this device's own certificate first"),
        ] {
            let said = device.said(ca.as_bytes(), Some([crt.as_bytes(), pem.as_bytes()]));
            has(&said, state, "client_cert_file", words);
        }
        let said = device.said(alone.as_bytes(), Some([unsigned.as_bytes(), pem.as_bytes()]));
        has(&said, "Warn", "client_cert_file", "the certificates behind the first one have not signed it");
    }

    #[test]
    fn the_log_tells_our_own_certificate_from_the_broker_s() {
        let tls =
            |client| Tls { files: TlsFiles { authority: "/ca.pem".into(), client: None }, ca: Vec::new(), client };
        let (without, with) = (tls(None), tls(Some((Vec::new(), Vec::new()))));
        let inside = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let alert = |alert| inside(Error::AlertReceived(alert));
        let said = |tls: &Tls, error: &(dyn StdError + 'static)| explain(tls, HOST, error).unwrap_or_default();
        // So the alert of a broker comes in place of its first packet.
        let refused = StateError::Deserialization(rumqttc::Error::Io(alert(AlertDescription::UnknownCA)));
        assert!(
            said(&with, &ConnectionError::MqttState(refused))
                .starts_with("the broker does not believe this device's own")
        );
        let wanted = ConnectionError::Io(alert(AlertDescription::CertificateRequired));
        assert!(said(&without, &wanted).starts_with("the broker wants a certificate of this device"));
        let unknown = ConnectionError::Io(inside(Error::InvalidCertificate(CertificateError::UnknownIssuer)));
        assert!(said(&with, &unknown).starts_with("the certificate of the broker is not believed: no authority"));
        let old = ConnectionError::Io(alert(AlertDescription::ProtocolVersion));
        assert!(said(&with, &old).contains("does not speak TLS 1.3"));
        let other = ConnectionError::Io(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(explain(&with, HOST, &other), None);
    }

    #[test]
    fn a_certificate_of_the_broker_that_we_would_not_believe_is_told() {
        let device = Device::new();
        let key = KeyPair::generate().unwrap();
        let leaf = params("broker", &[HOST]).signed_by(&key, &authority("plant", &[])).unwrap().pem();
        let both = authority("broker", &[HOST]).pem();
        for (ca, words) in [
            (
                &both,
                "an authority's (CA:TRUE), which may sign others and not be shown itself | make the broker's again",
            ),
            (&leaf, "no authority in mqtt.tls.ca_file has signed it | name the certificate of the authority"),
        ] {
            has(&device.said(ca.as_bytes(), None), "Fail", "ca_file", words);
        }
        all_ok(&device.said(authority("another", &["press.plant"]).pem().as_bytes(), None));
    }
}
