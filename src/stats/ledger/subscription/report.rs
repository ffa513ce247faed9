//! What a subscription's books say at any time.

use super::{Range, StreamId, SubscriptionBook, SubscriptionCounts, Waiting};
use crate::stats::examples::{Example, SubscriptionExamples};

impl SubscriptionBook {
    /// The books as they are: what was passed and waits for others is lost, the rest is unread.
    pub fn report(&self) -> (SubscriptionCounts, SubscriptionExamples) {
        let (mut counts, mut examples) = (self.counts, self.examples.clone());
        let missing = |stream: StreamId, range: Range| {
            let book = self.streams.get(&stream);
            book.into_iter()
                .flat_map(move |book| book.arrived.missing(range))
        };
        for book in self
            .waited_for
            .iter()
            .filter_map(|p| self.partitions.get(p))
        {
            for waiting in book.waiting() {
                for &range in waiting.sequences() {
                    let (passed, rest) = match waiting {
                        Waiting::Run(_, run) => run.split(book.passed()),
                        Waiting::Chunk(..) => (Range { end: 0, ..range }, range),
                    };
                    for lost in missing(waiting.stream(), passed) {
                        counts.lost += lost.len();
                        examples.lost.note_range(lost, |at| waiting.example(at));
                    }
                    for unread in missing(waiting.stream(), rest) {
                        counts.unread += unread.len();
                        examples.unread.note_range(unread, |at| waiting.example(at));
                    }
                }
            }
        }
        for (&id, stream) in &self.streams {
            for unread in stream.placeless.iter().flat_map(|&r| missing(id, r)) {
                counts.unread += unread.len();
                examples.unread.note_range(unread, |at| Example::of(id, at));
            }
            self.more_lost(id, &mut examples);
        }
        (counts, examples)
    }

    /// Where examples of lost messages came late after all, others take their place.
    fn more_lost(&self, id: StreamId, examples: &mut SubscriptionExamples) {
        let all = Range {
            start: 0,
            end: u64::MAX,
        };
        let lost = self.streams.get(&id).into_iter();
        for sequence in lost
            .flat_map(|s| s.arrived.lost(all))
            .flat_map(|r| r.start..r.end)
        {
            if examples.lost.is_full() {
                return;
            }
            if !examples.lost.has(id, sequence) {
                examples.lost.note(Example::of(id, sequence));
            }
        }
    }
}
