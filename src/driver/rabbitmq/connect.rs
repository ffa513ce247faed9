//! Where the nodes are, and how they are reached.

use std::fs;
use std::str::FromStr;
use std::sync::Arc;

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, ErrorKind};

use crate::config::{RabbitMqConfig, Uri};
use crate::driver::DriverError;

/// The nodes of a cluster.
#[derive(Clone)]
pub struct Nodes {
    /// How each is reached, and its name for people.
    uris: Arc<[(AMQPUri, String)]>,
    /// Certificates, as PEM.
    authorities: Option<Arc<str>>,
}

impl Nodes {
    /// Those that the file names.
    pub fn new(config: &RabbitMqConfig) -> Result<Self, DriverError> {
        let uri = |uri: &Uri| -> Result<(AMQPUri, String), DriverError> {
            let parsed = AMQPUri::from_str(uri.secret())
                .map_err(|error| DriverError(format!("amqpUris: {uri}: {error}; correct it")))?;
            Ok((parsed, uri.host_port().to_owned()))
        };
        let authorities = config.ca_file.as_ref().map(|path| {
            let text = fs::read_to_string(path).map_err(|error| error.to_string());
            let text = text.and_then(|text| match text.contains("BEGIN CERTIFICATE") {
                true => Ok(text),
                false => Err("it holds no certificate".to_owned()),
            });
            text.map_err(|why| {
                let path = path.display();
                DriverError(format!(
                    "caFile {path}: {why}; give a PEM file with certificates"
                ))
            })
        });
        Ok(Self {
            uris: config.uris.iter().map(uri).collect::<Result<_, _>>()?,
            authorities: authorities.transpose()?.map(Arc::from),
        })
    }

    /// Which node a client tries first, so that they are shared out.
    pub fn first_for(&self, client: &str) -> usize {
        client.bytes().map(usize::from).sum()
    }

    /// Connects to the n-th node, counted round and round.
    pub async fn connect(&self, number: usize, client: &str) -> Result<Connection, DriverError> {
        let (uri, shown) = &self.uris[number % self.uris.len()];
        let properties = ConnectionProperties::default()
            .with_connection_name(client.into())
            .with_client_property("product".into(), "omb".into());
        let tls = OwnedTLSConfig {
            identity: None,
            cert_chain: self.authorities.as_deref().map(str::to_owned),
        };
        let runtime = lapin::runtime::default_runtime().map_err(|error| explain(&error))?;
        let connecting = Connection::connect_uri_with_config(uri.clone(), properties, tls, runtime);
        connecting
            .await
            .map_err(|error| DriverError(format!("{shown}: {}", explain(&error))))
    }

    /// All of them, for people.
    pub fn shown(&self) -> String {
        let shown: Vec<&str> = self.uris.iter().map(|(_, shown)| shown.as_str()).collect();
        shown.join(",")
    }
}

/// An error of the library's, in one line.
pub fn explain(error: &lapin::Error) -> DriverError {
    let text = match error.kind() {
        ErrorKind::IOError(error) => error.to_string(),
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        ErrorKind::MissingHeartbeatError => "no heartbeat came".to_owned(),
        _ => error.to_string(),
    };
    DriverError(text.replace(['\n', '\r'], " "))
}

/// Whether the broker has said no, and will again.
pub fn is_refusal(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(_)) && !error.is_io_error()
}
