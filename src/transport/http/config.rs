//! `[http]`: where to listen and whom to let in; and what `config check` says of it. Opens no socket.

use std::net::SocketAddr;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::check::Check;
use crate::config::reader::is_host_name;
use crate::config::secret::SecretFile;
use crate::config::{FileError, Reader, Warning};

/// The section.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Where to listen; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// The token a caller must show; there is one wherever others than this device can call.
    pub token: Option<SecretFile>,
    /// Names under which a browser may ask, lower case, beside loopback's and the address of `listen`.
    pub hosts: Vec<String>,
}

impl Section {
    /// Reads it.
    pub fn read(from: &mut Reader<'_>) -> Self {
        let listen: Option<SocketAddr> =
            from.optional("http.listen", "an address with its port, as 127.0.0.1:8620", |text| text.parse().ok());
        let token = from.secret("http.token_file");
        if let Some(open) = listen.filter(|listen| !listen.ip().is_loopback() && token.is_none()) {
            from.conflict(
                "http.listen",
                "http.token_file beside an address that others can reach",
                &format!("only {open}"),
            );
        }
        let hosts = from.list("http.hosts", "at most 64 host names without port", |text| {
            is_host_name(text).then(|| text.to_lowercase())
        });
        Self { listen, token, hosts }
    }

    /// What the server needs, with the token read from its file; `None` where it does not listen.
    pub fn settings(&self) -> Result<Option<Settings>, FileError> {
        let Some(listen) = self.listen else { return Ok(None) };
        let token = self.token.as_ref().map(SecretFile::read).transpose()?;
        let token = token.map(|token| Token::new(token.expose()));
        Ok(Some(Settings { listen, token, hosts: self.hosts.clone() }))
    }

    /// What is allowed and dangerous.
    pub fn warnings(&self) -> Vec<Warning> {
        let open = self.listen.filter(|listen| !listen.ip().is_loopback());
        let warning = |listen: SocketAddr| {
            Warning::new(
                "http.listen",
                format!("others can call {listen}, and the token travels in the clear"),
                "listen on loopback behind a proxy with TLS, or keep this network to yourselves",
            )
        };
        open.map(warning).into_iter().collect()
    }

    /// Whether what the section names is there.
    pub fn check(&self) -> Vec<Check> {
        let mut checks = vec![match self.listen {
            Some(listen) => Check::ok("http.listen", listen.to_string()),
            None => Check::ok("http.listen", "nowhere"),
        }];
        checks.extend(self.token.iter().flat_map(|file| file.check("http.token_file", "")));
        if self.listen.is_some_and(|listen| listen.ip().is_unspecified()) && self.hosts.is_empty() {
            let hint = "list the names and addresses under which browsers reach this device in http.hosts";
            checks.push(Check::warn("http.hosts", "none beside this device's own", hint));
        }
        checks
    }
}

/// Where to listen and whom to let in.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Address and port.
    pub listen: SocketAddr,
    /// What a caller must show.
    pub token: Option<Token>,
    /// Names that stand for this device, lower case.
    pub hosts: Vec<String>,
}

/// A token as it is compared: by digest, so that not even its length takes time.
#[derive(Clone, PartialEq)] // to compare settings; a caller's token is compared by `is`
pub struct Token([u8; 32]);

impl Token {
    /// Of this text.
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether a caller showed it; takes as long for every text.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.ct_eq(&<[u8; 32]>::from(Sha256::digest(shown))).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(not shown)")
    }
}
