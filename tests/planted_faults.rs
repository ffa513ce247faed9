//! What is planted in a broker is what the result names: no more and no less.

// What tests share may end them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/embedded.rs"]
mod embedded;
#[path = "common/lying.rs"]
mod lying;

use lying::{Books, Lying};

const NOTHING: Books = Books {
    failed: 0,
    unknown: 0,
    lost: 0,
    unread: 0,
    duplicates: 0,
    redelivered: 0,
    reordered: 0,
    late: 0,
    foreign: 0,
};

#[test]
fn a_dropped_message_is_lost_wherever_its_offset_goes() {
    for offset in ["empty", "reused"] {
        let fault = format!("drop:at=300,count=7,offset={offset}");
        let told = Lying {
            faults: &[&fault],
            ..Lying::default()
        }
        .run(3);
        let expected = Books { lost: 7, ..NOTHING };
        told.assert_books(offset, expected, 0);
    }
}
