//! What clients really run with: librdkafka's defaults and everything set over them.

use rdkafka::ClientConfig;

use super::{Role, is_secret, known};

/// Every property of a producer and of a consumer with its value, secrets replaced; those without a
/// value are left out.
pub fn effective(clients: &super::ClientProperties) -> [(&'static str, Vec<(String, String)>); 2] {
    [
        ("producer", of(Role::Producer, &clients.producer)),
        ("consumer", of(Role::Consumer, &clients.consumer)),
    ]
}

pub(super) fn of(role: Role, settings: &[(String, String)]) -> Vec<(String, String)> {
    let mut config = ClientConfig::new();
    for (key, value) in settings {
        config.set(key, value);
    }
    // The settings were checked against the library before: it takes them.
    let Ok(config) = config.create_native_config() else {
        return Vec::new();
    };
    let value = |name: &str| match config.get(name) {
        Ok(value) if value.is_empty() => None,
        Ok(_) if is_secret(name) => Some("***".to_owned()),
        Ok(value) => Some(value),
        Err(_) => None,
    };
    let mut all: Vec<(String, String)> = known::of(role)
        .filter_map(|name| Some((name.to_owned(), value(name)?)))
        .collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::super::ClientProperties;
    use super::*;

    #[test]
    fn defaults_and_settings_are_shown_and_secrets_are_not() {
        let set = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            pairs.collect::<Vec<_>>()
        };
        let secret = "do not tell";
        // The library tells a topic's properties once one of them is set, and omb always sets one.
        let clients = ClientProperties {
            producer: set(&[
                ("linger.ms", "7"),
                ("sasl.password", secret),
                ("partitioner", "murmur2_random"),
            ]),
            consumer: set(&[("ssl.key.password", secret), ("fetch.min.bytes", "3")]),
            ..ClientProperties::default()
        };
        let shown = effective(&clients);
        assert!(!format!("{shown:?}").contains(secret));
        let get = |role: usize, name: &str| {
            let found = shown[role].1.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(get(0, "queue.buffering.max.ms"), Some("7"));
        assert_eq!(get(0, "sasl.password"), Some("***"));
        assert_eq!(get(0, "acks"), None, "an alias");
        assert_eq!(get(0, "request.required.acks"), Some("-1"));
        assert_eq!(get(0, "fetch.min.bytes"), None);
        assert_eq!(get(1, "fetch.min.bytes"), Some("3"));
        assert_eq!(get(1, "ssl.key.password"), Some("***"));
        assert_eq!(get(1, "session.timeout.ms"), Some("45000"));
    }
}
