//! What can be planted, and how a person writes it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use kafka_protocol::error::ResponseError;

use crate::config::{nearest, parse_duration};

/// Codes that Kafka gives to errors lie in this range.
const CODES: std::ops::Range<i16> = -1..256;

/// Something planted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What happens.
    pub kind: Kind,
    /// The load message of a topic, counted from 1 as they arrive, from which on it happens.
    pub at: u64,
    /// How often it happens in each topic.
    pub count: u64,
    /// The only topic it happens in, by its number within the run.
    pub topic: Option<u32>,
    /// As it was written.
    text: String,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A message is acknowledged and not stored.
    Drop {
        /// The next message takes its offset; otherwise the offset stays empty.
        reuse: bool,
    },
    /// A message is stored twice, at two offsets.
    Double,
    /// A message is stored behind the next one of its producer and partition.
    Swap,
    /// A batch is acknowledged so much later.
    Delay(Duration),
    /// The whole broker does nothing for so long.
    Stall(Duration),
    /// A batch is answered with an error.
    Error {
        /// Which.
        code: ResponseError,
        /// The batch is stored nevertheless.
        stored: bool,
    },
    /// A group is sent back by so many offsets.
    Rewind(u64),
    /// The whole broker acknowledges so many messages a second and no more.
    Capacity(u64),
}

impl Fault {
    /// Whether it happens in the run's topic of this number.
    pub fn is_for(&self, topic: u32) -> bool {
        self.topic.is_none_or(|only| only == topic)
    }

    /// Whether it happens to a batch and not to a message.
    pub fn of_batches(&self) -> bool {
        matches!(
            self.kind,
            Kind::Delay(_) | Kind::Stall(_) | Kind::Error { .. }
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const KINDS: [&str; 8] = [
    "drop", "double", "swap", "delay", "stall", "error", "rewind", "capacity",
];

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut settings = Settings::read(rest)?;
        let mut at = settings.number("at")?;
        let count = settings.number("count")?.unwrap_or(1);
        let topic = settings
            .take("topic")
            .map(|number| {
                number
                    .parse()
                    .map_err(|_| format!("topic={number}: give the number of a topic, from 0"))
            })
            .transpose()?;
        let kind = match kind.trim() {
            "drop" => Kind::Drop {
                reuse: settings.choice("offset", ["empty", "reused"])?,
            },
            "double" => Kind::Double,
            "swap" => Kind::Swap,
            "delay" => Kind::Delay(settings.time()?),
            "stall" => Kind::Stall(settings.time()?),
            "error" => {
                let code = error(settings.needed("code", "NOT_ENOUGH_REPLICAS")?)?;
                let stored = match settings.take("stored") {
                    Some("yes") => true,
                    Some("no") => false,
                    Some(other) => return Err(format!("stored={other}: give yes or no")),
                    None => after_append(code),
                };
                Kind::Error { code, stored }
            }
            "rewind" if count > 1 => return Err("a rewind happens once; take count out".to_owned()),
            "rewind" => Kind::Rewind(
                settings
                    .number("by")?
                    .ok_or("rewind needs by=N: how many offsets to go back")?,
            ),
            "capacity" => {
                // From the first message on, without an end.
                at = at.or(Some(1));
                let rate = settings.number("rate")?;
                Kind::Capacity(rate.ok_or("capacity needs rate=N: messages a second")?)
            }
            other => return Err(unknown("fault", other, &KINDS)),
        };
        settings.finish()?;
        Ok(Fault {
            kind,
            at: at.ok_or("at=N is missing: the load message of a topic at which it begins")?,
            count,
            topic,
            text: text.to_owned(),
        })
    }
}

/// Errors that a real broker answers when it has stored the batch and its replicas have not.
fn after_append(code: ResponseError) -> bool {
    matches!(
        code,
        ResponseError::NotEnoughReplicasAfterAppend | ResponseError::RequestTimedOut
    )
}

/// Settings not yet understood.
struct Settings<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Settings<'a> {
    fn read(text: &'a str) -> Result<Settings<'a>, String> {
        let mut settings: Vec<(&str, &str)> = Vec::new();
        for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            let (key, value) = one
                .split_once('=')
                .ok_or_else(|| format!("{one} has no value: give {one}=…"))?;
            if settings.iter().any(|(known, _)| *known == key) {
                return Err(format!("{key} is given twice; keep one of them"));
            }
            settings.push((key, value));
        }
        Ok(Settings(settings))
    }

    fn take(&mut self, key: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(known, _)| *known == key)?;
        Some(self.0.remove(at).1)
    }

    fn needed(&mut self, key: &str, example: &str) -> Result<&'a str, String> {
        self.take(key)
            .ok_or_else(|| format!("{key} is missing; add {key}={example}"))
    }

    fn number(&mut self, key: &str) -> Result<Option<u64>, String> {
        let wrong = |text| format!("{key}={text}: give a whole number of at least 1");
        match self.take(key) {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(number) if number >= 1 => Ok(Some(number)),
                _ => Err(wrong(text)),
            },
        }
    }

    fn time(&mut self) -> Result<Duration, String> {
        let text = self.needed("for", "500ms")?;
        match parse_duration(text) {
            Ok(Duration::ZERO) => Err("for=0: give more than 0, such as 500ms".to_owned()),
            Ok(time) => Ok(time),
            Err(advice) => Err(format!("for={text}: {advice}")),
        }
    }

    /// Whether it is the second of two.
    fn choice(&mut self, key: &str, [first, second]: [&str; 2]) -> Result<bool, String> {
        match self.take(key) {
            None => Ok(false),
            Some(text) if text == first => Ok(false),
            Some(text) if text == second => Ok(true),
            Some(other) => Err(format!("{key}={other}: give {first} or {second}")),
        }
    }

    fn finish(self) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => Err(format!("{key} is no setting of this fault; take it out")),
        }
    }
}

/// An error by its number or by Kafka's name for it.
fn error(text: &str) -> Result<ResponseError, String> {
    let named = || CODES.filter_map(known).map(|error| (name(error), error));
    let upper = text.to_ascii_uppercase();
    let found = match text.parse() {
        Ok(code) => known(code),
        Err(_) => named()
            .find(|(name, _)| *name == upper)
            .map(|(_, error)| error),
    };
    found.ok_or_else(|| {
        let names: Vec<String> = named().map(|(name, _)| name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        unknown("error", text, &names)
    })
}

fn known(code: i16) -> Option<ResponseError> {
    match ResponseError::try_from_code(code) {
        Some(ResponseError::Unknown(_)) | None => None,
        known => known,
    }
}

/// `NOT_ENOUGH_REPLICAS` of `NotEnoughReplicas`.
pub fn name(error: ResponseError) -> String {
    let mut name = String::new();
    for letter in format!("{error:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn unknown(what: &str, given: &str, names: &[&str]) -> String {
    let advice = match nearest(given, names.iter().copied()) {
        Some(name) => format!("did you mean {name}?"),
        None if names.len() <= KINDS.len() => format!("there are {}", names.join(", ")),
        None => "give its number or Kafka's name for it".to_owned(),
    };
    format!("there is no {what} {given}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Fault {
        text.parse().unwrap()
    }

    #[test]
    fn every_kind_is_read_with_its_settings() {
        let kinds = [
            ("drop:at=9", Kind::Drop { reuse: false }),
            ("drop:at=9,offset=reused", Kind::Drop { reuse: true }),
            ("double:at=9", Kind::Double),
            ("swap:at=9", Kind::Swap),
            (
                "delay:at=9,for=250ms",
                Kind::Delay(Duration::from_millis(250)),
            ),
            ("stall:for=1s,at=9", Kind::Stall(Duration::from_secs(1))),
            ("rewind:at=9,by=70", Kind::Rewind(70)),
            ("capacity:at=9,rate=2000", Kind::Capacity(2_000)),
        ];
        for (text, kind) in kinds {
            let fault = read(text);
            assert_eq!(
                (fault.kind, fault.at, fault.count, fault.topic),
                (kind, 9, 1, None),
                "{text}"
            );
            assert_eq!(fault.to_string(), text);
        }
        let fault = read("double:at=9,count=5,topic=0");
        assert_eq!((fault.count, fault.topic), (5, Some(0)));
    }

    #[test]
    fn errors_have_numbers_and_names_and_say_whether_they_store() {
        let kind = |text: &str| read(&format!("error:at=1,code={text}")).kind;
        let stored = |code, stored| Kind::Error { code, stored };
        let late = ResponseError::NotEnoughReplicasAfterAppend;
        assert_eq!(kind("20"), stored(late, true));
        assert_eq!(kind("NOT_ENOUGH_REPLICAS_AFTER_APPEND"), stored(late, true));
        assert_eq!(kind("20,stored=no"), stored(late, false));
        let leader = ResponseError::NotLeaderOrFollower;
        assert_eq!(kind("not_leader_or_follower"), stored(leader, false));
        assert_eq!(kind("6,stored=yes"), stored(leader, true));
        assert_eq!(kind("-1"), stored(ResponseError::UnknownServerError, false));
    }

    #[test]
    fn mistakes_are_told_with_what_to_do() {
        for (text, told) in [
            ("dorp:at=1", "did you mean drop?"),
            ("drop", "at=N is missing"),
            ("drop:at=0", "at least 1"),
            ("drop:at=x", "at=x"),
            ("drop:at", "at=…"),
            ("drop:at=1,at=2", "twice"),
            ("drop:at=1,for=1s", "for is no setting"),
            ("drop:at=1,offset=any", "empty or reused"),
            ("double:at=1,topic=a", "topic=a"),
            ("stall:at=1", "for=500ms"),
            ("stall:at=1,for=0s", "more than 0"),
            ("delay:at=1,for=1", "unit"),
            ("error:at=1", "code=NOT_ENOUGH_REPLICAS"),
            (
                "error:at=1,code=NOT_A_LEADER_OR_FOLLOWER",
                "NOT_LEADER_OR_FOLLOWER",
            ),
            ("error:at=1,code=0", "there is no error 0"),
            ("error:at=1,code=6,stored=1", "yes or no"),
            ("rewind:at=1", "by=N"),
            ("capacity", "rate=N"),
            ("rewind:at=1,by=5,count=2", "take count out"),
        ] {
            let error = text.parse::<Fault>().unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
