//! What is unsafe on the message path, and why it holds.
//!
//! The client library is called through its C interface, for a message would cost twice as much
//! through the safe one. The argument, for all of it:
//! - A client handle is made once, owned by one struct, used from one thread, and destroyed last.
//! - The library's own threads never call back into us: outcomes, errors, logs and rebalances are
//!   queued and served from inside our polls, on our thread.
//! - What a callback changes lives in a box behind a raw pointer (`opaque`) that outlives the
//!   handle. No reference into it is held across a call that may call back.
//! - Slices made from the library's messages are handed out for the length of one call and copied
//!   where they are kept.

pub mod consumer;
mod groups;
mod memory;
pub mod producer;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

use rdkafka::bindings as sys;

use crate::driver::DriverError;
use crate::driver::bell::Bell;
use crate::driver::complaints::Complaints;

/// The partition is for the partitioner to choose (RD_KAFKA_PARTITION_UA).
const ANY_PARTITION: i32 = -1;

/// Name of the header that carries the stamp of small messages.
pub const STAMP_HEADER: &CStr = c"omb";

/// Settings for a client that does not exist yet.
struct Conf(*mut sys::rd_kafka_conf_t);

impl Conf {
    fn new(settings: &[(String, String)]) -> Result<Self, DriverError> {
        memory::keep();
        // SAFETY: no arguments; the object is owned by `Conf` until a client takes it.
        let mut conf = Self(unsafe { sys::rd_kafka_conf_new() });
        for (key, value) in settings {
            conf.set(key, value)?;
        }
        // Logs are served by our polls, like everything else.
        conf.set("log.queue", "true")?;
        Ok(conf)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), DriverError> {
        let mut text = [0 as c_char; 512];
        let (key_c, value_c) = (c_string(key)?, c_string(value)?);
        // SAFETY: the strings end in 0, the buffer has the size that is said, the conf is live.
        let result = unsafe {
            sys::rd_kafka_conf_set(
                self.0,
                key_c.as_ptr(),
                value_c.as_ptr(),
                text.as_mut_ptr(),
                text.len(),
            )
        };
        if result == sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            Ok(())
        } else {
            Err(DriverError(format!("{key}: {}", from_c(text.as_ptr()))))
        }
    }

    /// Makes the client, whose callbacks get `opaque`.
    fn client(
        mut self,
        kind: sys::rd_kafka_type_t,
        opaque: *mut c_void,
    ) -> Result<*mut sys::rd_kafka_t, DriverError> {
        let mut text = [0 as c_char; 512];
        // SAFETY: the conf is live; the callbacks have the signatures the library asks for; the
        // buffer has the size that is said. On success the library owns the conf.
        let client = unsafe {
            sys::rd_kafka_conf_set_opaque(self.0, opaque);
            sys::rd_kafka_conf_set_error_cb(self.0, Some(on_error));
            sys::rd_kafka_conf_set_log_cb(self.0, Some(on_log));
            sys::rd_kafka_new(kind, self.0, text.as_mut_ptr(), text.len())
        };
        if client.is_null() {
            return Err(DriverError(from_c(text.as_ptr())));
        }
        self.0 = ptr::null_mut();
        // SAFETY: the client is live; a null queue means its main queue.
        unsafe { sys::rd_kafka_set_log_queue(client, ptr::null_mut()) };
        Ok(client)
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: no client took it, so it is ours.
            unsafe { sys::rd_kafka_conf_destroy(self.0) };
        }
    }
}

/// Served by our polls. `opaque` points to a struct that begins with [`Complaints`].
unsafe extern "C" fn on_error(
    _: *mut sys::rd_kafka_t,
    _: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: the opaque pointer outlives the client, and its structs are `repr(C)` with the
    // complaints first; no other reference to them is live inside a poll.
    let complaints = unsafe { &mut *opaque.cast::<Complaints>() };
    complaints.add(from_c(reason));
}

/// Served by our polls, since `log.queue` is set.
unsafe extern "C" fn on_log(
    client: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    text: *const c_char,
) {
    const WARNING: c_int = 4;
    let facility = from_c(facility);
    // What fails connections comes as an error, too.
    if level > WARNING || facility == "FAIL" || facility == "ERROR" {
        return;
    }
    // SAFETY: as in `on_error`; `rd_kafka_opaque` gives back what the conf was given.
    let complaints = unsafe { sys::rd_kafka_opaque(client).cast::<Complaints>().as_mut() };
    if let Some(complaints) = complaints {
        complaints.add(format!("{facility}: {}", from_c(text)));
    }
}

/// Has the library ring when this queue fills. No wake-up is missed, as [`Bell`] asks.
///
/// Under its lock, the library writes when it puts something into an *empty* queue, unless it has
/// written since the queue was last looked into; each look, also one that finds nothing, re-arms it
/// (`rd_kafka_q_io_event`, `rd_kafka_q_mark_served`). So whatever comes after a look that found the queue
/// empty finds an empty queue and an armed write.
///
/// # Safety
/// `queue` is valid, and [`mute`]d before the bell is dropped.
unsafe fn ring_for(bell: &Bell, queue: *mut sys::rd_kafka_queue_t) {
    static ONE: u64 = 1;
    // SAFETY: the queue is live, as the caller says; the payload is copied.
    unsafe {
        sys::rd_kafka_queue_io_event_enable(
            queue,
            bell.descriptor(),
            (&raw const ONE).cast(),
            size_of::<u64>(),
        );
    }
}

/// No ringing any more.
///
/// # Safety
/// `queue` is valid.
unsafe fn mute(queue: *mut sys::rd_kafka_queue_t) {
    // SAFETY: the queue is live, as the caller says; no payload is read without a descriptor.
    unsafe { sys::rd_kafka_queue_io_event_enable(queue, -1, ptr::null(), 0) };
}

fn c_string(text: &str) -> Result<CString, DriverError> {
    CString::new(text).map_err(|_| DriverError(format!("{text:?} contains a zero byte")))
}

/// A text of the library's; empty for a null pointer.
fn from_c(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the library's texts end in 0 and live as long as the callback or call that gave them.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// `Broker: Message size too large (MSG_SIZE_TOO_LARGE)`: what an error code means, and its name.
fn error_text(error: sys::rd_kafka_resp_err_t) -> String {
    // SAFETY: both take any code and return static texts.
    let (name, text) = unsafe { (sys::rd_kafka_err2name(error), sys::rd_kafka_err2str(error)) };
    format!("{} ({})", from_c(text), from_c(name))
}

/// The bytes of a message of the library's.
///
/// # Safety
/// `pointer` is null, or valid for `length` bytes for as long as the slice is used.
unsafe fn bytes<'a>(pointer: *const c_void, length: usize) -> &'a [u8] {
    if pointer.is_null() {
        &[]
    } else {
        // SAFETY: the caller says so.
        unsafe { std::slice::from_raw_parts(pointer.cast(), length) }
    }
}

/// The stamp header of a message, if it has one.
///
/// # Safety
/// `message` is valid for as long as the slice is used.
unsafe fn stamp_header<'a>(message: *const sys::rd_kafka_message_t) -> Option<&'a [u8]> {
    let none = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    let mut headers = ptr::null_mut();
    let (mut value, mut size) = (ptr::null(), 0);
    // SAFETY: the message is valid; the out-parameters are live; headers belong to the message.
    unsafe {
        if sys::rd_kafka_message_headers(message, &raw mut headers) != none
            || sys::rd_kafka_header_get_last(
                headers,
                STAMP_HEADER.as_ptr(),
                &raw mut value,
                &raw mut size,
            ) != none
        {
            return None;
        }
        Some(bytes(value, size))
    }
}
