//! A YAML file as a list of keys and values that know where they were written.
//!
//! saphyr's parser says where things are, and keeps keys that come twice; serde_yaml says what
//! the values mean. Both read the same text, so their lists of entries match one to one.

use std::fmt;
use std::fs;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_yaml::Value;

use super::{Origin, Problem};

/// Deeper than any file that means something here; keeps the recursion bounded.
const DEEPEST: usize = 16;

/// One `key: value` of a mapping.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: String,
    /// Where the key is.
    pub at: Origin,
    /// What the value means.
    pub value: Value,
    /// The lines of a `|` block with their places; empty for every other value.
    pub lines: Vec<Line>,
    /// The entries of the value where it is a mapping.
    pub children: Vec<Entry>,
    /// It names something of the environment that isn't there.
    pub unresolved: bool,
}

impl Entry {
    /// One that the command line has instead of a file.
    pub fn given(key: &str, value: Value, option: &str) -> Self {
        Self {
            key: key.to_owned(),
            at: Origin::CommandLine(option.to_owned()),
            value,
            lines: Vec::new(),
            children: Vec::new(),
            unresolved: false,
        }
    }
}

/// One line of a `|` block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub text: String,
    /// Line of the file, from 1.
    pub number: usize,
    /// Column of the text's first character, from 1.
    pub column: usize,
}

/// Reads a file whose top level is a mapping.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, Problem> {
    let text = fs::read_to_string(path).map_err(|error| Problem {
        origin: origin(path, 0, 0),
        message: match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file; check its path".to_owned(),
            std::io::ErrorKind::InvalidData => "is not UTF-8 text; give a YAML file".to_owned(),
            _ => format!("can't be read: {error}; give a YAML file that may be read"),
        },
    })?;
    parse(path, &text)
}

/// Reads the text of a file whose top level is a mapping.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Entry>, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let places = Places {
        path,
        text: text.lines().collect(),
        parser: Parser::new_from_str(text),
    };
    let mut entries = places.document()?;
    let mut deserializer = serde_yaml::Deserializer::from_str(text);
    let values = match deserializer.next() {
        Some(document) => Entries::deserialize(document),
        None => Ok(Entries(Vec::new())),
    }
    .map_err(|error| {
        let (line, column) = error
            .location()
            .map_or((0, 0), |at| (at.line(), at.column()));
        Problem {
            origin: origin(path, line, column),
            message: format!("{error}; correct the YAML here"),
        }
    })?;
    for (entry, value) in entries.iter_mut().zip(values.0) {
        entry.give(value);
    }
    Ok(entries)
}

fn origin(path: &Path, line: usize, column: usize) -> Origin {
    Origin::File {
        path: path.to_owned(),
        line,
        column,
    }
}

impl Entry {
    /// Hands a value to the entry, and its parts to the entry's children.
    fn give(&mut self, value: Value) {
        if let Value::Mapping(mapping) = &value {
            for (child, (_, value)) in self.children.iter_mut().zip(mapping) {
                child.give(value.clone());
            }
        }
        self.value = value;
    }
}

/// The values of a mapping in their order, doubles included.
struct Entries(Vec<Value>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut values = Vec::new();
                while let Some((_, value)) = map.next_entry::<Value, Value>()? {
                    values.push(value);
                }
                Ok(Entries(values))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Walks saphyr's events.
struct Places<'a> {
    path: &'a Path,
    text: Vec<&'a str>,
    parser: Parser<'a, StrInput<'a>>,
}

/// What one walk over a node brings home.
#[derive(Default)]
struct Node {
    text: Option<String>,
    line: usize,
    column: usize,
    lines: Vec<Line>,
    children: Option<Vec<Entry>>,
}

impl<'a> Places<'a> {
    fn document(mut self) -> Result<Vec<Entry>, Problem> {
        let mut entries = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                _ if entries.is_some() => {
                    return Err(self.problem(&span, "a second document begins; keep one a file"));
                }
                event => {
                    let node = self.node(event, &span, 0)?;
                    let empty = node.text.as_deref() == Some("");
                    match node.children {
                        Some(children) => entries = Some(children),
                        None if empty => entries = Some(Vec::new()),
                        None => {
                            return Err(self.problem(&span, "give `key: value` lines"));
                        }
                    }
                }
            }
        }
        Ok(entries.unwrap_or_default())
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.scan_problem(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Problem> {
        if depth > DEEPEST {
            return Err(self.problem(span, "is nested too deeply; keep to the documented keys"));
        }
        let mut node = Node {
            line: span.start.line(),
            column: span.start.col() + 1,
            ..Node::default()
        };
        match event {
            Event::Scalar(text, style, ..) => {
                if style == ScalarStyle::Literal {
                    node.lines = self.block_lines(&text, span);
                }
                node.text = Some(text.into_owned());
            }
            Event::MappingStart(..) => node.children = Some(self.entries(depth)?),
            Event::SequenceStart(..) => loop {
                match self.next()? {
                    (Event::SequenceEnd, _) => break,
                    (event, span) => _ = self.node(event, &span, depth + 1)?,
                }
            },
            _ => {}
        }
        Ok(node)
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let key = self.node(event, &span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            let name = key.text.unwrap_or_default();
            // Inner doubles end the reading here, as serde_yaml's mapping can't hold them.
            if depth > 0 && entries.iter().any(|entry| entry.key == name) {
                return Err(Problem {
                    origin: origin(self.path, key.line, key.column),
                    message: format!("{name} is given twice; keep one of them"),
                });
            }
            entries.push(Entry {
                key: name,
                at: origin(self.path, key.line, key.column),
                value: Value::Null,
                lines: value.lines,
                children: value.children.unwrap_or_default(),
                unresolved: false,
            });
        }
    }

    /// The lines of a `|` block. saphyr places the block at its first line that is not empty.
    fn block_lines(&self, block: &str, span: &Span) -> Vec<Line> {
        let empty = block.lines().take_while(|line| line.is_empty()).count();
        let first = span.start.line().saturating_sub(empty).max(1);
        block
            .lines()
            .enumerate()
            .map(|(index, text)| {
                let raw = self
                    .text
                    .get(first + index - 1)
                    .copied()
                    .unwrap_or_default();
                let column = raw
                    .strip_suffix(text)
                    .map_or(1, |indent| indent.chars().count() + 1);
                Line {
                    text: text.to_owned(),
                    number: first + index,
                    column,
                }
            })
            .collect()
    }

    fn problem(&self, span: &Span, message: &str) -> Problem {
        Problem {
            origin: origin(self.path, span.start.line(), span.start.col() + 1),
            message: message.to_owned(),
        }
    }

    fn scan_problem(&self, error: &ScanError) -> Problem {
        Problem {
            origin: origin(self.path, error.marker().line(), error.marker().col() + 1),
            message: format!("not valid YAML: {}; correct it here", error.info()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<Entry> {
        parse(Path::new("f.yaml"), text).unwrap()
    }

    #[test]
    fn every_key_knows_its_line_and_column() {
        let entries = parsed("# c\nname: x\n\ntopics: 1\nrestart:\n  window: 3s\n");
        let places: Vec<String> = entries
            .iter()
            .map(|e| format!("{} {}", e.at, e.key))
            .collect();
        assert_eq!(
            places,
            ["f.yaml:2:1 name", "f.yaml:4:1 topics", "f.yaml:5:1 restart"]
        );
        assert_eq!(entries[2].children[0].at.to_string(), "f.yaml:6:3");
        assert_eq!(entries[2].children[0].value, Value::from("3s"));
    }

    #[test]
    fn the_lines_of_a_block_know_their_places() {
        let entries = parsed("a: 1\nblock: |\n\n  acks=all\n  # c\n    linger.ms=1\nz: 2\n");
        let lines: Vec<(usize, usize, &str)> = entries[1]
            .lines
            .iter()
            .map(|l| (l.number, l.column, l.text.as_str()))
            .collect();
        assert_eq!(
            lines,
            [
                (3, 1, ""),
                (4, 3, "acks=all"),
                (5, 3, "# c"),
                (6, 3, "  linger.ms=1")
            ]
        );
    }

    #[test]
    fn keys_that_come_twice_are_both_kept() {
        let entries = parsed("a: 1\na: 2\n");
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].value, Value::from(2));
    }

    #[test]
    fn broken_yaml_is_told_with_its_line() {
        for (text, line) in [("a: 1\nb: [1,\n", 3), ("a: 'x\n", 1), ("a: 1\n\tb: 2\n", 2)] {
            let problem = parse(Path::new("f.yaml"), text).unwrap_err();
            let Origin::File { line: found, .. } = problem.origin else {
                panic!()
            };
            assert!(found >= 1 && found <= line, "{text:?}: {problem}");
        }
        assert!(parse(Path::new("f.yaml"), "- 1\n").is_err());
        assert!(parse(Path::new("f.yaml"), &"[".repeat(100_000)).is_err());
    }

    #[test]
    fn an_empty_file_has_no_entries() {
        assert!(parsed("").is_empty());
        assert!(parsed("# only a comment\n").is_empty());
    }

    #[test]
    fn no_file_however_broken_ends_the_program() {
        const GOOD: &str = "a: &x 1\nb: |\n  k=v\n\n  l=w\nc: {d: [1, 'e'], f: *x}\ng: \"h\\n\"\n";
        const BYTES: &[u8] = b"\n\t :-[]{}|>&*!#%@`'\"\\,?a0~<.=\r";
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut text = GOOD.as_bytes().to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(0..text.len());
                match random.u8(0..3) {
                    0 => text[at] = BYTES[random.usize(0..BYTES.len())],
                    1 => text.insert(at, BYTES[random.usize(0..BYTES.len())]),
                    _ => text.truncate(at.max(1)),
                }
            }
            _ = parse(Path::new("f.yaml"), &String::from_utf8_lossy(&text));
        }
    }
}
