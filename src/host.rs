//! The machine that a run is made on: what it is, and how busy it was.

use std::borrow::Cow;
use std::fs;

use nix::sys::resource::{Resource, getrlimit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a reader has to know of a machine to compare figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its operating system's kernel, with version.
    pub kernel: String,
    /// Its processors' architecture.
    pub architecture: Cow<'static, str>,
    /// Its processors' name.
    pub processor: Option<String>,
    /// Processors there are.
    pub processors: Option<usize>,
    /// Processors that this process may use: fewer under an affinity mask or a quota.
    pub usable_processors: Option<usize>,
    /// Memory.
    pub memory_bytes: Option<u64>,
    /// What this process may use.
    pub limits: Limits,
}

/// Soft limits of a process; none where there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Open files, each connection among them.
    pub open_files: Option<u64>,
    /// Processes and threads of this user.
    pub processes: Option<u64>,
    /// Address space of a process.
    pub address_space_bytes: Option<u64>,
}

impl Host {
    /// This machine.
    pub fn this() -> Self {
        let kernel = |name| read(&format!("/proc/sys/kernel/{name}")).unwrap_or_default();
        let processors = read("/proc/cpuinfo").unwrap_or_default();
        let named = |key| value(&processors, key).map(str::to_owned);
        Self {
            name: kernel("hostname"),
            kernel: format!("{} {}", kernel("ostype"), kernel("osrelease")),
            architecture: std::env::consts::ARCH.into(),
            processor: named("model name").or_else(|| named("Processor")),
            processors: Some(
                processors
                    .lines()
                    .filter(|l| l.starts_with("processor"))
                    .count(),
            )
            .filter(|&count| count > 0),
            usable_processors: std::thread::available_parallelism().ok().map(usize::from),
            memory_bytes: kibibytes("MemTotal"),
            limits: Limits {
                open_files: limit(Resource::RLIMIT_NOFILE),
                processes: limit(Resource::RLIMIT_NPROC),
                address_space_bytes: limit(Resource::RLIMIT_AS),
            },
        }
    }
}

/// What is free on this machine; none where it doesn't tell, or where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Memory that processes can have without others giving up theirs.
    pub memory: Option<u64>,
    /// Bytes on the disk that has most.
    pub disk: Option<u64>,
    /// Open files of a process.
    pub files: Option<u64>,
    /// Threads, more than there are.
    pub threads: Option<u64>,
    /// Local ports for connections.
    pub ports: Option<u64>,
    /// Processors that this process may use.
    pub processors: usize,
}

/// Most memory that this process has had resident.
pub fn resident() -> Option<u64> {
    let status = read("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes << 10)
}

impl Room {
    /// As of now.
    pub fn now() -> Self {
        let number = |path: &str| read(path)?.parse::<u64>().ok();
        let memory = kibibytes("MemAvailable");
        let most = number("/sys/fs/cgroup/memory.max");
        let used = number("/sys/fs/cgroup/memory.current").unwrap_or(0);
        let of_group = most.map(|most| most.saturating_sub(used));
        let all_threads = number("/proc/sys/kernel/threads-max");
        let of_user = limit(Resource::RLIMIT_NPROC);
        let of_pids = number("/sys/fs/cgroup/pids.max");
        let ports = read("/proc/sys/net/ipv4/ip_local_port_range").and_then(|range| {
            let (low, high) = range.split_once(char::is_whitespace)?;
            let (low, high): (u64, u64) = (low.parse().ok()?, high.trim().parse().ok()?);
            Some(high.saturating_sub(low) + 1)
        });
        let free = |path: &&str| {
            let found = nix::sys::statvfs::statvfs(*path).ok()?;
            Some(found.blocks_available() * found.fragment_size())
        };
        Self {
            memory: [memory, of_group].into_iter().flatten().min(),
            disk: ["/", "/var", "/tmp", "/home", "."]
                .iter()
                .filter_map(free)
                .max(),
            files: limit(Resource::RLIMIT_NOFILE),
            threads: [all_threads, of_user, of_pids].into_iter().flatten().min(),
            ports,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// A line of `/proc/meminfo`, in bytes.
fn kibibytes(name: &str) -> Option<u64> {
    let text = read("/proc/meminfo")?;
    let size = value(&text, name)?.strip_suffix(" kB")?;
    Some(size.parse::<u64>().ok()? * 1024)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim_end().to_owned())
}

/// The first value of a key in lines of `key : value`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.trim() == key)
        .map(|(_, value)| value.trim())
}

fn limit(resource: Resource) -> Option<u64> {
    let (soft, _) = getrlimit(resource).ok()?;
    (soft != libc::RLIM_INFINITY).then_some(soft)
}

/// How long the host's processors did what, since it was started, in ticks of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processors {
    total: u64,
    idle: u64,
    stolen: u64,
}

/// What share of a stretch of time the host's processors were busy, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Busy {
    /// With anything at all, this run or not.
    pub busy: f64,
    /// With other virtual machines, which this one had to wait for.
    pub stolen: f64,
}

impl Processors {
    /// As of now; `None` where the system doesn't tell.
    pub fn now() -> Option<Self> {
        Self::parse(&read("/proc/stat")?)
    }

    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal, and
    /// two that are part of the first two.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.lines().next()?.split_ascii_whitespace();
        if fields.next() != Some("cpu") {
            return None;
        }
        let ticks: Vec<u64> = fields
            .take(8)
            .map_while(|field| field.parse().ok())
            .collect();
        Some(Self {
            total: ticks.iter().sum(),
            idle: ticks.get(3)? + ticks.get(4)?,
            stolen: *ticks.get(7)?,
        })
    }

    /// How busy the processors were from `earlier` on.
    pub fn since(&self, earlier: &Self) -> Busy {
        let total = self.total.saturating_sub(earlier.total).max(1) as f64;
        let idle = self.idle.saturating_sub(earlier.idle) as f64;
        Busy {
            busy: (1.0 - idle / total).clamp(0.0, 1.0),
            stolen: self.stolen.saturating_sub(earlier.stolen) as f64 / total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_a_name_a_kernel_processors_memory_and_limits() {
        let host = Host::this();
        assert!(
            !host.name.is_empty() && host.kernel.starts_with("Linux "),
            "{host:?}"
        );
        assert!(host.processors >= host.usable_processors, "{host:?}");
        assert!(host.memory_bytes > Some(64 << 20), "{host:?}");
        assert!(
            host.limits.open_files.is_none_or(|files| files > 0),
            "{host:?}"
        );
    }

    #[test]
    fn waiting_for_disks_is_idle_and_what_others_took_is_not() {
        let parse = |line: &str| Processors::parse(line).unwrap();
        let earlier = parse("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3");
        let later = parse("cpu  150 10 80 850 60 5 5 40 0 0\n");
        let busy = later.since(&earlier);
        assert!((busy.busy - 0.7).abs() < 1e-9, "{busy:?}");
        assert!((busy.stolen - 0.2).abs() < 1e-9, "{busy:?}");
        assert_eq!(Processors::parse("intr 5"), None);
        assert_eq!(Processors::parse("cpu 1 2 3"), None);
        assert!(Processors::now().is_some());
    }
}
