//! Walks a request's bytes before they are decoded.
//!
//! The decoder reserves memory for as many elements as a request claims to hold, so a few bytes of
//! garbage could end the process. A request is decoded only after this walk found that everything
//! it claims is there, and that nothing follows.

use thiserror::Error;

/// One field of a request, and the versions that have it.
#[derive(Debug)]
pub struct Field {
    since: i16,
    until: i16,
    kind: Kind,
}

/// How a field is written.
#[derive(Debug)]
pub enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A string, or null.
    Text,
    /// Bytes, or null.
    Blob,
    /// A list of plain values, or null.
    List(&'static Kind),
    /// A list of structures, or null.
    Structs(&'static [Field]),
}

/// What is wrong with a request's bytes.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum Malformed {
    /// A length points behind the end.
    #[error("the request ends in the middle of a field")]
    Truncated,
    /// A length is negative, but not the -1 that means null.
    #[error("the request has a field of a negative length")]
    Negative,
    /// A variable-length number goes on for too long.
    #[error("the request has a number of more than 32 bits")]
    Number,
    /// Something follows the last field.
    #[error("{0} bytes follow the end of the request")]
    Leftover(usize),
}

/// A field that every version has.
pub const fn always(kind: Kind) -> Field {
    within(0, i16::MAX, kind)
}

/// A field that came with version `since`.
pub const fn since(since: i16, kind: Kind) -> Field {
    within(since, i16::MAX, kind)
}

/// A field that versions `since` to `until` have.
pub const fn within(since: i16, until: i16, kind: Kind) -> Field {
    Field { since, until, kind }
}

/// Checks that `bytes` are one structure of this shape, and nothing else.
///
/// # Errors
/// What is wrong with them.
pub fn check(shape: &[Field], bytes: &[u8], version: i16, flexible: bool) -> Result<(), Malformed> {
    let mut walk = Walk {
        rest: bytes,
        version,
        flexible,
    };
    walk.fields(shape)?;
    match walk.rest.len() {
        0 => Ok(()),
        left => Err(Malformed::Leftover(left)),
    }
}

/// A walk over one request. Flexible versions write lengths as variable-length numbers, one too
/// high so that 0 means null, and end every structure with tagged fields.
struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
}

impl Walk<'_> {
    fn fields(&mut self, shape: &[Field]) -> Result<(), Malformed> {
        for field in shape {
            if (field.since..=field.until).contains(&self.version) {
                self.value(&field.kind)?;
            }
        }
        if self.flexible { self.tags() } else { Ok(()) }
    }

    fn value(&mut self, kind: &Kind) -> Result<(), Malformed> {
        match kind {
            Kind::Fixed(size) => self.skip(*size),
            Kind::Text => {
                let length = self.length(2)?;
                self.skip(length)
            }
            Kind::Blob => {
                let length = self.length(4)?;
                self.skip(length)
            }
            Kind::List(element) => self.repeat(|walk| walk.value(element)),
            Kind::Structs(shape) => self.repeat(|walk| walk.fields(shape)),
        }
    }

    fn repeat(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let count = self.length(4)?;
        // Every element takes a byte at least: a count that can't be true costs no time.
        if count > self.rest.len() {
            return Err(Malformed::Truncated);
        }
        (0..count).try_for_each(|_| one(self))
    }

    fn tags(&mut self) -> Result<(), Malformed> {
        for _ in 0..self.number()? {
            self.number()?;
            let size = self.number()?;
            self.skip(size)?;
        }
        Ok(())
    }

    /// The length of what follows; null has none.
    fn length(&mut self, width: usize) -> Result<usize, Malformed> {
        if self.flexible {
            return Ok(self.number()?.saturating_sub(1));
        }
        let bytes = self.rest.get(..width).ok_or(Malformed::Truncated)?;
        let length = match bytes {
            [a, b] => i32::from(i16::from_be_bytes([*a, *b])),
            [a, b, c, d] => i32::from_be_bytes([*a, *b, *c, *d]),
            _ => return Err(Malformed::Truncated),
        };
        self.skip(width)?;
        match length {
            -1 => Ok(0),
            _ => usize::try_from(length).map_err(|_| Malformed::Negative),
        }
    }

    fn number(&mut self) -> Result<usize, Malformed> {
        let mut value: u64 = 0;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Malformed::Truncated)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let number = u32::try_from(value).map_err(|_| Malformed::Number)?;
                return Ok(number as usize);
            }
        }
        Err(Malformed::Number)
    }

    fn skip(&mut self, size: usize) -> Result<(), Malformed> {
        self.rest = self.rest.get(size..).ok_or(Malformed::Truncated)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: &[Field] = &[
        always(Kind::Text),
        since(2, Kind::Fixed(4)),
        always(Kind::Structs(&[always(Kind::Fixed(2)), always(Kind::Blob)])),
        within(0, 1, Kind::List(&Kind::Fixed(4))),
    ];

    #[test]
    fn a_request_as_it_should_be_is_accepted() {
        let old = [
            &b"\0\x02ab"[..],
            b"\0\0\0\x01",
            b"\0\x07",
            b"\0\0\0\x01x",
            b"\xff\xff\xff\xff",
        ];
        assert_eq!(check(SHAPE, &old.concat(), 1, false), Ok(()));
        let new = [
            &b"\x03ab"[..],
            b"\0\0\0\x09",
            b"\x02",
            b"\0\x07",
            b"\x02x\0",
            b"\x01\x05\x01z",
        ];
        assert_eq!(check(SHAPE, &new.concat(), 2, true), Ok(()));
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = [
            &b"\0\x02ab"[..],
            b"\0\0\0\x01",
            b"\0\x07",
            b"\0\0\0\x01x",
            b"\0\0\0\0",
        ]
        .concat();
        for end in 0..whole.len() {
            assert!(check(SHAPE, &whole[..end], 1, false).is_err(), "{end}");
        }
    }

    #[test]
    fn what_follows_the_end_is_noticed() {
        let bytes = b"\0\0\0\0\0\0\0\0\0\0!";
        assert_eq!(check(SHAPE, bytes, 1, false), Err(Malformed::Leftover(1)));
    }

    #[test]
    fn a_claim_of_billions_costs_nothing() {
        let bytes = b"\0\0\x7f\xff\xff\xff\0\0";
        assert_eq!(check(SHAPE, bytes, 1, false), Err(Malformed::Truncated));
        let bytes = b"\x01\0\0\0\0\xff\xff\xff\xff\x0f\0\0";
        assert_eq!(check(SHAPE, bytes, 2, true), Err(Malformed::Truncated));
        let bytes = b"\xff\xff\xff\xff\xff\xff";
        assert_eq!(check(SHAPE, bytes, 2, true), Err(Malformed::Number));
    }
}
