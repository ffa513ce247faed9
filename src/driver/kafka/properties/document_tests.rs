//! The documentation of the Java client's settings shows the table in the code.

use super::java::{Fate, TABLE};

const DOCUMENT: &str = include_str!("../../../../docs/client-settings.md");

fn row(name: &str, fate: Fate) -> String {
    let becomes = match fate {
        Fate::Same => "the same".to_owned(),
        Fate::Lower => "the same, in lower case".to_owned(),
        Fate::Renamed(to) => format!("`{to}`"),
        Fate::Kibibytes(to) => format!("`{to}`, in KiB"),
        Fate::SetAside(why) | Fate::Owned { omb: "", why } => format!("set aside: {why}"),
        Fate::Owned { omb, why } => format!("set aside, `{omb}` is used: {why}"),
        Fate::Refused(why) => format!("refused: {why}"),
        Fate::ByValue(_, words) => words.to_owned(),
    };
    format!("| `{name}` | {becomes} |")
}

#[test]
fn the_document_has_each_row_of_the_table_and_no_other() {
    let rows: Vec<String> = TABLE.iter().map(|e| row(e.name, e.fate)).collect();
    let shown: Vec<&str> = DOCUMENT.lines().filter(|l| l.starts_with("| `")).collect();
    let wanted = rows.join("\n");
    assert!(
        shown == rows,
        "docs/client-settings.md needs these rows:\n{wanted}"
    );
}
