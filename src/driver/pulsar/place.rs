//! Where topics are, and which number a message has in its partition.

use pulsar::message::proto::MessageIdData;

use crate::config::PulsarConfig;
use crate::driver::ENTRY;

/// Bits of an entry's number within its ledger.
const ENTRY_BITS: u32 = 25;

/// Bits of a ledger's number: what is left of 64.
const LEDGER_BITS: u32 = 64 - ENTRY_BITS - ENTRY.ilog2();

/// The number of a message, by entries: see [`ENTRY`]. `None` where it has no place, or one that does not
/// fit, which takes half a billion ledgers, 33 million entries in one or more than [`ENTRY`] messages in a batch.
pub fn number(id: &MessageIdData, index: u64, messages: u64) -> Option<u64> {
    let fits = id.ledger_id < 1 << LEDGER_BITS
        && id.entry_id < 1 << ENTRY_BITS
        && (1..=ENTRY).contains(&messages)
        && index < messages;
    let entry = (id.ledger_id << ENTRY_BITS) | (id.entry_id & ((1 << ENTRY_BITS) - 1));
    fits.then(|| entry * ENTRY + (ENTRY - messages + index))
}

/// Topics' names as Pulsar has them. Those of a run are in a namespace of the run's own, which is named after
/// its id; all others in the namespace that the file names.
#[derive(Clone)]
pub struct Places {
    domain: &'static str,
    /// `TENANT/NAMESPACE`.
    prefix: String,
}

impl Places {
    /// As the file has them.
    pub fn new(config: &PulsarConfig) -> Self {
        Self {
            domain: if config.persistent {
                "persistent"
            } else {
                "non-persistent"
            },
            prefix: config.namespace.clone(),
        }
    }

    /// `persistent` or `non-persistent`.
    pub fn domain(&self) -> &'static str {
        self.domain
    }

    /// The tenant of all of them.
    pub fn tenant(&self) -> &str {
        self.prefix.split_once('/').map_or("", |(tenant, _)| tenant)
    }

    /// The namespace that a topic is in: `TENANT/NAMESPACE`.
    pub fn namespace(&self, topic: &str) -> String {
        if is_namespace(topic) {
            return topic.to_owned();
        }
        match (topic.split_once("://"), run(topic)) {
            (Some((_, rest)), _) => match rest.rsplit_once('/') {
                Some((namespace, _)) => namespace.to_owned(),
                None => self.prefix.clone(),
            },
            (None, Some(run)) => format!("{}-0-{run}", self.prefix),
            (None, None) => self.prefix.clone(),
        }
    }

    /// `DOMAIN/TENANT/NAMESPACE/TOPIC`, as in paths of the REST API.
    pub fn path(&self, topic: &str) -> String {
        match topic.split_once("://") {
            Some((domain, rest)) => format!("{domain}/{rest}"),
            None => format!("{}/{}/{topic}", self.domain, self.namespace(topic)),
        }
    }

    /// `DOMAIN://TENANT/NAMESPACE/TOPIC`.
    pub fn full(&self, topic: &str) -> String {
        let path = self.path(topic);
        match path.split_once('/') {
            Some((domain, rest)) => format!("{domain}://{rest}"),
            None => path,
        }
    }

    /// The name that omb has for a topic of this full name.
    pub fn short(&self, full: &str) -> String {
        let name = full.rsplit('/').next().unwrap_or(full);
        if self.full(name) == full {
            name.to_owned()
        } else {
            full.to_owned()
        }
    }

    /// Whether topics of omb may be in this namespace.
    pub fn is_ours(&self, namespace: &str) -> bool {
        let rest = namespace.strip_prefix(&self.prefix);
        rest.is_some_and(|rest| rest.is_empty() || run(namespace).is_some())
    }

    /// Whether this namespace is made for one run and goes with it.
    pub fn is_a_runs(&self, namespace: &str) -> bool {
        namespace != self.prefix && self.is_ours(namespace)
    }
}

/// Whether a name is that of a namespace, which is listed as the run's beside its topics.
pub fn is_namespace(name: &str) -> bool {
    !name.contains("://") && name.contains('/')
}

/// The run's id that a name ends with: `…-NUMBER-RUN`.
fn run(name: &str) -> Option<&str> {
    let (rest, run) = name.rsplit_once('-')?;
    let (_, number) = rest.rsplit_once('-')?;
    let is_run = run.len() == 8
        && run
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (is_run && is_number).then_some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ledger_id: u64, entry_id: u64) -> MessageIdData {
        MessageIdData {
            ledger_id,
            entry_id,
            ..MessageIdData::default()
        }
    }

    #[test]
    fn messages_of_a_batch_have_neighbouring_numbers_that_end_with_the_entrys() {
        let numbers: Vec<u64> = (0..3)
            .map(|index| number(&id(7, 5), index, 3).unwrap())
            .collect();
        assert_eq!(numbers, [numbers[2] - 2, numbers[2] - 1, numbers[0] + 2]);
        assert_eq!(numbers[2] % ENTRY, ENTRY - 1);
        let next = number(&id(7, 6), 0, ENTRY).unwrap();
        assert_eq!(numbers[2] + 1, next);
        assert_eq!(number(&id(7, 5), 0, 1), Some(numbers[2]));
        assert!(number(&id(8, 0), 0, ENTRY).unwrap() > number(&id(7, 1 << 20), 0, 1).unwrap());
    }

    #[test]
    fn what_has_no_place_has_no_number() {
        for (id, index, messages) in [
            // Of a topic that is not written, and of a message that was dropped as known.
            (id(u64::MAX, u64::MAX), 0, 1),
            (id(1 << LEDGER_BITS, 0), 0, 1),
            (id(0, 1 << ENTRY_BITS), 0, 1),
            (id(1, 1), 0, ENTRY + 1),
            (id(1, 1), 3, 3),
            (id(1, 1), 0, 0),
        ] {
            assert_eq!(number(&id, index, messages), None, "{id:?}");
        }
        let last = id((1 << LEDGER_BITS) - 1, (1 << ENTRY_BITS) - 1);
        assert_eq!(number(&last, 0, 1), Some(u64::MAX));
    }

    #[test]
    fn a_runs_topics_are_in_a_namespace_of_its_own() {
        let config = PulsarConfig {
            namespace: "benchmark/ns".to_owned(),
            persistent: true,
            ..PulsarConfig::default()
        };
        let places = Places::new(&config);
        let topic = "test-topic-3-00c0ffee";
        let full = "persistent://benchmark/ns-0-00c0ffee/test-topic-3-00c0ffee";
        assert_eq!(places.full(topic), full);
        assert_eq!(places.short(full), topic);
        assert_eq!(places.full("mine"), "persistent://benchmark/ns/mine");
        assert_eq!(places.short("persistent://benchmark/ns/mine"), "mine");
        let other = "non-persistent://a/b/test-topic-3-00c0ffee";
        assert_eq!(
            (places.full(other), places.short(other)),
            (other.to_owned(), other.to_owned())
        );
        assert_eq!(places.namespace(other), "a/b");
        assert_eq!(places.tenant(), "benchmark");
        let ours = ["benchmark/ns", "benchmark/ns-0-00c0ffee"];
        assert!(ours.iter().all(|namespace| places.is_ours(namespace)));
        assert!(places.is_a_runs(ours[1]) && !places.is_a_runs(ours[0]));
        for other in [
            "benchmark/ns2",
            "benchmark/other-0-00c0ffee",
            "benchmark/ns-x",
        ] {
            assert!(!places.is_ours(other), "{other}");
        }
        assert!(is_namespace(ours[1]) && !is_namespace(topic) && !is_namespace(full));
    }
}
