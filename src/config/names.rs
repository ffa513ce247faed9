//! Names that people typed: the one they probably meant, and what is safe in a file's name.

/// The candidate closest to `word`, where one is close enough to be worth suggesting.
///
/// Compared without regard to case, so that `Topics` leads to `topics`.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = word.to_lowercase();
    candidates
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&typed, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// ` (did you mean NAME?)`, or nothing where no candidate is close.
pub(super) fn suggestion<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, candidates).map(|name| format!("did you mean {name}?"))
}

/// `name` made safe as a part of a file's name: no separators, no control characters, no leading
/// dot, at most 80 bytes, and never empty.
pub fn file_stem(name: &str) -> String {
    const LONGEST: usize = 80;
    let mut stem = String::new();
    for c in name.trim().chars() {
        let c = match c {
            '/' | '\\' | '\0' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            '.' if stem.is_empty() => '_',
            c if c.is_control() => '_',
            c => c,
        };
        if stem.len() + c.len_utf8() > LONGEST {
            break;
        }
        stem.push(c);
    }
    if stem.is_empty() {
        "unnamed".to_owned()
    } else {
        stem
    }
}

/// Whether the value of a property of this name may never be shown.
pub fn is_secret(key: &str) -> bool {
    const MARKS: [&str; 8] = [
        "password",
        "secret",
        "jaas",
        ".pem",
        "keystore.key",
        "private.key",
        "oauthbearer.config",
        "authentication.data",
    ];
    let key = key.to_lowercase();
    MARKS.iter().any(|mark| key.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_separators_stays_in_its_folder() {
        assert_eq!(
            file_stem("1 producer / 1 consumer"),
            "1 producer _ 1 consumer"
        );
        assert_eq!(file_stem("../../etc/passwd"), "_._.._etc_passwd");
        assert_eq!(file_stem("  "), "unnamed");
        assert!(file_stem(&"ü".repeat(500)).len() <= 80);
    }

    #[test]
    fn the_nearest_name_is_close_or_none() {
        let keys = ["topics", "messageSize", "producerRate"];
        assert_eq!(nearest("topcis", keys), Some("topics"));
        assert_eq!(nearest("MessageSize", keys), Some("messageSize"));
        assert_eq!(nearest("zzz", keys), None);
    }
}
