//! How a cluster is reached that has to be cleaned: as the command line says, or as a journal does.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::CleanArgs;
use crate::clock::Instant;
use crate::config::{self, Overrides, System};
use crate::driver::{Admin, systems};
use crate::supervisor::journal::entry::Access;

/// What `-X` may name the first brokers by.
const SERVERS: [&str; 2] = ["bootstrap.servers", "metadata.broker.list"];

/// How long a broker may take to answer, as in a run.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// How a cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// What relative paths in the driver file start from; `None`: from here.
    directory: Option<PathBuf>,
    driver: Option<PathBuf>,
    bootstrap: Option<String>,
    extra: Vec<(String, String)>,
}

impl Reach {
    /// The cluster that the command line names, if it does; everything that is wrong with it is
    /// told at once.
    pub fn named(args: &CleanArgs) -> Result<Option<Self>, Vec<String>> {
        if args.prefix.as_deref() == Some("") {
            return Err(vec![
                "--prefix is empty; give how names begin, such as test-topic-".to_owned(),
            ]);
        }
        let has_servers = args
            .extra
            .iter()
            .any(|(key, _)| SERVERS.contains(&key.as_str()));
        if args.driver.is_none() && args.bootstrap.is_none() && !has_servers {
            return Ok(None);
        }
        let reach = Self {
            directory: None,
            driver: args.driver.clone(),
            bootstrap: args.bootstrap.clone(),
            extra: args.extra.clone(),
        };
        reach.system()?;
        Ok(Some(reach))
    }

    /// The cluster of a run, as its journal has it, with `-X` over that. Where a setting is missing
    /// that no journal keeps, the error is its name.
    pub fn of_journal(access: &Access, extra: &[(String, String)]) -> Result<Self, String> {
        let is_given = |key: &String| extra.iter().any(|(given, _)| given == key);
        if let Some(missing) = access.withheld.iter().find(|key| !is_given(key)) {
            return Err(missing.clone());
        }
        let here = env::current_dir().unwrap_or_default();
        let given = extra.iter().map(|(key, value)| {
            // It is looked for where the person is, and not where the run was.
            let is_file = key.ends_with(".location") && Path::new(value).is_relative();
            let value = if is_file {
                here.join(value).to_string_lossy().into_owned()
            } else {
                value.clone()
            };
            (key.clone(), value)
        });
        Ok(Self {
            directory: Some(access.directory.clone()),
            driver: access.driver.clone(),
            bootstrap: access.bootstrap.clone(),
            extra: access.settings.iter().cloned().chain(given).collect(),
        })
    }

    /// Connects; the error is one line.
    pub fn connect(&self) -> Result<Box<dyn Admin>, String> {
        if let Some(directory) = &self.directory {
            // Where it is gone, so are the files in it, and nothing else must be taken for them.
            env::set_current_dir(directory)
                .or_else(|_| env::set_current_dir("/"))
                .map_err(|error| format!("cannot enter {}: {error}", directory.display()))?;
        }
        let system = self.system().map_err(|problems| problems.join("; "))?;
        let mut admin = systems::admin(&system).map_err(|error| error.to_string())?;
        admin
            .connect(Instant::now() + CONNECT_WITHIN)
            .map_err(|error| error.to_string())?;
        Ok(admin)
    }

    fn system(&self) -> Result<System, Vec<String>> {
        let overrides = Overrides {
            bootstrap: self.bootstrap.clone(),
            extra: self.extra.clone(),
            ..Overrides::default()
        };
        let told = |problems: Vec<config::Problem>| -> Vec<String> {
            problems.iter().map(ToString::to_string).collect()
        };
        let driver = config::load_driver(self.driver.as_deref(), &overrides).map_err(told)?;
        systems::check(&driver.system).map_err(told)?;
        Ok(driver.system)
    }
}
