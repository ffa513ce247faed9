//! Which numbers have come, kept as which have not.
//!
//! Nearly all come, nearly in order. So the set is one number, below which everything is in but
//! for what is listed as missing: a complete prefix costs nothing, a hole two bytes to about ten.

use super::IntervalSet;
use super::numbers::Numbers;
use crate::stats::delta::Range;

/// A number this far beyond all others is kept aside until the stretch between fills up, so that
/// no claim of a number, however wild, can make the set large.
const LEAP: u64 = 1 << 32;

/// What became of numbers that were inserted; what is none of these was in already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insertion {
    /// Came for the first time, and not after they had been settled as lost.
    pub new: u64,
    /// Came for the first time, after they had been settled as lost.
    pub late: u64,
    /// In a stretch of which is forgotten what was missing: they were in, or came now.
    pub forgotten: u64,
}

/// A set of numbers, with what was decided about those that have not come.
#[derive(Clone, Debug, Default)]
pub struct ArrivalSet {
    /// Where the listed part begins; below is only what `before` has.
    start: u64,
    /// Where it ends: below everything is in, but for what is listed here.
    end: u64,
    /// Not come, and nothing decided.
    missing: Numbers,
    /// Not come, and settled as lost.
    lost: Numbers,
    /// Not come, and not expected any more.
    given_up: Numbers,
    before: IntervalSet,
    /// What came far beyond `end`.
    ahead: IntervalSet,
    /// What was lost or given up below this is not listed any more.
    forgotten: u64,
    /// Stretches listed since the last look at the memory, and after how many the next one is due.
    listed: usize,
    look_after: usize,
}

impl ArrivalSet {
    /// A set whose first number is nothing special: all below may never come.
    pub fn starting_at(start: u64) -> Self {
        Self {
            start,
            end: start,
            ..Self::default()
        }
    }

    /// Adds numbers, and tells new from late from known.
    pub fn insert(&mut self, range: Range) -> Insertion {
        let mut insertion = Insertion::default();
        if range.start < self.start {
            insertion.new += self.before.insert(Range {
                start: range.start,
                end: range.end.min(self.start),
            });
        }
        let listed = |from: u64, to: u64| Range {
            start: range.start.max(from),
            end: range.end.min(to),
        };
        let old = listed(self.start, self.forgotten.min(self.end));
        let known = listed(self.start.max(self.forgotten), self.end);
        for (part, is_old) in [(old, true), (known, false)] {
            if part.is_empty() {
                continue;
            }
            let late = self.lost.remove(part);
            let new = self.missing.remove(part) + self.given_up.remove(part);
            insertion.late += late;
            insertion.new += new;
            if is_old {
                insertion.forgotten += part.len() - late - new;
            }
        }
        if range.end > self.end && !range.is_empty() {
            insertion.new += self.append(range.start.max(self.end), range.end);
        }
        insertion
    }

    /// Adds numbers at or beyond `end`; says how many are new.
    fn append(&mut self, start: u64, end: u64) -> u64 {
        if start - self.end > LEAP {
            return self.ahead.insert(Range { start, end });
        }
        let known = self.ahead.overlap(Range { start, end });
        self.reach(start);
        self.end = end;
        while let Some(next) = self.ahead.first() {
            if next.start > self.end && next.start - self.end > LEAP {
                break;
            }
            self.ahead.pop_first();
            self.reach(next.start);
            self.end = self.end.max(next.end);
        }
        end - start - known
    }

    /// Everything from `end` to `start` is missing.
    fn reach(&mut self, start: u64) {
        if start > self.end {
            self.missing.insert(Range {
                start: self.end,
                end: start,
            });
            self.end = start;
            self.listed += 1;
        }
    }

    /// Has this number come?
    pub fn contains(&self, number: u64) -> bool {
        if number < self.start {
            self.before.contains(number)
        } else if number < self.end {
            ![&self.missing, &self.lost, &self.given_up]
                .into_iter()
                .any(|numbers| numbers.contains(number))
        } else {
            self.ahead.contains(number)
        }
    }

    /// The first number of `range` that has come.
    pub fn first_of(&self, range: Range) -> Option<u64> {
        let mut at = range.start;
        while at < range.end {
            if at >= self.end {
                return self
                    .ahead
                    .within(Range { start: at, ..range })
                    .next()
                    .map(|r| r.start);
            }
            if at < self.start {
                let end = range.end.min(self.start);
                let found = self.before.within(Range { start: at, end }).next();
                if let Some(found) = found {
                    return Some(found.start);
                }
                at = end;
                continue;
            }
            let rest = Range { start: at, ..range };
            let absent = [&self.missing, &self.lost, &self.given_up]
                .into_iter()
                .find_map(|numbers| numbers.within(rest).next().filter(|r| r.start == at));
            match absent {
                Some(absent) => at = absent.end,
                None => return Some(at),
            }
        }
        None
    }

    /// What of `range` has not come, with nothing decided about it, ascending.
    pub fn missing(&self, range: Range) -> impl Iterator<Item = Range> + '_ {
        let beyond = Range {
            start: range.start.max(self.end),
            end: range.end,
        };
        self.missing.within(range).chain(self.ahead.gaps(beyond))
    }

    /// What of `range` was settled as lost and has not come, ascending.
    pub fn lost(&self, range: Range) -> impl Iterator<Item = Range> + '_ {
        self.lost.within(range)
    }

    /// Settles as lost what is missing of `range`, and returns it. Numbers more than four billion
    /// beyond all that came are left undecided.
    pub fn lose(&mut self, range: Range) -> Vec<Range> {
        let missing = self.decide(range);
        missing.iter().for_each(|&range| self.lost.insert(range));
        missing
    }

    /// What is missing of `range` is not expected any more; it is new all the same if it comes.
    pub fn give_up(&mut self, range: Range) {
        for range in self.decide(range) {
            self.given_up.insert(range);
        }
    }

    fn decide(&mut self, range: Range) -> Vec<Range> {
        if range.end > self.end && range.end - self.end <= LEAP {
            self.append(range.end, range.end);
        }
        let missing: Vec<Range> = self.missing.within(range).collect();
        for &range in &missing {
            self.missing.remove(range);
        }
        self.listed += missing.len();
        missing
    }

    /// Forgets the older part of what was lost or given up once it takes more memory than this.
    pub fn settle_for_good(&mut self, most_bytes: usize) {
        let bytes = |set: &Self| set.lost.memory_bytes() + set.given_up.memory_bytes();
        if !self.is_time_to_look(bytes) || bytes(self) <= most_bytes {
            return;
        }
        while bytes(self) > most_bytes / 2 {
            let of = [&self.lost, &self.given_up];
            let Some(half) = of.into_iter().max_by_key(|numbers| numbers.memory_bytes()) else {
                return;
            };
            let Some(limit) = half.nth(half.len() / 2) else {
                return;
            };
            self.lost.remove_below(limit + 1);
            self.given_up.remove_below(limit + 1);
            self.forgotten = self.forgotten.max(limit + 1);
        }
    }

    /// Takes the older part of what is missing for come once it takes more memory than this.
    pub fn fill(&mut self, most_bytes: usize) {
        let bytes = |set: &Self| set.missing.memory_bytes();
        if !self.is_time_to_look(bytes) || bytes(self) <= most_bytes {
            return;
        }
        while bytes(self) > most_bytes / 2 {
            let Some(limit) = self.missing.nth(self.missing.len() / 2) else {
                return;
            };
            self.missing.remove_below(limit + 1);
        }
    }

    /// A look takes as long as there are containers, so the more there are, the rarer it is.
    fn is_time_to_look(&mut self, bytes: impl Fn(&Self) -> usize) -> bool {
        let due = self.listed > self.look_after;
        if due {
            self.listed = 0;
            self.look_after = 64.max(bytes(self) / 128);
        }
        due
    }
}

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
