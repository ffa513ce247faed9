//! The documentation of the Java client's settings shows the table in the code.

use super::java::{Fate, TABLE, names};
use super::known;

const DOCUMENT: &str = include_str!("../../../../docs/client-settings.md");

/// What the clients of Kafka 4.2 list: `ProducerConfig.configNames()` and those of consumers and
/// administrators.
const OF_JAVA: &str = include_str!("../../../../tests/data/java-client-settings.txt");

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

#[test]
fn every_setting_of_the_java_client_is_known() {
    let unknown: Vec<&str> = OF_JAVA
        .lines()
        .filter(|name| known::find(name).is_none() && !names().any(|known| known == *name))
        .collect();
    assert_eq!(OF_JAVA.lines().count(), 141);
    assert!(unknown.is_empty(), "{unknown:?}");
}
