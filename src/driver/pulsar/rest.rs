//! Pulsar's REST API.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::connect::Brokers;
use crate::clock::Instant;
use crate::config::PulsarConfig;
use crate::driver::{DriverError, Undone};

/// Largest answer that is read.
const LARGEST: u64 = 256 << 20;

/// Brokers that one request is handed on to, at most: a topic's is asked for its own.
const REDIRECTIONS: usize = 8;

/// Requests at a time.
const SIDE_BY_SIDE: usize = 8;

pub const NOT_FOUND: u16 = 404;
pub const CONFLICT: u16 = 409;

/// The REST API of the brokers.
#[derive(Clone)]
pub struct Rest {
    /// `http://HOST:PORT`.
    base: String,
    token: Option<String>,
    agent: Agent,
}

/// What a broker has answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// Its content, null where it is none.
    pub content: Value,
}

impl Answer {
    /// It was done, or is found.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Why not: one line, also where a broker answers with all that went on inside it.
    pub fn reason(&self) -> String {
        let reason = self.content.get("reason").and_then(Value::as_str);
        let lines = || reason.unwrap_or_default().lines().map(str::trim);
        let message = lines().find_map(|line| line.strip_prefix("Message: "));
        let line = message.or_else(|| lines().find(|line| !line.is_empty()));
        match line {
            Some(line) => line.to_owned(),
            None => format!("HTTP status {}", self.status),
        }
    }
}

impl Rest {
    /// At the first broker, unless the file says where it is.
    pub fn new(brokers: &Brokers, config: &PulsarConfig) -> Self {
        let base = match (&config.http, config.brokers.first()) {
            (Some(uri), _) => uri.to_string().trim_end_matches('/').to_owned(),
            (None, Some(first)) => {
                let (scheme, port) = match first.scheme() {
                    "pulsar+ssl" => ("https", 8443),
                    _ => ("http", 8080),
                };
                match first.host().contains(':') {
                    true => format!("{scheme}://[{}]:{port}", first.host()),
                    false => format!("{scheme}://{}:{port}", first.host()),
                }
            }
            (None, None) => String::new(),
        };
        let mut tls = TlsConfig::builder().provider(TlsProvider::NativeTls);
        if let Some(authorities) = brokers.authorities() {
            let certificates = parse_pem(authorities).filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            let certificates: Vec<Certificate<'static>> = certificates.collect();
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let agent = Agent::config_builder()
            .tls_config(tls.disable_verification(config.insecure).build())
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build();
        Self {
            base,
            token: config.token.clone(),
            agent: Agent::new_with_config(agent),
        }
    }

    /// Asks something of `/admin/v2/…`.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        content: Option<&Value>,
        deadline: Instant,
    ) -> Result<Answer, DriverError> {
        let mut url = format!("{}/admin/v2/{path}", self.base);
        for _ in 0..REDIRECTIONS {
            let time = deadline.since(Instant::now()).max(Duration::from_millis(1));
            let mut request = Request::builder()
                .method(method)
                .uri(&url)
                .header("content-type", "application/json");
            if let Some(token) = &self.token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let failed = |error: String| {
                DriverError(format!(
                    "Pulsar's REST API does not answer at {}: {error}",
                    self.base
                ))
            };
            let content = content.map(Value::to_string).unwrap_or_default();
            let request = request.body(content).map_err(|e| failed(e.to_string()))?;
            let request = self.agent.configure_request(request);
            let request = request.timeout_global(Some(time)).build();
            let mut answer = self.agent.run(request).map_err(|error| match error {
                ureq::Error::Timeout(_) => {
                    DriverError(format!("Pulsar has not answered {method} {path} in time"))
                }
                error => failed(error.to_string()),
            })?;
            let elsewhere = answer
                .headers()
                .get("location")
                .and_then(|location| location.to_str().ok());
            if answer.status().is_redirection()
                && let Some(elsewhere) = elsewhere
            {
                elsewhere.clone_into(&mut url);
                continue;
            }
            let status = answer.status().as_u16();
            let body = answer.body_mut().with_config().limit(LARGEST);
            let text = body.read_to_string().map_err(|e| failed(e.to_string()))?;
            return Ok(Answer {
                status,
                content: serde_json::from_str(&text).unwrap_or_default(),
            });
        }
        Err(DriverError(format!(
            "Pulsar's brokers hand on {path} in a circle"
        )))
    }

    /// Finds something.
    pub fn get(&self, path: &str, deadline: Instant) -> Result<Answer, DriverError> {
        self.ask("GET", path, None, deadline)
    }

    /// Does one thing for each of these, some at a time.
    pub fn each<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&Self, &T) -> Result<R, Undone> + Sync,
    ) -> Result<Vec<R>, Undone> {
        let share = items.len().div_ceil(SIDE_BY_SIDE).max(1);
        let work = &work;
        let portions: Vec<Result<Vec<R>, Undone>> = std::thread::scope(|scope| {
            let begin = |portion| {
                let work_through = move || -> Result<Vec<R>, Undone> {
                    let portion: &[T] = portion;
                    portion.iter().map(|item| work(self, item)).collect()
                };
                scope.spawn(work_through)
            };
            let threads: Vec<_> = items.chunks(share).map(begin).collect();
            let ended = threads.into_iter().map(|thread| {
                let gone = |_| Err(DriverError("a thread ended too early".to_owned()).into());
                thread.join().unwrap_or_else(gone)
            });
            ended.collect()
        });
        let mut done = Vec::with_capacity(items.len());
        for portion in portions {
            done.extend(portion?);
        }
        Ok(done)
    }
}
