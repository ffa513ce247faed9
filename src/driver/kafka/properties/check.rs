//! Values, checked by librdkafka itself on configurations and clients that never connect.

use rdkafka::config::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::BaseProducer;

use super::{Client, Role, Setting, known};
use crate::config::{Origin, Problem, is_secret};

/// Checks one value alone: its type and its range.
pub(super) fn one(key: &str, value: &str) -> Result<(), String> {
    if value.contains('\0') {
        return Err(format!("{key} holds a NUL character; remove it"));
    }
    let Err(error) = ClientConfig::new().set(key, value).create_native_config() else {
        return Ok(());
    };
    let range = known::find(key).map_or("", |known| known.range.as_str());
    let advice = match range {
        "" => "correct the value".to_owned(),
        range if range.contains(" .. ") => format!("give {}", range.replace(" .. ", " to ")),
        range => format!("give one of {range}"),
    };
    // The library speaks of an alias by the name behind it, which nobody wrote.
    let as_written = |reason: &str| {
        let reason = reason.trim().trim_end_matches('.');
        let canonical = known::canonical(key);
        if reason.contains(&format!("\"{key}\"")) {
            reason.to_owned()
        } else {
            reason.replace(canonical, key)
        }
    };
    Err(match error {
        _ if is_secret(key) => {
            format!("{key} has a value that the client library refuses; {advice}")
        }
        KafkaError::ClientConfig(_, reason, ..) => format!("{}; {advice}", as_written(&reason)),
        error => format!("{key}: {error}; {advice}"),
    })
}

/// Checks all settings of a client together, by making one. Without the brokers' addresses it
/// has nowhere to connect to, and it is gone at once.
pub(super) fn whole(client: &Client, problems: &mut Vec<Problem>) {
    // Such a client would go for its first token at once.
    if client
        .get("sasl.oauthbearer.method")
        .is_some_and(|method| method == "oidc")
    {
        return;
    }
    let mut config = ClientConfig::new();
    for setting in client
        .settings
        .iter()
        .filter(|setting| !names_brokers(&setting.key))
    {
        config.set(&setting.key, &setting.value);
    }
    // The library would log that it has no brokers.
    config.set("log_level", "0");
    let made = match client.role {
        Role::Producer | Role::Admin => made(config.create::<BaseProducer>()),
        Role::Consumer => made(config.set("group.id", "check").create::<BaseConsumer>()),
    };
    let Err(error) = made else { return };
    let reason = match error {
        KafkaError::ClientCreation(reason) => reason,
        KafkaError::ClientConfig(_, reason, ..) => reason,
        error => error.to_string(),
    };
    let message = format!("{}; correct it", without_secrets(&reason, &client.settings));
    // The same mistake in a common setting is told once.
    if problems.iter().any(|problem| problem.message == message) {
        return;
    }
    problems.push(Problem {
        origin: blamed(&reason, client),
        message,
    });
}

fn made<T>(client: KafkaResult<T>) -> KafkaResult<()> {
    client.map(drop)
}

fn names_brokers(key: &str) -> bool {
    known::canonical(key) == "metadata.broker.list"
}

/// The place of the setting that the message names first; where it names none, the file of the
/// first one that a person wrote.
fn blamed(reason: &str, client: &Client) -> Origin {
    let named = |setting: &Setting| {
        let names = [setting.key.as_str(), known::canonical(&setting.key)];
        names.into_iter().filter_map(|name| reason.find(name)).min()
    };
    let written: Vec<(&Setting, &Origin)> = client
        .settings
        .iter()
        .filter_map(|s| Some((s, s.origin.as_ref()?)))
        .collect();
    let found = written
        .iter()
        .filter_map(|(setting, origin)| Some((named(setting)?, *origin)))
        .min_by_key(|(at, _)| *at);
    match (found, written.first()) {
        (Some((_, origin)), _) => origin.clone(),
        (None, Some((_, Origin::File { path, .. }))) => Origin::File {
            path: path.clone(),
            line: 0,
            column: 0,
        },
        _ => Origin::CommandLine("client settings".to_owned()),
    }
}

/// The message on one line; where it repeats a secret, nothing of it is told.
fn without_secrets(reason: &str, settings: &[Setting]) -> String {
    let secrets = settings.iter().filter(|setting| is_secret(&setting.key));
    if secrets
        .into_iter()
        .any(|setting| repeats(reason, setting.value.trim()))
    {
        return "the client library refuses these settings, in words that hold a secret".to_owned();
    }
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches('.').to_owned()
}

/// Whether the text holds the secret as a word of its own. A short one is part of many words,
/// and striking it out of them would tell it.
fn repeats(text: &str, secret: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !secret.is_empty()
        && text.match_indices(secret).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + secret.len()..]);
            !joins(before.chars().next_back()) && !joins(after.chars().next())
        })
}

#[cfg(test)]
mod tests {
    use super::repeats;

    #[test]
    fn a_secret_is_found_as_a_word_of_its_own() {
        assert!(repeats("bad password \"p\" given", "p"));
        assert!(!repeats("No provider for SASL", "p"));
        assert!(!repeats("anything", ""));
    }
}
