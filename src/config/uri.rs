//! Addresses of brokers as URIs. They may hold a password, which is never shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An address with a scheme, such as `amqps://user:password@host:5671/vhost`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uri(String);

impl Uri {
    /// Takes an address with one of these schemes; the error says what to write instead.
    pub fn parse(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let text = text.trim();
        let wanted = || format!("give an address such as {}://HOST:PORT", schemes[0]);
        let (scheme, rest) = text.split_once("://").ok_or_else(wanted)?;
        if !schemes.contains(&scheme) {
            return Err(wanted());
        }
        let (host_port, _) = parts(rest);
        let (host, port) = match host_port.rsplit_once(':') {
            Some((host, port)) if !host_port.ends_with(']') => (host, Some(port)),
            _ => (host_port, None),
        };
        let port_is_wrong = port.is_some_and(|port| port.parse::<u16>().unwrap_or(0) == 0);
        if host.is_empty() || host.contains(char::is_whitespace) || port_is_wrong {
            return Err(wanted());
        }
        Ok(Self(text.to_owned()))
    }

    /// The same at another host: `HOST` or `HOST:PORT`.
    pub fn at(&self, host_port: &str) -> Result<Self, String> {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let (_, path) = parts(rest);
        let user = self
            .user_info()
            .map_or(String::new(), |user| format!("{user}@"));
        Self::parse(&format!("{scheme}://{user}{host_port}{path}"), &[scheme])
    }

    /// All of it, a password too.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// What stands before `://`.
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// `HOST` or `HOST:PORT`.
    pub fn host_port(&self) -> &str {
        let rest = self
            .0
            .split_once("://")
            .map_or(self.0.as_str(), |(_, rest)| rest);
        parts(rest).0
    }

    /// `HOST`, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let host_port = self.host_port();
        let host = match host_port.rsplit_once(':') {
            Some((host, _)) if !host_port.ends_with(']') => host,
            _ => host_port,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, where one is given.
    pub fn port(&self) -> Option<u16> {
        let (_, port) = self.host_port().rsplit_once(':')?;
        port.parse().ok()
    }

    /// `USER:PASSWORD`, as written.
    pub fn user_info(&self) -> Option<&str> {
        let (_, rest) = self.0.split_once("://")?;
        let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
        authority.rsplit_once('@').map(|(user, _)| user)
    }
}

/// `HOST:PORT`, and what comes behind it.
fn parts(rest: &str) -> (&str, &str) {
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host_port = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    (host_port, path)
}

/// A text with the users and passwords of all addresses in it replaced.
pub fn without_users(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(['/', '?', ',', ' ']).unwrap_or(after.len());
        rest = match after[..end].rsplit_once('@') {
            Some((user, _)) => {
                shown.push_str("***");
                &after[user.len()..]
            }
            None => after,
        };
    }
    shown.push_str(rest);
    shown
}

impl fmt::Display for Uri {
    /// Shows no user and no password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", without_users(&self.0).replace("***@", ""))
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", without_users(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text, &["amqp", "amqps"]).unwrap()
    }

    #[test]
    fn an_address_has_a_known_scheme_a_host_and_a_port_if_any() {
        for good in [
            "amqp://a",
            "amqps://a:5671",
            "amqp://u:p@[::1]:1/%2f",
            "amqp://a/v?x=1",
        ] {
            assert!(Uri::parse(good, &["amqp", "amqps"]).is_ok(), "{good}");
        }
        for bad in [
            "a:5672",
            "http://a",
            "amqp://",
            "amqp://:5672",
            "amqp://a:0",
            "amqp://a:x",
        ] {
            let error = Uri::parse(bad, &["amqp", "amqps"]).unwrap_err();
            assert!(error.contains("amqp://HOST:PORT"), "{bad}: {error}");
        }
    }

    #[test]
    fn passwords_are_never_shown() {
        let secret = uri("amqp://me:pa@ss@host:5672/vhost");
        assert_eq!(secret.user_info(), Some("me:pa@ss"));
        assert_eq!(secret.to_string(), "amqp://host:5672/vhost");
        assert_eq!(format!("{secret:?}"), "amqp://***@host:5672/vhost");
        let two = without_users("amqp://a:b@h,amqp://h2 amqps://c@h3/x");
        assert_eq!(two, "amqp://***@h,amqp://h2 amqps://***@h3/x");
    }

    #[test]
    fn another_host_is_reached_in_the_same_way() {
        let other = uri("amqps://me:secret@host:5671/v").at("other:1").unwrap();
        assert_eq!(other.secret(), "amqps://me:secret@other:1/v");
        assert_eq!((other.host(), other.host_port()), ("other", "other:1"));
        assert_eq!(uri("amqp://[::1]:7").host(), "::1");
        assert!(uri("amqp://a").at(":0").is_err());
    }
}
