//! The bytes and the keys of messages, made before the load begins.

use std::path::Path;

use super::stamp;
use crate::config::{KeyDistributor, Payload};

/// Different keys that keyed messages use, as in OMB.
const KEYS: usize = 10_000;

/// Payloads that a client sends in turn; each is long enough for the stamp, or has none.
#[derive(Debug)]
pub struct Payloads {
    pool: Vec<Vec<u8>>,
    next: usize,
}

impl Payloads {
    /// Makes the payloads of a workload. The random ones are the same for the same `seed`.
    ///
    /// # Errors
    /// Where the payload file cannot be read or has another size than the workload's messages.
    pub fn new(payload: &Payload, size: usize, seed: u64) -> Result<Self, String> {
        let pool = match payload {
            Payload::File(path) => vec![read_exactly(path, size)?],
            Payload::Random { random_ratio, pool } => {
                let mut random = fastrand::Rng::with_seed(seed);
                let random_bytes = (size as f64 * random_ratio).round() as usize;
                (0..(*pool).max(1))
                    .map(|_| {
                        let mut bytes = vec![0; size];
                        random.fill(&mut bytes[..random_bytes.min(size)]);
                        bytes
                    })
                    .collect()
            }
        };
        Ok(Self { pool, next: 0 })
    }

    /// The next payload, to be stamped in place.
    #[inline]
    pub fn take(&mut self) -> &mut [u8] {
        self.next = if self.next + 1 < self.pool.len() {
            self.next + 1
        } else {
            0
        };
        &mut self.pool[self.next]
    }

    /// Whether the stamp fits into each payload; it travels as a header otherwise.
    pub fn hold_stamp(&self) -> bool {
        self.pool.iter().all(|payload| payload.len() >= stamp::LEN)
    }
}

fn read_exactly(path: &Path, size: usize) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(path)
        .map_err(|error| format!("cannot read the payload file {}: {error}", path.display()))?;
    if bytes.len() == size {
        Ok(bytes)
    } else {
        Err(format!(
            "the payload file {} has {} bytes, messageSize says {size}: make them equal",
            path.display(),
            bytes.len()
        ))
    }
}

/// Gives messages their keys.
#[derive(Debug)]
pub struct Keys {
    distributor: KeyDistributor,
    keys: Vec<[u8; 7]>,
    next: usize,
}

impl Keys {
    /// Prepares the keys of a workload.
    pub fn new(distributor: KeyDistributor) -> Self {
        let count = if distributor == KeyDistributor::None {
            0
        } else {
            KEYS
        };
        let keys = (0..count as u64)
            .map(|number| {
                // Spread over the key space, as hashes of a real application's keys would be.
                let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number;
                let mut key = [0; 7];
                key.copy_from_slice(&hash.to_be_bytes()[..7]);
                for byte in &mut key {
                    *byte = b"abcdefghijklmnopqrstuvwxyz012345"[usize::from(*byte & 31)];
                }
                key
            })
            .collect();
        Self {
            distributor,
            keys,
            next: 0,
        }
    }

    /// The key of the next message, which is sent at `nanos`.
    #[inline]
    pub fn pick(&mut self, nanos: u64) -> Option<&[u8]> {
        match self.distributor {
            KeyDistributor::None => None,
            KeyDistributor::RoundRobin => {
                self.next = if self.next + 1 < self.keys.len() {
                    self.next + 1
                } else {
                    0
                };
                self.keys.get(self.next).map(|key| &key[..])
            }
            KeyDistributor::RandomNano => self
                .keys
                .get((nanos % KEYS as u64) as usize)
                .map(|key| &key[..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_share_of_random_bytes_is_the_one_asked_for() {
        let payload = Payload::Random {
            random_ratio: 0.25,
            pool: 3,
        };
        let mut payloads = Payloads::new(&payload, 1_000, 7).unwrap();
        let first = payloads.take().to_vec();
        assert_ne!(first, payloads.take());
        assert!(first[250..].iter().all(|&b| b == 0));
        assert!(first[..250].iter().filter(|&&b| b == 0).count() < 10);
    }

    #[test]
    fn the_same_seed_makes_the_same_payloads_in_every_version() {
        let digest = |random_ratio, seed| {
            let pool = Payload::Random {
                random_ratio,
                pool: 10,
            };
            let mut payloads = Payloads::new(&pool, 1_000, seed).unwrap();
            let mut hash = Sha256::new();
            for _ in 0..10 {
                hash.update(payloads.take());
            }
            let digest = hash.finalize();
            digest
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        assert_eq!(
            digest(0.0, 1),
            "95b532cc4381affdff0d956e12520a04129ed49d37e154228368fe5621f0b9a2"
        );
        assert_eq!(
            digest(0.5, 1),
            "613e4e938f81d4850a5668e2040fd46dc1ece1b6693affc7d05b32e93ebf5f65"
        );
        assert_eq!(
            digest(0.5, 2),
            "c767033065a1b7f83fc7756749f74969ba714388081241fdfeb38ec20e87686a"
        );
    }

    #[test]
    fn a_payload_file_of_another_size_is_an_error_that_names_both() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"0123456789").unwrap();
        let payload = Payload::File(file.path().to_owned());
        assert_eq!(
            Payloads::new(&payload, 10, 0).unwrap().take(),
            b"0123456789"
        );
        let error = Payloads::new(&payload, 11, 0).unwrap_err();
        assert!(
            error.contains("10 bytes") && error.contains("11"),
            "{error}"
        );
    }

    #[test]
    fn round_robin_goes_through_all_keys_and_random_nano_follows_the_clock() {
        let mut keys = Keys::new(KeyDistributor::RoundRobin);
        let seen: std::collections::HashSet<Vec<u8>> = (0..KEYS)
            .filter_map(|_| keys.pick(0).map(<[u8]>::to_vec))
            .collect();
        assert!(
            seen.len() > KEYS * 99 / 100,
            "{} different keys",
            seen.len()
        );
        let mut keys = Keys::new(KeyDistributor::RandomNano);
        let at_5 = keys.pick(5).map(<[u8]>::to_vec);
        assert_eq!(at_5, keys.pick(KEYS as u64 + 5).map(<[u8]>::to_vec));
        assert_eq!(Keys::new(KeyDistributor::None).pick(5), None);
    }
}
