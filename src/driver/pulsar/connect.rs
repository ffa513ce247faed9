//! Where the brokers are, and how they are reached.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use pulsar::{
    Authentication, ConnectionRetryOptions, OperationRetryOptions, Pulsar, TokioExecutor,
};
use tokio::net::TcpStream;

use super::heard;
use crate::config::PulsarConfig;
use crate::driver::DriverError;

/// The library's client.
pub type Client = Pulsar<TokioExecutor>;

/// What was sent and not acknowledged within this is unknown, and a request without an answer has failed.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// Pause before what a broker refused for the moment is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// The longest pause between two attempts to reach a broker that was there before.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The brokers that clients begin with.
#[derive(Clone)]
pub struct Brokers {
    config: Arc<PulsarConfig>,
    /// Certificates, as PEM.
    authorities: Option<Arc<[u8]>>,
}

impl Brokers {
    /// Those that the file names.
    pub fn new(config: &Arc<PulsarConfig>) -> Result<Self, DriverError> {
        let authorities = config.ca_file.as_ref().map(|path| {
            let text = fs::read_to_string(path).map_err(|error| error.to_string());
            let text = text.and_then(|text| match text.contains("BEGIN CERTIFICATE") {
                true => Ok(text),
                false => Err("it holds no certificate".to_owned()),
            });
            text.map_err(|why| {
                let path = path.display();
                DriverError(format!(
                    "client.tlsTrustCertsFilePath {path}: {why}; give a PEM file with certificates"
                ))
            })
        });
        Ok(Self {
            config: config.clone(),
            authorities: authorities
                .transpose()?
                .map(|text| text.into_bytes().into()),
        })
    }

    /// Certificates of the authorities that are trusted, as PEM, unless it is the system's.
    pub fn authorities(&self) -> Option<&[u8]> {
        self.authorities.as_deref()
    }

    /// Connects to the n-th broker, counted round and round.
    pub async fn connect(&self, number: usize) -> Result<Client, DriverError> {
        let uri = &self.config.brokers[number % self.config.brokers.len()];
        // The library would try again and again, and not say why.
        let port = uri.port().unwrap_or(match uri.scheme() {
            "pulsar+ssl" => 6651,
            _ => 6650,
        });
        let reached = TcpStream::connect((uri.host(), port)).await;
        reached.map_err(|error| DriverError(format!("{}: {error}", uri.host_port())))?;
        let mut builder = Pulsar::builder(uri.secret(), TokioExecutor)
            .with_connection_retry_options(ConnectionRetryOptions {
                max_backoff: LONGEST_PAUSE,
                max_retries: u32::MAX,
                ..ConnectionRetryOptions::default()
            })
            .with_operation_retry_options(OperationRetryOptions {
                operation_timeout: ANSWERS_WITHIN,
                retry_delay: ASK_AGAIN,
                max_retries: None,
            })
            .with_allow_insecure_connection(self.config.insecure)
            .with_tls_hostname_verification_enabled(self.config.verify_host);
        if let Some(authorities) = &self.authorities {
            builder = builder.with_certificate_chain(authorities.to_vec());
        }
        if let Some(token) = &self.config.token {
            builder = builder.with_auth(Authentication {
                name: "token".to_owned(),
                data: token.clone().into_bytes(),
            });
        }
        builder.build().await.map_err(|error| {
            let why = heard::refused().unwrap_or_else(|| explain(&error));
            DriverError(format!("{}: {why}", uri.host_port()))
        })
    }

    /// All of them, for people.
    pub fn shown(&self) -> String {
        let shown: Vec<&str> = self.config.brokers.iter().map(|u| u.host_port()).collect();
        shown.join(",")
    }
}

/// An error of the library's, in one line.
pub fn explain(error: &pulsar::Error) -> String {
    error.to_string().replace(['\n', '\r'], " ")
}
