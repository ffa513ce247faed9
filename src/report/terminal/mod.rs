//! What a person sees while a run goes on: plain text on stderr, one line a second, readable at
//! 120 columns.
//!
//! The functions make text and the [`Screen`] writes it, so that the text can be tested.

mod live;
mod summary;

use std::io::Write;

pub use live::{LiveContext, live_header, live_line};
pub use summary::{Banner, banner, summary};

use super::Interval;

/// Lines between two headers.
const HEADER_EVERY: u32 = 20;

/// Writes what is shown.
///
/// That nobody can read it any more is no reason to end a run, so errors are dropped.
#[derive(Debug)]
pub struct Screen<W> {
    out: W,
    /// Only what goes wrong is shown.
    quiet: bool,
    /// Live lines since the last header.
    lines: Option<u32>,
}

impl Screen<std::io::Stderr> {
    /// The screen of this process.
    pub fn stderr(quiet: bool) -> Self {
        Self {
            quiet,
            ..Self::new(std::io::stderr())
        }
    }
}

impl<W: Write> Screen<W> {
    /// A screen that is written to anything.
    pub fn new(out: W) -> Self {
        Self {
            out,
            quiet: false,
            lines: None,
        }
    }

    /// Shows a second, below a header every 20 lines.
    pub fn second(&mut self, interval: &Interval, context: &LiveContext<'_>) {
        let mut text = String::new();
        let lines = self.lines.filter(|&lines| lines < HEADER_EVERY);
        if lines.is_none() {
            text.push_str(&live_header());
            text.push('\n');
        }
        self.lines = Some(lines.unwrap_or(0) + 1);
        text.push_str(&live_line(interval, context));
        self.show(&text);
    }

    /// Whether only what goes wrong is shown.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Shows text that a quiet run leaves out.
    pub fn show(&mut self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Shows text of one or more lines, whatever was asked for.
    pub fn say(&mut self, text: &str) {
        let mut bytes = text.trim_end_matches('\n').as_bytes().to_vec();
        bytes.push(b'\n');
        let _ = self.out.write_all(&bytes).and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn the_header_comes_first_and_again_every_20_lines() {
        let mut screen = Screen::new(Vec::new());
        let context = LiveContext {
            phase: "measure",
            alive: 4,
            expected: 4,
        };
        for _ in 0..41 {
            screen.second(&testing::run().total, &context);
        }
        let text = String::from_utf8(screen.out).unwrap();
        let header = live_header();
        let first = header.lines().next().unwrap();
        let at: Vec<_> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| *line == first)
            .map(|(n, _)| n)
            .collect();
        assert_eq!(at, [0, 22, 44]);
    }
}
