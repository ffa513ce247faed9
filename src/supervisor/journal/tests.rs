//! Journals, and who is dead by them.

use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::entry::{Access, Record, VERSION};
use super::others::{Standing, all};
use super::process::{Fate, Host};
use super::*;

fn ours() -> Identity {
    Identity::of(std::process::id() as i32).unwrap()
}

/// A process of this host that was there once: its number is ours now.
fn gone() -> Identity {
    Identity {
        started: ours().started - 1,
        ..ours()
    }
}

fn head(run: &str, supervisor: Identity) -> Head {
    let extra = [("sasl.password", "hunter2"), ("security.protocol", "SSL")];
    let extra = extra.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Head {
        version: VERSION,
        run: run.to_owned(),
        started: "then".to_owned(),
        host: Host::here().unwrap(),
        supervisor,
        system: "kafka".to_owned(),
        broker: "a:9092".to_owned(),
        access: Access::new("/here".into(), Some("d.yaml".into()), None, &extra),
        topics: true,
        existing: None,
    }
}

/// The journal of a run that holds no lock.
fn leave(place: &TempDir, head: Head, more: &[Line], torn: &str) {
    let path = place.path().join(&head.run).with_extension(ENDING);
    let first = Line::Run(Box::new(head));
    let lines = [first].into_iter().chain(more.iter().cloned());
    let text: String = lines
        .map(|line| serde_json::to_string(&line).unwrap() + "\n")
        .collect();
    fs::write(path, text + torn).unwrap();
}

fn only(place: &TempDir) -> Standing {
    let mut found = all(place.path()).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).standing
}

#[test]
fn what_is_written_is_read_and_locked_while_the_run_is_there() {
    let place = TempDir::new().unwrap();
    let runs = place.path().join("omb/runs");
    let mut journal = Journal::begin(&runs, head("00000001", ours())).unwrap();
    journal.steward(std::process::id() as i32).unwrap();
    journal.cluster(Some("c")).unwrap();
    let text = fs::read(journal.path()).unwrap();
    let record = Record::read(&text).unwrap();
    assert_eq!(record.head, head("00000001", ours()));
    assert_eq!(record.stewards, [ours()]);
    assert_eq!(record.cluster, Some(Some("c".to_owned())));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&runs), mode(journal.path())), (0o700, 0o600));
    let found = all(&runs).unwrap();
    assert!(
        matches!(&found[0].standing, Standing::Alive(_)),
        "{found:?}"
    );
    assert_eq!(found[0].run(), "00000001");
    journal.remove();
    assert!(all(&runs).unwrap().is_empty());
    journal.remove();
}

#[test]
fn a_lock_held_by_whoever_inherited_it_is_a_run_that_is_there() {
    let place = TempDir::new().unwrap();
    // All the processes it names are gone.
    let journal = Journal::begin(place.path(), head("00000001", gone())).unwrap();
    let inherited = Stdio::from(journal.descriptor().unwrap());
    let mut heir = Command::new("sleep")
        .arg("600")
        .stdin(inherited)
        .spawn()
        .unwrap();
    // As the system does when the supervisor is killed: no word on the lock.
    nix::unistd::close(journal.file.as_raw_fd()).unwrap();
    assert!(matches!(only(&place), Standing::Alive(_)));
    heir.kill().unwrap();
    heir.wait().unwrap();
    // Another test's child has all descriptors for a moment, too, until it is another program.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !matches!(only(&place), Standing::Dead(_)) {
        assert!(Instant::now() < deadline, "{:?}", only(&place));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_run_without_a_lock_is_judged_by_its_processes() {
    let place = TempDir::new().unwrap();
    leave(&place, head("00000001", gone()), &[], "");
    let dead = only(&place);
    let Standing::Dead(dead) = dead else {
        panic!("{dead:?}");
    };
    assert_eq!(dead.record.cluster, None);
    // Whoever holds a dead run has it alone.
    assert!(matches!(only(&place), Standing::Alive(_)));
    drop(dead);
    assert!(matches!(only(&place), Standing::Dead(_)));
    leave(&place, head("00000001", ours()), &[], "");
    assert!(matches!(only(&place), Standing::Alive(_)), "its supervisor");
    let steward = [Line::Steward(gone()), Line::Steward(ours())];
    leave(&place, head("00000001", gone()), &steward, "");
    assert!(matches!(only(&place), Standing::Alive(_)), "its steward");
}

#[test]
fn the_dead_are_buried_and_stay_so() {
    let place = TempDir::new().unwrap();
    let cluster = Line::Cluster { id: None };
    leave(&place, head("00000001", gone()), &[cluster], "");
    let Standing::Dead(dead) = only(&place) else {
        panic!("{:?}", only(&place));
    };
    assert_eq!(dead.record.cluster, Some(None));
    dead.bury();
    assert!(all(place.path()).unwrap().is_empty());
}

#[test]
fn what_a_torn_last_line_says_had_not_begun() {
    let place = TempDir::new().unwrap();
    let steward = [Line::Steward(gone())];
    let torn = r#"{"entry":"cluster","id":"c"}"#;
    for length in 0..=torn.len() {
        leave(&place, head("00000001", gone()), &steward, &torn[..length]);
        let Standing::Dead(dead) = only(&place) else {
            panic!("{length}: {:?}", only(&place));
        };
        assert_eq!(dead.record.stewards, [gone()], "{length}");
        assert_eq!(dead.record.cluster, None, "{length}");
    }
    leave(
        &place,
        head("00000001", gone()),
        &steward,
        &(torn.to_owned() + "\n"),
    );
    let Standing::Dead(dead) = only(&place) else {
        panic!("{:?}", only(&place));
    };
    assert_eq!(dead.record.cluster, Some(Some("c".to_owned())));
}

#[test]
fn another_host_is_left_to_itself() {
    let place = TempDir::new().unwrap();
    let mut foreign = head("00000001", gone());
    foreign.host.name.push('x');
    leave(&place, foreign, &[], "");
    assert!(matches!(only(&place), Standing::Elsewhere(_)));
    // A container with this host's name numbers its processes by itself.
    let mut contained = gone();
    contained.namespace += 1;
    leave(&place, head("00000001", contained), &[], "");
    assert!(matches!(only(&place), Standing::Elsewhere(_)));
}

#[test]
fn a_number_that_has_another_process_now_or_an_earlier_start_of_the_host_is_dead() {
    assert_eq!(ours().fate(), Fate::Alive);
    assert_eq!(gone().fate(), Fate::Dead, "reused");
    let before = Identity {
        boot: "an earlier one".to_owned(),
        ..ours()
    };
    assert_eq!(before.fate(), Fate::Dead, "before the host's last start");
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    let identity = Identity::of(child.id() as i32).unwrap();
    assert_eq!(identity.fate(), Fate::Alive);
    child.kill().unwrap();
    // Killed, perhaps not waited for: a process that only waits to be buried is gone.
    let deadline = Instant::now() + Duration::from_secs(20);
    while identity.fate() != Fate::Dead {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait().unwrap();
    assert_eq!(identity.fate(), Fate::Dead);
}

#[test]
fn what_is_no_journal_is_told_and_left_alone() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("00000001.jsonl");
    let mut newer = head("00000001", gone());
    newer.version += 1;
    let newer = serde_json::to_string(&Line::Run(Box::new(newer))).unwrap() + "\n";
    let steward = serde_json::to_string(&Line::Steward(gone())).unwrap() + "\n";
    for text in ["", "torn", "not json\n", &newer, &steward] {
        fs::write(&path, text).unwrap();
        assert!(matches!(only(&place), Standing::Unreadable(_)), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(only(&place), Standing::Unreadable(_)), "a pipe");
    fs::remove_file(&path).unwrap();
    fs::write(place.path().join("notes.txt"), "mine").unwrap();
    assert!(all(place.path()).unwrap().is_empty());
    assert!(all(&place.path().join("nowhere")).unwrap().is_empty());
}

#[test]
fn secrets_stay_out_of_a_journal() {
    let of = |key: &str, value: &str| {
        let extra = [(key.to_owned(), value.to_owned())];
        let access = Access::new("/here".into(), None, None, &extra);
        (access.settings.len(), access.withheld.len())
    };
    assert_eq!(of("security.protocol", "SASL_SSL"), (1, 0));
    assert_eq!(of("sasl.username", "omb"), (1, 0));
    assert_eq!(of("sasl.password", "hunter2"), (0, 1));
    let url = "https://user:hunter2@id.example/token";
    assert_eq!(of("sasl.oauthbearer.token.endpoint.url", url), (0, 1));
    assert_eq!(of("linger.ms", "5"), (0, 0), "not needed to get there");
    let text = serde_json::to_string(&head("00000001", ours())).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn journals_are_in_the_state_directory_of_whoever_runs_omb() {
    let of = |state: Option<&str>, home: Option<&str>| {
        place_of(state.map(OsString::from), home.map(OsString::from))
    };
    let runs = |state: &str| Some(Path::new(state).join("omb/runs"));
    assert_eq!(of(Some("/state"), Some("/home/a")), runs("/state"));
    for useless in [None, Some(""), Some("relative")] {
        assert_eq!(of(useless, Some("/home/a")), runs("/home/a/.local/state"));
        assert_eq!(of(useless, useless), None);
    }
}

#[test]
fn a_journal_that_somebody_removed_costs_its_run_nothing() {
    let place = TempDir::new().unwrap();
    let runs = place.path().join("omb/runs");
    let mut journal = Journal::begin(&runs, head("00000001", ours())).unwrap();
    fs::remove_dir_all(place.path()).unwrap();
    journal.cluster(Some("c")).unwrap();
    journal.remove();
    let again = Journal::begin(&runs, head("00000001", ours())).unwrap();
    assert!(again.path().exists(), "the next run makes its directory");
}
