//! Memory that the client library frees is kept for what comes next.

use std::sync::Once;

/// Larger blocks would be given back to the system one by one: glibc's upper limit.
const MAPPED_APART_FROM: libc::c_int = 32 * 1024 * 1024;

/// Free memory beyond this is given back to the system.
const KEPT: libc::c_int = 256 * 1024 * 1024;

/// Has the allocator keep what is freed.
///
/// The library takes one block for each fetch response. By default, glibc maps such a block anew each
/// time and unmaps it when it is freed, or gives the end of the heap back: the system then clears
/// and maps every page again, which costs a consumer of 1 KiB messages up to half of its time.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(target_env = "gnu")]
        // SAFETY: mallopt takes any numbers, and locks for itself. Refused, it changes nothing.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_APART_FROM);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        }
    });
}
