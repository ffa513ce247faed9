//! Properties of the Java client whose value decides what becomes of them.

use super::jaas;
use super::java::{Meaning, Peers};

pub(super) fn setting(name: &'static str, value: &str) -> Meaning {
    Meaning::Settings(vec![(name, value.to_owned())])
}

/// The Java client's -1 is the system's default, which is librdkafka's 0.
fn buffer(name: &'static str, value: &str) -> Meaning {
    setting(name, if value == "-1" { "0" } else { value })
}

pub(super) fn receive_buffer(value: &str, _: Peers<'_>) -> Meaning {
    buffer("socket.receive.buffer.bytes", value)
}

pub(super) fn send_buffer(value: &str, _: Peers<'_>) -> Meaning {
    buffer("socket.send.buffer.bytes", value)
}

pub(super) fn offset_reset(value: &str, _: Peers<'_>) -> Meaning {
    match value.to_lowercase().as_str() {
        "none" => setting("auto.offset.reset", "error"),
        duration if duration.starts_with("by_duration") => Meaning::Wrong(
            "auto.offset.reset by duration is unknown to librdkafka; give earliest or latest"
                .to_owned(),
        ),
        value => setting("auto.offset.reset", value),
    }
}

/// An empty algorithm switches the check of the host's name off.
pub(super) fn endpoint_check(value: &str, _: Peers<'_>) -> Meaning {
    let algorithm = if value.is_empty() { "none" } else { value };
    setting(
        "ssl.endpoint.identification.algorithm",
        &algorithm.to_lowercase(),
    )
}

/// Classes become librdkafka's names. It can't mix eager and cooperative ones, as the Java
/// client's default does, so that the first one decides.
pub(super) fn assignors(value: &str, _: Peers<'_>) -> Meaning {
    let mut names: Vec<&str> = Vec::new();
    for class in value
        .split(',')
        .map(str::trim)
        .filter(|class| !class.is_empty())
    {
        names.push(match class.rsplit('.').next().unwrap_or(class) {
            "RangeAssignor" => "range",
            "RoundRobinAssignor" => "roundrobin",
            "CooperativeStickyAssignor" => "cooperative-sticky",
            "StickyAssignor" => {
                return Meaning::Wrong(
                    "partition.assignment.strategy StickyAssignor is unknown to librdkafka; give \
                     range, roundrobin or cooperative-sticky"
                        .to_owned(),
                );
            }
            other => other,
        });
    }
    let cooperative = |name: &str| name.starts_with("cooperative");
    if let Some(first) = names.first().copied() {
        names.retain(|name| cooperative(name) == cooperative(first));
    }
    setting("partition.assignment.strategy", &names.join(","))
}

/// User and password out of the login module's line, which is never shown.
pub(super) fn login(value: &str, peers: Peers<'_>) -> Meaning {
    let wrong = |what: &str| Meaning::Wrong(format!("sasl.jaas.config {what}"));
    let Some(mut login) = jaas::parse(value) else {
        return wrong("can't be read; give MODULE required username=\"…\" password=\"…\";");
    };
    let wanted: &[(&str, &'static str)] = match login.module.as_str() {
        "PlainLoginModule" | "ScramLoginModule" => {
            &[("username", "sasl.username"), ("password", "sasl.password")]
        }
        "OAuthBearerLoginModule" => &[
            ("clientId", "sasl.oauthbearer.client.id"),
            ("clientSecret", "sasl.oauthbearer.client.secret"),
        ],
        "Krb5LoginModule" => {
            return wrong("asks for Kerberos, which omb is built without; use SCRAM or PLAIN");
        }
        _ => {
            return wrong(
                "names an unknown login module; use PlainLoginModule or ScramLoginModule",
            );
        }
    };
    // Without it the client would ask for Kerberos.
    if peers("sasl.mechanism")
        .or_else(|| peers("sasl.mechanisms"))
        .is_none()
    {
        return wrong("needs sasl.mechanism beside it; add it, such as sasl.mechanism=PLAIN");
    }
    let mut settings = Vec::new();
    for (option, name) in wanted {
        let Some(value) = login.options.remove(*option) else {
            return wrong(&format!("has no {option}; add {option}=\"…\""));
        };
        settings.push((*name, value));
    }
    if login.module == "OAuthBearerLoginModule" {
        settings.push(("sasl.oauthbearer.method", "oidc".to_owned()));
        if let Some(scope) = login.options.remove("scope") {
            settings.push(("sasl.oauthbearer.scope", scope));
        }
    }
    Meaning::Settings(settings)
}

fn ends_in(path: &str, endings: &[&str]) -> bool {
    let path = path.to_lowercase();
    endings.iter().any(|ending| path.ends_with(ending))
}

const PEM: [&str; 4] = [".pem", ".crt", ".cer", ".cert"];

pub(super) fn truststore(value: &str, peers: Peers<'_>) -> Meaning {
    let kind = peers("ssl.truststore.type")
        .unwrap_or_default()
        .to_uppercase();
    if kind == "PEM" || (kind.is_empty() && ends_in(value, &PEM)) {
        return setting("ssl.ca.location", value);
    }
    Meaning::Wrong(format!(
        "ssl.truststore.location {value} is a Java store, which librdkafka can't read; export it \
         with keytool -exportcert -rfc -file ca.pem, and give ssl.ca.location=ca.pem instead"
    ))
}

pub(super) fn keystore(value: &str, peers: Peers<'_>) -> Meaning {
    let kind = peers("ssl.keystore.type")
        .unwrap_or_default()
        .to_uppercase();
    match kind.as_str() {
        "PKCS12" => setting("ssl.keystore.location", value),
        "" if ends_in(value, &[".p12", ".pfx"]) => setting("ssl.keystore.location", value),
        "PEM" => pem_keystore(value),
        "" if ends_in(value, &PEM) => pem_keystore(value),
        _ => Meaning::Wrong(format!(
            "ssl.keystore.location {value} is a Java store, which librdkafka can't read; convert \
             it with keytool -importkeystore -deststoretype PKCS12, and give that file with \
             ssl.keystore.type=PKCS12"
        )),
    }
}

/// One file that holds both the certificates and the key.
fn pem_keystore(value: &str) -> Meaning {
    Meaning::Settings(vec![
        ("ssl.certificate.location", value.to_owned()),
        ("ssl.key.location", value.to_owned()),
    ])
}
