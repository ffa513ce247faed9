//! What messages are filled with.

use std::fs;
use std::path::{Path, PathBuf};

use super::fields::{Fields, flag, text, whole};
use super::workload::ratio;
use super::{Origin, Payload};

/// The pool of randomised payloads that OMB's own files use.
const USUAL_POOL: u32 = 1000;
/// More payloads than this many bytes in each producer process are a mistake.
const LARGEST_POOL: usize = 1 << 30;

/// OMB's rule: randomised payloads win over the file. Without both, where OMB fails, all bytes
/// are random, as no compression can then flatter the broker.
pub(super) fn payload(
    fields: &mut Fields<'_>,
    message_size: Option<usize>,
    size_at: Option<Origin>,
) -> Option<Payload> {
    let randomized = fields.or("useRandomizedPayloads", false, flag);
    let random_ratio = fields.optional("randomBytesRatio", ratio).ok()?;
    let pool_at = fields
        .place("randomizedPayloadPoolSize")
        .unwrap_or(fields.whole_file());
    let pool = fields
        .optional("randomizedPayloadPoolSize", whole(0, i64::from(i32::MAX)))
        .ok()?;
    let file_at = fields.place("payloadFile");
    let file = fields
        .optional("payloadFile", text)
        .ok()?
        .filter(|_| !randomized);
    if let (Some(file), Some(at)) = (file, file_at) {
        let path = PathBuf::from(file);
        check_payload_file(fields, &path, at, message_size, size_at);
        return Some(Payload::File(path));
    }
    if !randomized {
        let fitting = LARGEST_POOL / 64 / message_size.unwrap_or(1).max(1);
        return Some(Payload::Random {
            random_ratio: 1.0,
            pool: (fitting as u32).clamp(1, USUAL_POOL),
        });
    }
    let pool = pool.map_or(USUAL_POOL, |pool| pool as u32);
    if pool == 0 {
        let message = "randomizedPayloadPoolSize is 0; give a whole number of at least 1";
        fields.problem(pool_at, message.to_owned());
    } else if message_size.is_some_and(|size| size.saturating_mul(pool as usize) > LARGEST_POOL) {
        let message = format!(
            "randomizedPayloadPoolSize is {pool}: with this messageSize each producer process \
             would hold more than 1 GiB of payloads; give fewer"
        );
        fields.problem(pool_at, message);
    }
    // OMB's default ratio is 0: payloads of zeros.
    Some(Payload::Random {
        random_ratio: random_ratio.unwrap_or(0.0),
        pool,
    })
}

fn check_payload_file(
    fields: &mut Fields<'_>,
    path: &Path,
    at: Origin,
    message_size: Option<usize>,
    size_at: Option<Origin>,
) {
    let shown = path.display();
    let (origin, message) = match fs::metadata(path) {
        Err(error) => (
            at,
            format!(
                "payloadFile {shown} can't be read: {error}; give a path relative to the working \
                 directory"
            ),
        ),
        Ok(found) if !found.is_file() => (
            at,
            format!("payloadFile {shown} is not a file; give the path of one"),
        ),
        Ok(found) => match message_size {
            Some(size) if found.len() != size as u64 => (
                size_at.unwrap_or(at),
                format!(
                    "messageSize is {size}, but payloadFile {shown} holds {} bytes; make them \
                     equal, or leave payloadFile out",
                    found.len()
                ),
            ),
            _ => return,
        },
    };
    fields.problem(origin, message);
}
