//! A producer over the client library's C interface.

use std::ffi::{c_int, c_void};
use std::ptr;

use rdkafka::bindings as sys;
use sys::rd_kafka_resp_err_t as ErrorCode;
use sys::rd_kafka_vtype_t as Field;

use super::{
    ANY_PARTITION, Conf, STAMP_HEADER, bytes, c_string, error_text, mute, ring_for, stamp_header,
};
use crate::clock::Instant;
use crate::driver::bell::Bell;
use crate::driver::complaints::Complaints;
use crate::driver::{DriverError, Outcome, Outgoing, ProducerOptions, STAMP_LEN, SendError};

/// Outcomes served before a sender may look at its schedule again: about a millisecond's worth. One
/// event of the library's carries the outcomes of a whole batch, and after a stall or a purge there
/// are as many as its queue holds.
const OUTCOMES: u32 = 4_096;

type Sink<'a> = dyn FnMut(&[u8], Outcome<'_>) + 'a;

/// What callbacks find behind their opaque pointer.
#[repr(C)]
struct Shared {
    complaints: Complaints,
    in_flight: u64,
    /// Outcomes served by the poll under way.
    served: u32,
    /// The last error and its text: many messages fail alike, and none of them costs a text.
    failure: Option<(ErrorCode, String)>,
    /// Who wants to know outcomes, while a poll is under way.
    sink: Option<*mut Sink<'static>>,
}

/// A producer client, its topics and its queue of outcomes.
pub struct RawProducer {
    client: *mut sys::rd_kafka_t,
    topics: Vec<*mut sys::rd_kafka_topic_t>,
    queue: *mut sys::rd_kafka_queue_t,
    bell: Bell,
    wake: std::os::fd::RawFd,
    shared: *mut Shared,
}

impl RawProducer {
    /// Connects, in the background.
    pub fn new(
        settings: &[(String, String)],
        options: &ProducerOptions<'_>,
    ) -> Result<Self, DriverError> {
        let bell = Bell::new()?;
        let mut conf = Conf::new(settings)?;
        // Every message has an outcome, also the acknowledged ones.
        conf.set("delivery.report.only.error", "false")?;
        // SAFETY: the conf is live and the callback has the signature the library asks for.
        unsafe { sys::rd_kafka_conf_set_dr_msg_cb(conf.0, Some(on_outcome)) };
        let shared = Box::into_raw(Box::new(Shared {
            complaints: Complaints::default(),
            in_flight: 0,
            served: 0,
            failure: None,
            sink: None,
        }));
        let made = conf.client(sys::rd_kafka_type_t::RD_KAFKA_PRODUCER, shared.cast());
        let client = made.inspect_err(|_| {
            // SAFETY: no client has the pointer.
            drop(unsafe { Box::from_raw(shared) });
        })?;
        // SAFETY: the client is live; `drop` mutes the queue before it closes the descriptor.
        let queue = unsafe {
            let queue = sys::rd_kafka_queue_get_main(client);
            ring_for(&bell, queue);
            queue
        };
        let mut producer = Self {
            client,
            topics: Vec::new(),
            queue,
            bell,
            wake: options.wake,
            shared,
        };
        for topic in options.topics {
            let name = c_string(topic)?;
            // SAFETY: the client and the name are live; a null conf means the client's own.
            let handle = unsafe { sys::rd_kafka_topic_new(client, name.as_ptr(), ptr::null_mut()) };
            if handle.is_null() {
                return Err(DriverError(format!(
                    "the client library refuses the topic {topic}"
                )));
            }
            producer.topics.push(handle);
        }
        Ok(producer)
    }

    /// See [`crate::driver::Producer::send`].
    #[inline]
    pub fn send(&mut self, message: &Outgoing<'_>) -> Result<(), SendError> {
        let Some(&topic) = self.topics.get(message.topic as usize) else {
            return Err(SendError::Rejected("no such topic".to_owned()));
        };
        let error = match message.header {
            None => self.produce(topic, message),
            Some(header) => self.produce_with_header(topic, message, header),
        };
        match error {
            ErrorCode::RD_KAFKA_RESP_ERR_NO_ERROR => {
                // SAFETY: `shared` is ours, and no callback runs now.
                unsafe { (*self.shared).in_flight += 1 };
                Ok(())
            }
            ErrorCode::RD_KAFKA_RESP_ERR__QUEUE_FULL => Err(SendError::Full),
            error => Err(SendError::Rejected(error_text(error))),
        }
    }

    #[inline]
    fn produce(&self, topic: *mut sys::rd_kafka_topic_t, message: &Outgoing<'_>) -> ErrorCode {
        let key = message.key.unwrap_or_default();
        let key_pointer = message
            .key
            .map_or(ptr::null(), |key| key.as_ptr().cast::<c_void>());
        // SAFETY: the topic handle is live; with F_COPY the payload is copied before the call
        // returns and not written to; keys are always copied.
        unsafe {
            let result = sys::rd_kafka_produce(
                topic,
                ANY_PARTITION,
                sys::RD_KAFKA_MSG_F_COPY,
                message.payload.as_ptr().cast_mut().cast(),
                message.payload.len(),
                key_pointer,
                key.len(),
                ptr::null_mut(),
            );
            if result == 0 {
                ErrorCode::RD_KAFKA_RESP_ERR_NO_ERROR
            } else {
                sys::rd_kafka_last_error()
            }
        }
    }

    fn produce_with_header(
        &self,
        topic: *mut sys::rd_kafka_topic_t,
        message: &Outgoing<'_>,
        header: &[u8],
    ) -> ErrorCode {
        let key = message.key.unwrap_or_default();
        let key_pointer = message
            .key
            .map_or(ptr::null(), |key| key.as_ptr().cast::<c_void>());
        // SAFETY: each field is followed by arguments of the types that rdkafka.h lists for it,
        // the list ends with END, and everything pointed to is live and copied before the return.
        unsafe {
            sys::rd_kafka_producev(
                self.client,
                Field::RD_KAFKA_VTYPE_RKT as c_int,
                topic,
                Field::RD_KAFKA_VTYPE_MSGFLAGS as c_int,
                sys::RD_KAFKA_MSG_F_COPY,
                Field::RD_KAFKA_VTYPE_VALUE as c_int,
                message.payload.as_ptr(),
                message.payload.len(),
                Field::RD_KAFKA_VTYPE_KEY as c_int,
                key_pointer,
                key.len(),
                Field::RD_KAFKA_VTYPE_HEADER as c_int,
                STAMP_HEADER.as_ptr(),
                header.as_ptr(),
                header.len() as isize,
                Field::RD_KAFKA_VTYPE_END as c_int,
            )
        }
    }

    /// See [`crate::driver::Producer::poll`].
    pub fn poll(&mut self, until: Instant, sink: &mut Sink<'_>) {
        if self.serve(sink) == 0 && until.0 > 0 {
            self.bell.wait(self.wake, until);
            self.serve(sink);
        }
    }

    /// Serves what is there, up to [`OUTCOMES`]; 0 if there was nothing.
    fn serve(&mut self, sink: &mut Sink<'_>) -> c_int {
        let sink: *mut Sink<'_> = sink;
        // SAFETY: only the lifetime is changed, and the pointer is taken back before the sink's
        // own lifetime ends. Callbacks run inside the poll, on this thread.
        unsafe {
            (*self.shared).sink = Some(std::mem::transmute::<*mut Sink<'_>, *mut Sink<'static>>(
                sink,
            ));
            (*self.shared).served = 0;
            let events = sys::rd_kafka_poll(self.client, 0);
            (*self.shared).sink = None;
            events
        }
    }

    /// See [`crate::driver::Producer::in_flight`].
    pub fn in_flight(&self) -> u64 {
        // SAFETY: `shared` is ours, and no callback runs now.
        unsafe { (*self.shared).in_flight }
    }

    /// See [`crate::driver::Producer::abandon`].
    pub fn abandon(&mut self) {
        // Not waited for: a thread of the library's may be looking up a name, for seconds.
        let everything = sys::RD_KAFKA_PURGE_F_QUEUE
            | sys::RD_KAFKA_PURGE_F_INFLIGHT
            | sys::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the client is live. Outcomes are queued, not called back.
        unsafe { sys::rd_kafka_purge(self.client, everything) };
    }

    /// See [`crate::driver::Producer::complaints`].
    pub fn complaints(&mut self) -> Vec<String> {
        // SAFETY: `shared` is ours, and no callback runs now.
        unsafe { (*self.shared).complaints.take() }
    }
}

impl Drop for RawProducer {
    fn drop(&mut self) {
        self.abandon();
        // SAFETY: everything was made by this client and is given back once, the client last; the
        // shared box is freed when no callback can come any more.
        unsafe {
            for &topic in &self.topics {
                sys::rd_kafka_topic_destroy(topic);
            }
            mute(self.queue);
            sys::rd_kafka_queue_destroy(self.queue);
            sys::rd_kafka_destroy(self.client);
            drop(Box::from_raw(self.shared));
        }
    }
}

/// Served by our polls: what became of one message.
unsafe extern "C" fn on_outcome(
    client: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: the opaque pointer is our `Shared`, which outlives the client, and to which no other
    // reference is live inside a poll; the message is valid for the length of this call; the sink is
    // set for the length of the poll we are called from. The library stops after this message when
    // told to yield, and keeps the rest of the batch for the next poll.
    unsafe {
        let shared = &mut *opaque.cast::<Shared>();
        shared.in_flight -= 1;
        shared.served += 1;
        if shared.served == OUTCOMES {
            sys::rd_kafka_yield(client);
        }
        let Some(sink) = shared.sink else { return };
        let of = &*message;
        let payload = bytes(of.payload, of.len);
        let stamp = if payload.len() >= STAMP_LEN {
            payload
        } else {
            stamp_header(message).unwrap_or_default()
        };
        if of.err == ErrorCode::RD_KAFKA_RESP_ERR_NO_ERROR {
            let partition = of.partition.max(0) as u32;
            // -1001 where the acknowledgement names none.
            let offset = u64::try_from(of.offset).ok();
            return (*sink)(stamp, Outcome::Acknowledged { partition, offset });
        }
        let text = failure(&mut shared.failure, of.err);
        match sys::rd_kafka_message_status(message) {
            sys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => {
                (*sink)(stamp, Outcome::Failed(text));
            }
            _ => (*sink)(stamp, Outcome::Unknown(text)),
        }
    }
}

/// The text of an error, which is often the last one again.
fn failure(last: &mut Option<(ErrorCode, String)>, error: ErrorCode) -> &str {
    if last.as_ref().is_none_or(|(known, _)| *known != error) {
        *last = None;
    }
    &last.get_or_insert_with(|| (error, error_text(error))).1
}
