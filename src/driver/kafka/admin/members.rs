//! Which topics a member of a group has to do with, as it says itself.
//!
//! Kafka's consumers all write subscriptions and assignments in one form: a version, then a list
//! of topics, with partitions in an assignment; what follows differs and is not needed.

/// The topics of a subscription. `None` where it is not one.
pub fn subscribed(bytes: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader(bytes);
    reader.number::<2>()?;
    (0..reader.count()?).map(|_| reader.text()).collect()
}

/// The topics of an assignment; a member that was given nothing yet may have an empty one.
pub fn assigned(bytes: &[u8]) -> Option<Vec<String>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let mut reader = Reader(bytes);
    reader.number::<2>()?;
    (0..reader.count()?)
        .map(|_| {
            let topic = reader.text()?;
            for _ in 0..reader.count()? {
                reader.number::<4>()?;
            }
            Some(topic)
        })
        .collect()
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (number, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*number)
    }

    fn count(&mut self) -> Option<i32> {
        let count = i32::from_be_bytes(self.number()?);
        // Each entry takes two bytes at least.
        (0..=self.0.len() as i64 / 2)
            .contains(&i64::from(count))
            .then_some(count)
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(i16::from_be_bytes(self.number()?)).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: &[u8] = b"\0\x03\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff\0\0\0\0";
    const ASSIGNMENT: &[u8] = b"\0\0\0\0\0\x01\0\x02bc\0\0\0\x02\0\0\0\0\0\0\0\x01\xff\xff\xff\xff";

    #[test]
    fn members_tell_their_topics() {
        assert_eq!(subscribed(SUBSCRIPTION).unwrap(), ["a", "bc"]);
        assert_eq!(assigned(ASSIGNMENT).unwrap(), ["bc"]);
        assert_eq!(assigned(b"").unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_cut_or_garbage_tells_nothing() {
        for length in 0..15 {
            assert_eq!(
                subscribed(&SUBSCRIPTION[..length.min(12)]),
                None,
                "{length}"
            );
        }
        for length in 1..22 {
            assert_eq!(assigned(&ASSIGNMENT[..length]), None, "{length}");
        }
        assert_eq!(subscribed(b"\0\0\x7f\xff\xff\xff\0\0"), None);
        assert_eq!(subscribed(b"\0\0\xff\xff\xff\xff\0\0"), None);
    }
}
