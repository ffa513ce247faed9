//! Which partition a message's key stands for, in systems where a client says.

/// What Java's `String` makes of a key, without its sign.
pub fn java_hash(key: &str) -> u32 {
    key.encode_utf16().fold(0_u32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(unit.into())
    }) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hashed_as_in_java() {
        // "hello".hashCode() is 99162322, and that of "polygenelubricants" Integer.MIN_VALUE.
        assert_eq!(java_hash("hello"), 99_162_322);
        assert_eq!(java_hash("polygenelubricants"), 0);
        assert_eq!(java_hash(""), 0);
    }
}
