//! Where figures come from: the programs, the machine and the settings that made them.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::{is_secret, without_users};
use crate::host::Host;

/// What made a run's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Programs.
    pub versions: Versions,
    /// The machine that made the load.
    pub host: Host,
    /// The command as it was typed, secrets replaced.
    pub command_line: Vec<String>,
    /// What random payloads were made with.
    pub seed: u64,
    /// Effective settings of the clients, by role, secrets replaced.
    pub client_configuration: Map<String, Value>,
    /// Defaults, set by nobody, in which our clients differ from OMB's Java client.
    #[serde(default)]
    pub client_defaults: Vec<ClientDefault>,
}

/// A default of ours that is not the Java client's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientDefault {
    /// `producer` or `consumer`.
    pub role: String,
    /// Its name in the Java client.
    pub name: String,
    /// What omb runs with, in the Java client's unit.
    pub ours: String,
    /// What the Java client would have run with.
    pub java: String,
}

/// Versions of the programs that took part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Versions {
    /// This one.
    pub omb: Cow<'static, str>,
    /// The client library, with its name.
    pub client: String,
    /// The broker's; none where it tells clients none, as Kafka's doesn't.
    pub broker: Option<String>,
}

/// A command line without the values of secrets: those of `-X KEY=VALUE`, and users in addresses.
pub fn shown_command(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut after_x = false;
    words
        .map(|word| {
            let setting = if after_x {
                Some(word.as_str())
            } else {
                word.strip_prefix("-X").filter(|rest| !rest.is_empty())
            };
            after_x = word == "-X";
            match setting.and_then(|setting| setting.split_once('=')) {
                Some((key, _)) if is_secret(key) => {
                    let key = word.split_once('=').map_or(key, |(key, _)| key);
                    format!("{key}=***")
                }
                _ => without_users(&word),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_shown_without_secrets() {
        let words = "omb run -X sasl.password=a=b -Xssl.key.password=c -X acks=1 w.yaml";
        let shown = shown_command(words.split(' ').map(str::to_owned)).join(" ");
        let expected = "omb run -X sasl.password=*** -Xssl.key.password=*** -X acks=1 w.yaml";
        assert_eq!(shown, expected);
    }
}
