//! A group consumer over the client library's C interface.

use std::ptr;
use std::time::Duration;

use rdkafka::bindings as sys;
use sys::rd_kafka_resp_err_t as ErrorCode;

use super::groups::{List, Shared, on_commit, on_rebalance};
use super::{ANY_PARTITION, Conf, bytes, error_text, from_c, mute, ring_for, stamp_header};
use crate::clock::Instant;
use crate::driver::bell::Bell;
use crate::driver::{
    ConsumerEvents, ConsumerOptions, DriverError, Incoming, Numbered, Partition, STAMP_LEN,
};

/// Messages taken from the library at once.
const BATCH: usize = 1_000;

/// Batches taken in one poll.
const BATCHES: usize = 8;

/// A consumer client, its queue, and the topics it has seen.
pub struct RawConsumer {
    client: *mut sys::rd_kafka_t,
    queue: *mut sys::rd_kafka_queue_t,
    bell: Bell,
    wake: std::os::fd::RawFd,
    shared: *mut Shared,
    batch: Vec<*mut sys::rd_kafka_message_t>,
    /// Topic handles as they come with messages: (handle, index).
    handles: Vec<(*mut sys::rd_kafka_topic_t, u32)>,
    last_handle: usize,
}

impl RawConsumer {
    /// Connects and joins the group, in the background.
    pub fn new(
        settings: &[(String, String)],
        options: &ConsumerOptions<'_>,
    ) -> Result<Self, DriverError> {
        let bell = Bell::new()?;
        let mut conf = Conf::new(settings)?;
        conf.set("group.id", options.group)?;
        // What is committed is what the owner says, and the end of a partition is no message.
        conf.set("enable.auto.commit", "false")?;
        conf.set("enable.auto.offset.store", "false")?;
        conf.set("enable.partition.eof", "false")?;
        // SAFETY: the conf is live and the callbacks have the signatures the library asks for.
        unsafe {
            sys::rd_kafka_conf_set_rebalance_cb(conf.0, Some(on_rebalance));
            sys::rd_kafka_conf_set_offset_commit_cb(conf.0, Some(on_commit));
        }
        let shared = Box::into_raw(Box::new(Shared::new(options.topics)));
        let made = conf.client(sys::rd_kafka_type_t::RD_KAFKA_CONSUMER, shared.cast());
        let client = made.inspect_err(|_| {
            // SAFETY: no client has the pointer.
            drop(unsafe { Box::from_raw(shared) });
        })?;
        // SAFETY: the client is live; `drop` mutes the queue before it closes the descriptor.
        let queue = unsafe {
            sys::rd_kafka_poll_set_consumer(client);
            let queue = sys::rd_kafka_queue_get_consumer(client);
            ring_for(&bell, queue);
            queue
        };
        let consumer = Self {
            client,
            queue,
            bell,
            wake: options.wake,
            shared,
            batch: vec![ptr::null_mut(); BATCH],
            handles: Vec::new(),
            last_handle: 0,
        };
        let topics = List::new(options.topics.len());
        for topic in options.topics {
            topics.add(topic, ANY_PARTITION, None)?;
        }
        // SAFETY: client and list are live; the list is copied.
        let error = unsafe { sys::rd_kafka_subscribe(client, topics.0) };
        if error != ErrorCode::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(DriverError(format!(
                "cannot subscribe: {}",
                error_text(error)
            )));
        }
        Ok(consumer)
    }

    /// See [`crate::driver::Consumer::poll`].
    pub fn poll(&mut self, until: Instant, events: &mut dyn ConsumerEvents) {
        if !self.serve(events) && until.0 > 0 {
            self.bell.wait(self.wake, until);
            self.serve(events);
        }
    }

    /// Serves all that is there, in batches, until the queue was seen empty or enough was served
    /// for the owner to look at its clock; whether there was anything.
    fn serve(&mut self, events: &mut dyn ConsumerEvents) -> bool {
        // SAFETY: no callback runs now, so `shared` is ours.
        unsafe { (*self.shared).rebalanced = false };
        let mut served = false;
        for _ in 0..BATCHES {
            let taken = self.serve_batch(events);
            served |= taken > 0;
            // Fewer than asked for: the library looked once more and found nothing.
            if taken < BATCH {
                break;
            }
        }
        // SAFETY: as above.
        served || unsafe { (*self.shared).rebalanced }
    }

    fn serve_batch(&mut self, events: &mut dyn ConsumerEvents) -> usize {
        let pointer: *mut (dyn ConsumerEvents + '_) = events;
        // SAFETY: only the lifetime is changed, and the pointer is taken back before the lifetime
        // of `events` ends; `events` itself is not used meanwhile. Callbacks run inside the call,
        // on this thread. The batch has the size that is said. A timeout of 0 takes what is there;
        // any other would wait for the batch to be full.
        let taken = unsafe {
            (*self.shared).revoked = false;
            (*self.shared).events = Some(std::mem::transmute::<
                *mut (dyn ConsumerEvents + '_),
                *mut (dyn ConsumerEvents + 'static),
            >(pointer));
            let taken = sys::rd_kafka_consume_batch_queue(
                self.queue,
                0,
                self.batch.as_mut_ptr(),
                self.batch.len(),
            );
            (*self.shared).events = None;
            usize::try_from(taken).unwrap_or(0)
        };
        if taken > 0 {
            events.batch(Instant::now());
        }
        for index in 0..taken {
            let message = self.batch[index];
            // SAFETY: the library gave us this message; it is valid until destroyed, once, here.
            unsafe {
                self.hand_out(message, events);
                sys::rd_kafka_message_destroy(message);
            }
        }
        taken
    }

    /// # Safety
    /// `message` is valid.
    #[inline]
    unsafe fn hand_out(
        &mut self,
        message: *const sys::rd_kafka_message_t,
        events: &mut dyn ConsumerEvents,
    ) {
        // SAFETY: the caller says so; no callback runs now, so `shared` is ours.
        let (of, shared) = unsafe { (&*message, &mut *self.shared) };
        if of.err != ErrorCode::RD_KAFKA_RESP_ERR_NO_ERROR {
            // SAFETY: an error message's payload is its text, ending in 0.
            let text = from_c(unsafe { sys::rd_kafka_message_errstr(message) });
            return shared.complain(of.err, &text);
        }
        let Some(topic) = self.topic(of.rkt) else {
            return;
        };
        let partition = Partition {
            topic,
            partition: of.partition.max(0) as u32,
        };
        // SAFETY: as above.
        let shared = unsafe { &*self.shared };
        // Taken before a revocation and handed out after it: not reported, not committed, and so
        // left to the next owner.
        if shared.revoked && !shared.owned.contains(&partition) {
            return;
        }
        // SAFETY: payload and headers belong to the message.
        let (payload, header) = unsafe {
            let payload = bytes(of.payload, of.len);
            let small = payload.len() < STAMP_LEN;
            (payload, if small { stamp_header(message) } else { None })
        };
        let offset = of.offset.max(0) as u64;
        events.message(&Incoming {
            partition,
            offset,
            numbered: Numbered::Densely,
            payload,
            header,
        });
    }

    /// Index of a topic by its handle, which is the same for all messages of a topic.
    #[inline]
    fn topic(&mut self, handle: *mut sys::rd_kafka_topic_t) -> Option<u32> {
        if let Some(&(known, index)) = self.handles.get(self.last_handle)
            && known == handle
        {
            return Some(index);
        }
        if let Some(at) = self.handles.iter().position(|&(known, _)| known == handle) {
            self.last_handle = at;
            return Some(self.handles[at].1);
        }
        // SAFETY: the handle is live; no callback runs now, so `shared` is ours.
        let (name, shared) = unsafe { (from_c(sys::rd_kafka_topic_name(handle)), &*self.shared) };
        let index = shared.topics.iter().position(|topic| *topic == name)? as u32;
        self.handles.push((handle, index));
        Some(index)
    }

    /// See [`crate::driver::Consumer::commit`].
    pub fn commit(&mut self, positions: &[(Partition, u64)]) {
        // SAFETY: no callback runs now, so `shared` is ours.
        let shared = unsafe { &mut *self.shared };
        match List::of(&shared.topics, positions) {
            Ok(list) => {
                // SAFETY: client and list are live; the list is copied.
                let error = unsafe { sys::rd_kafka_commit(self.client, list.0, 1) };
                if error != ErrorCode::RD_KAFKA_RESP_ERR_NO_ERROR {
                    shared
                        .complaints
                        .add(format!("cannot commit: {}", error_text(error)));
                }
            }
            Err(error) => shared.complaints.add(error.to_string()),
        }
    }

    /// See [`crate::driver::Consumer::pause`].
    pub fn pause(&mut self, paused: bool) -> Result<(), DriverError> {
        let mut list = ptr::null_mut();
        // SAFETY: the client is live; the list we are given is ours; no callback runs now.
        unsafe {
            (*self.shared).paused = paused;
            (*self.shared).was_paused |= paused;
            let error = sys::rd_kafka_assignment(self.client, &raw mut list);
            if error != ErrorCode::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(DriverError(format!("cannot pause: {}", error_text(error))));
            }
            let list = List(list);
            if paused {
                sys::rd_kafka_pause_partitions(self.client, list.0);
            } else {
                sys::rd_kafka_resume_partitions(self.client, list.0);
            }
        }
        Ok(())
    }

    /// See [`crate::driver::Consumer::close`].
    pub fn close(&mut self, until: Instant, events: &mut dyn ConsumerEvents) {
        // SAFETY: client and queue are live; an error object is ours to destroy.
        unsafe {
            let error = sys::rd_kafka_consumer_close_queue(self.client, self.queue);
            if !error.is_null() {
                sys::rd_kafka_error_destroy(error);
                return;
            }
        }
        loop {
            self.serve(events);
            // SAFETY: the client is live.
            let closed = unsafe { sys::rd_kafka_consumer_closed(self.client) } != 0;
            let now = Instant::now();
            if closed || now >= until {
                return;
            }
            // The end of the closing need not ring.
            let soon = now + Duration::from_millis(5);
            self.bell.wait(-1, until.min(soon));
        }
    }

    /// See [`crate::driver::Consumer::complaints`].
    pub fn complaints(&mut self) -> Result<Vec<String>, DriverError> {
        // SAFETY: no callback runs now, so `shared` is ours.
        let shared = unsafe { &mut *self.shared };
        match shared.fatal.take() {
            Some(text) => Err(DriverError(text)),
            None => Ok(shared.complaints.take()),
        }
    }
}

impl Drop for RawConsumer {
    fn drop(&mut self) {
        // SAFETY: everything was made by this client and is given back once, the client last; the
        // shared box is freed when no callback can come any more.
        unsafe {
            mute(self.queue);
            sys::rd_kafka_queue_destroy(self.queue);
            let no_close = sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE;
            sys::rd_kafka_destroy_flags(self.client, no_close);
            drop(Box::from_raw(self.shared));
        }
    }
}
