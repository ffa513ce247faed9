//! `key=value` lines as `java.util.Properties` reads them, each with its place in the file.

use std::path::Path;

use super::environment::substitute;
use super::tree::Line;
use super::{Origin, Problem, Property};

/// Reads the lines of one block; what is wrong goes to `problems`.
///
/// Blanks at a value's end are dropped: Kafka's Java client trims them when it reads the value.
pub(super) fn parse(
    lines: &[Line],
    file: &Path,
    block: &str,
    problems: &mut Vec<Problem>,
) -> Vec<Property> {
    let mut properties: Vec<Property> = Vec::new();
    let mut lines = lines.iter();
    while let Some(first) = lines.next() {
        let text = first.text.trim_start_matches([' ', '\t', '\u{c}']);
        if text.is_empty() || text.starts_with(['#', '!']) {
            continue;
        }
        let column = first.column + first.text.chars().count() - text.chars().count();
        let origin = Origin::File {
            path: file.to_owned(),
            line: first.number,
            column,
        };
        let mut logical = text.to_owned();
        while continues(&logical) {
            logical.pop();
            let Some(next) = lines.next() else { break };
            logical.push_str(next.text.trim_start_matches([' ', '\t', '\u{c}']));
        }
        let (key, value) = split(&logical);
        let (Some(key), Some(value)) = (unescape(key), unescape(value)) else {
            let message = format!("{block} has a \\u without four hexadecimal digits; correct it");
            problems.push(Problem { origin, message });
            continue;
        };
        if let Some(earlier) = properties.iter().find(|property| property.key == key) {
            let message = format!(
                "{key} is given twice in {block} (also at {}); keep one",
                earlier.origin
            );
            problems.push(Problem { origin, message });
            continue;
        }
        let value = match substitute(value.trim_end()) {
            Ok(value) => value,
            Err(message) => {
                let message = format!("{key}: {message}");
                problems.push(Problem { origin, message });
                continue;
            }
        };
        properties.push(Property { key, value, origin });
    }
    properties
}

/// Whether the line ends in an odd number of backslashes.
fn continues(line: &str) -> bool {
    line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

/// Splits at the first unescaped `=`, `:` or blank.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (index, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '=' | ':' | ' ' | '\t' | '\u{c}' => {
                let blank = [' ', '\t', '\u{c}'];
                let rest = line[index..].trim_start_matches(blank);
                let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
                return (&line[..index], rest.trim_start_matches(blank));
            }
            _ => {}
        }
    }
    (line, "")
}

/// Resolves `\t`, `\n`, `\r`, `\f` and `\uXXXX` (surrogate pairs included); any other escaped
/// character stands for itself. `None`: a malformed `\u`.
fn unescape(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let valid =
                        digits.len() == 4 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
                    if !valid {
                        return None;
                    }
                    units.push(u16::from_str_radix(&digits, 16).ok()?);
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            c => c,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let lines: Vec<Line> = text
            .lines()
            .enumerate()
            .map(|(index, text)| Line {
                text: text.to_owned(),
                number: index + 10,
                column: 3,
            })
            .collect();
        let mut problems = Vec::new();
        let properties = parse(&lines, Path::new("d.yaml"), "commonConfig", &mut problems);
        (
            properties.into_iter().map(|p| (p.key, p.value)).collect(),
            problems.iter().map(ToString::to_string).collect(),
        )
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn all_three_separators_and_blanks_around_them() {
        let (found, _) = parsed("a=1\nb: 2\nc 3\n  d  =  4  \ne=x=y\nf\ng==1\n");
        let expected = [
            pair("a", "1"),
            pair("b", "2"),
            pair("c", "3"),
            pair("d", "4"),
            pair("e", "x=y"),
            pair("f", ""),
            pair("g", "=1"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        let (found, _) = parsed("# one\n  ! two\n\na=1 # part of the value\n");
        assert_eq!(found, [pair("a", "1 # part of the value")]);
    }

    #[test]
    fn a_backslash_at_the_end_continues_the_line() {
        let (found, _) = parsed("servers=a:1,\\\n    b:2,\\\n    c:3\nx=back\\\\\ny=1\n");
        assert_eq!(
            found,
            [
                pair("servers", "a:1,b:2,c:3"),
                pair("x", "back\\"),
                pair("y", "1")
            ]
        );
    }

    #[test]
    fn escapes_are_resolved() {
        let (found, _) = parsed("a\\=b=1\\u00e9\\t2\nsmile=\\ud83d\\ude00\n");
        assert_eq!(found, [pair("a=b", "1é\t2"), pair("smile", "😀")]);
    }

    #[test]
    fn doubles_and_broken_escapes_are_told_with_their_line() {
        let (_, problems) = parsed("a=1\n b=\\u12\na=2\n");
        assert_eq!(problems.len(), 2);
        assert!(problems[0].starts_with("d.yaml:11:4: "), "{}", problems[0]);
        assert!(
            problems[1].starts_with("d.yaml:12:3: a is given twice"),
            "{}",
            problems[1]
        );
    }
}
