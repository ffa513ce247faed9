//! What a producer process has sent so far, in memory that outlives it.
//!
//! A `kill -9` takes what a process knows with it, but not what it wrote to a shared page: each
//! client publishes how many messages it sent, before it sends the next. What is published and was
//! never reported is unknown, and the books balance.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap};

use crate::stats::delta::LoadPhase;

/// Bytes of one client's part: its counters have a cache line of their own.
const PART: usize = 64;

/// A page that is mapped as long as the process lives.
struct Page {
    start: *const AtomicU64,
    clients: usize,
}

// SAFETY: the page is only accessed through atomics, and never unmapped.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

/// One client's part of the page.
#[derive(Clone)]
pub struct Published {
    page: Arc<Page>,
    client: usize,
}

/// Makes the page of a process with so many clients: one part for each.
///
/// # Errors
/// Where the file can't be made or mapped.
pub fn create(path: &Path, clients: usize) -> io::Result<Vec<Published>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)?;
    let length = clients.max(1) * PART;
    file.set_len(length as u64)?;
    let page = Arc::new(Page {
        start: map(&file, length)?,
        clients,
    });
    Ok((0..clients)
        .map(|client| Published {
            page: page.clone(),
            client,
        })
        .collect())
}

fn map(file: &File, length: usize) -> io::Result<*const AtomicU64> {
    let length = NonZeroUsize::new(length).ok_or(io::ErrorKind::InvalidInput)?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, of a file that is as long, at an address the system chooses.
    let start = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, file, 0) }?;
    Ok(start.as_ptr().cast_const().cast())
}

impl Published {
    /// This client has sent so many messages of this phase, or is about to.
    #[inline]
    pub fn sent(&self, phase: LoadPhase, messages: u64) {
        let index = self.client * (PART / size_of::<AtomicU64>()) + phase as usize;
        debug_assert!(self.client < self.page.clients);
        // SAFETY: the part of each client lies within the mapping, which is aligned to a page and
        // lives as long as the process.
        let counter = unsafe { &*self.page.start.add(index) };
        counter.store(messages, Ordering::Relaxed);
    }
}

/// What all clients of a process published, by phase; nothing where it had made no page yet.
pub fn read(path: &Path) -> [u64; 2] {
    let bytes = fs::read(path).unwrap_or_default();
    let mut sent = [0; 2];
    for part in bytes.chunks_exact(PART) {
        for (phase, total) in sent.iter_mut().enumerate() {
            let counter = part[phase * 8..].first_chunk().copied().unwrap_or_default();
            *total += u64::from_ne_bytes(counter);
        }
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_published_is_read_by_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("page");
        assert_eq!(read(&path), [0, 0], "no page yet");
        let clients = create(&path, 3).unwrap();
        for (number, client) in clients.iter().enumerate() {
            client.sent(LoadPhase::WarmUp, 10);
            client.sent(LoadPhase::Measure, 1_000 * number as u64);
            client.sent(LoadPhase::WarmUp, 11);
        }
        assert_eq!(read(&path), [33, 3_000]);
    }
}
