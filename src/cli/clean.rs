//! `omb clean`: what dead runs have left, by their journals or by the names at a broker.
//!
//! What is listed, or deleted, goes to stdout; everything else is for people and goes to stderr.

mod prefix;
mod reach;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args};
use reach::Reach;

use super::{key_value, usage};
use crate::clock::Instant;
use crate::driver::{Admin, Leftovers};
use crate::steward::sweep;
use crate::supervisor::Ended;
use crate::supervisor::journal;
use crate::supervisor::journal::keeper::dead_run;
use crate::supervisor::journal::others::{self, Dead, Standing};
use crate::wire::DeadRun;

/// For the help.
pub const EXAMPLES: &str = "\
Examples:
  # What did killed runs of this host leave, and where? Then delete it
  omb clean
  omb clean --yes

  # Without journals: everything with omb's names on a cluster that nobody uses
  omb clean -b localhost:9092 --prefix test-topic- --yes

";

/// Options of `omb clean`.
#[derive(Clone, Debug, Args)]
pub struct CleanArgs {
    /// Delete what would be listed.
    #[arg(long)]
    pub yes: bool,

    /// Not what journals tell, but all topics and groups of a cluster whose names begin with this,
    /// and the groups of omb's runs among them. Left alone: groups with members, what they read,
    /// topics that grow within 5 s, and what belongs to runs under way. Needs -d or -b.
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,

    /// Driver file that names the cluster, in place of what journals say.
    #[arg(short, long, value_name = "DRIVER.yaml", help_heading = "Broker")]
    pub driver: Option<PathBuf>,

    /// First brokers of the cluster, in place of what journals say.
    #[arg(short, long, value_name = "HOST:PORT[,…]", help_heading = "Broker")]
    pub bootstrap: Option<String>,

    /// Client setting, over the driver file's; without -d and -b, over what journals say, which
    /// never keep a password. Repeatable.
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = key_value, action = ArgAction::Append,
          help_heading = "Broker")]
    pub extra: Vec<(String, String)>,
}

/// How long what one cluster holds may take to be listed, and to be deleted: the members of dead
/// runs are members until the broker has missed them for long enough.
const WITHIN: Duration = Duration::from_secs(60);

/// Does what the command line asks for; the exit code.
pub fn clean(args: &CleanArgs) -> u8 {
    let named = match Reach::named(args) {
        Ok(named) => named,
        Err(problems) => return usage(problems),
    };
    let place = match journal::place() {
        Ok(place) => place,
        Err(error) => {
            eprintln!("omb: {error:#}");
            return Ended::Usage.code();
        }
    };
    let mut cleaning = Cleaning {
        yes: args.yes,
        incomplete: false,
    };
    match (&args.prefix, named) {
        (None, named) => cleaning.journals(&place, named.as_ref(), &args.extra),
        (Some(prefix), Some(reach)) => cleaning.prefix(&place, prefix, &reach),
        (Some(_), None) => {
            return usage(["--prefix needs a cluster: give -b HOST:PORT or -d DRIVER.yaml"]);
        }
    }
    if cleaning.incomplete {
        Ended::Failed.code()
    } else {
        Ended::Done.code()
    }
}

/// One `omb clean`.
struct Cleaning {
    yes: bool,
    /// Something could not be looked at or deleted.
    incomplete: bool,
}

/// A dead run, and how its broker is reached.
struct Left {
    dead: Dead,
    run: DeadRun,
    reach: Reach,
}

impl Left {
    fn id(&self) -> &str {
        &self.dead.record.head.run
    }
}

impl Cleaning {
    /// Lists or deletes what dead runs have left.
    fn journals(&mut self, place: &Path, named: Option<&Reach>, extra: &[(String, String)]) {
        let found = match others::all(place) {
            Ok(found) => found,
            Err(error) => {
                return self.complain(&format!("cannot read {}: {error}", place.display()));
            }
        };
        let mut left: Vec<Left> = Vec::new();
        for found in found {
            let (run, path) = (found.run(), found.path.display());
            match found.standing {
                Standing::Alive(_) => say(&format!(
                    "run {run} is under way, or being cleaned up: left alone"
                )),
                Standing::Elsewhere(head) => say(&format!(
                    "run {run} is one of host {}: left alone, omb clean has to be run there",
                    head.host.name
                )),
                Standing::Unreadable(why) => self.complain(&format!(
                    "{path} is no journal that this omb can read: {why}; remove it if nothing is \
                     left of run {run}"
                )),
                Standing::Dead(dead) => left.extend(self.of_journal(*dead, named, extra)),
            }
        }
        let mut listed = Leftovers::default();
        while let Some(first) = left.first() {
            let reach = first.reach.clone();
            let (here, others) = left.into_iter().partition(|left| left.reach == reach);
            left = others;
            let of_cluster = self.of_cluster(&reach, here, named.is_some());
            listed.topics.extend(of_cluster.topics);
            listed.groups.extend(of_cluster.groups);
        }
        if listed.is_empty() && !self.incomplete {
            say("nothing is left by dead runs");
        } else if !listed.is_empty() && !self.yes {
            say(&format!(
                "{listed}, left by dead runs; omb clean --yes deletes them"
            ));
        }
    }

    /// A run that is dead, if it may have left something that can be reached.
    fn of_journal(
        &mut self,
        dead: Dead,
        named: Option<&Reach>,
        extra: &[(String, String)],
    ) -> Option<Left> {
        let head = &dead.record.head;
        let id = head.run.clone();
        let Some(run) = dead_run(&dead) else {
            let path = dead.path().display().to_string();
            self.complain(&format!(
                "{path} is no journal that this omb can read: run {id} on {}",
                head.system
            ));
            return None;
        };
        if dead.record.cluster.is_none() {
            if self.yes {
                dead.bury();
            }
            say(&format!("run {id} is dead, and had created nothing"));
            return None;
        }
        let reach = match named {
            Some(named) => named.clone(),
            None => match Reach::of_journal(&head.access, extra) {
                Ok(reach) => reach,
                Err(missing) => {
                    self.complain(&format!(
                        "run {id} was given {missing}=… by -X, which no journal keeps: give it \
                         again, as -X {missing}=…"
                    ));
                    return None;
                }
            },
        };
        Some(Left { dead, run, reach })
    }

    /// Lists or deletes what these dead runs have left on one cluster. Returns what it is.
    fn of_cluster(&mut self, reach: &Reach, runs: Vec<Left>, is_named: bool) -> Leftovers {
        let mut admin = match reach.connect() {
            Ok(admin) => admin,
            Err(error) if is_named => {
                self.complain(&error);
                return Leftovers::default();
            }
            Err(error) => {
                for left in runs {
                    let path = left.dead.path().display();
                    let id = left.id();
                    self.complain(&format!(
                        "run {id}: {error}; if that cluster is gone for good, remove {path}"
                    ));
                }
                return Leftovers::default();
            }
        };
        let deadline = Instant::now() + WITHIN;
        let cluster = admin.cluster(deadline);
        let is_here = |left: &Left| left.dead.record.cluster.as_ref() == Some(&cluster);
        let (here, elsewhere): (Vec<Left>, Vec<Left>) = runs.into_iter().partition(is_here);
        for left in elsewhere {
            let (id, path) = (left.id(), left.dead.path().display());
            let broker = &left.dead.record.head.broker;
            if is_named {
                say(&format!("run {id} is on another cluster: left alone"));
            } else {
                self.complain(&format!(
                    "run {id}: another cluster than its own answers at {broker} now; if its own is \
                     gone for good, remove {path}"
                ));
            }
        }
        if here.is_empty() {
            return Leftovers::default();
        }
        if self.yes {
            self.delete(admin.as_mut(), here)
        } else {
            self.list(admin.as_mut(), &here, deadline)
        }
    }

    fn list(&mut self, admin: &mut dyn Admin, runs: &[Left], deadline: Instant) -> Leftovers {
        let mut all = Leftovers::default();
        let survey = match admin.survey(deadline) {
            Ok(survey) => survey,
            Err(error) => {
                self.complain(&error.to_string());
                return all;
            }
        };
        for left in runs {
            let there = sweep::of_run(&survey, left.run);
            let head = &left.dead.record.head;
            let (id, started, broker) = (&head.run, &head.started, &head.broker);
            say(&format!(
                "run {id} of {started} against {broker} is dead and has left {there}"
            ));
            print(&there);
            all.topics.extend(there.topics);
            all.groups.extend(there.groups);
        }
        all
    }

    fn delete(&mut self, admin: &mut dyn Admin, runs: Vec<Left>) -> Leftovers {
        let ordered: Vec<DeadRun> = runs.iter().map(|left| left.run).collect();
        let (swept, problem) = sweep::sweep(admin, &ordered, Instant::now() + WITHIN);
        let mut all = Leftovers::default();
        for (run, swept) in runs.into_iter().zip(swept) {
            let id = run.id().to_owned();
            say(&format!("run {id} is dead: deleted {}", swept.deleted));
            print(&swept.deleted);
            if swept.certain {
                run.dead.bury();
            } else {
                let why = problem.as_ref().map_or_else(
                    || format!("not within {} s", WITHIN.as_secs()),
                    ToString::to_string,
                );
                let left = match &swept.left {
                    left if left.is_empty() => "may have left something".to_owned(),
                    left => format!("has left {left}"),
                };
                self.complain(&format!("run {id} {left}: {why}"));
            }
            all.topics.extend(swept.deleted.topics);
            all.groups.extend(swept.deleted.groups);
        }
        all
    }

    /// Something could not be looked at or deleted.
    fn complain(&mut self, text: &str) {
        self.incomplete = true;
        say(text);
    }
}

fn say(text: &str) {
    // As with stdout: nobody who reads it is no reason to stop half-way.
    let _ = writeln!(std::io::stderr(), "omb: {text}");
}

/// One name a line, with its kind.
fn print(names: &Leftovers) {
    let mut stdout = std::io::stdout();
    let topics = names.topics.iter().map(|name| ("topic", name));
    let groups = names.groups.iter().map(|name| ("group", name));
    for (kind, name) in topics.chain(groups) {
        // A reader that went away has seen enough; what is to be deleted is deleted all the same.
        let _ = writeln!(stdout, "{kind} {name}");
    }
}
