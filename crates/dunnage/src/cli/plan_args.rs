//! The options of the plan, which `plan`, `run` and `exec` share.

use clap::Args;
use dunnage_cgroup::Overrides;
use dunnage_policy::agent::Agent;
use dunnage_policy::plan::{Allocator, PlanOptions, Policy, PythonCpuCount};
use dunnage_policy::units::{UnitError, parse_cpus, parse_size_bytes};

use super::values::{AgentChoice, parse_agent};

/// What the plan is made from.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// How the CPU limit becomes a number of threads for compute pools (BLAS, OpenMP, numexpr, pyarrow, libvips):
    /// `latency` rounds down, at least 1, so that one pool alone stays within a quota of 1 CPU or more; `throughput`
    /// rounds up, so that one pool alone can use the whole quota, and the application stalls when it is used up early
    #[arg(
        long,
        value_parser = str::parse::<Policy>,
        default_value = Policy::default().name(),
        value_name = "latency|throughput",
        help_heading = "Plan"
    )]
    pub policy: Policy,

    /// Worker processes that share the CPUs: compute pools get their part of the limit each. Without a CPU limit, this
    /// divides the CPUs of the affinity mask. Default: WEB_CONCURRENCY (gunicorn, uvicorn), else 1
    #[arg(
        long,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "N",
        help_heading = "Plan"
    )]
    pub workers: Option<u32>,

    /// CPUs that can be used, such as 1.5 or 1500m, instead of what the cgroup says: for a limit that cannot be seen from
    /// inside (gVisor, Fargate, limits of a whole pod or task)
    #[arg(long, value_parser = parse_cpus, value_name = "CPUS", help_heading = "Plan")]
    pub cpu_limit: Option<f64>,

    /// Memory that can be used, such as 512Mi, instead of what the cgroup says
    #[arg(long, value_parser = parse_memory_limit, value_name = "SIZE", help_heading = "Plan")]
    pub memory_limit: Option<u64>,

    /// Let Python processes (CPython 3.9 and newer) run the agent at their start: PYTHONPATH then begins with this program,
    /// whose last bytes it is. It tells Python its CPU count and the supervisor that it is there, and leaves no trace on
    /// `sys.path`
    #[arg(long, value_parser = parse_agent, default_value = "on", value_name = "on|off", help_heading = "Python")]
    pub agent: AgentChoice,

    /// What the agent tells Python to have (os.cpu_count, os.process_cpu_count): `auto` is the CPU limit rounded up, at
    /// most the affinity, at least 2, not divided by the workers, and nothing without a limit; `off` lets it count the
    /// node's CPUs. Pools of threads (the default executor, ThreadPool) keep the size that they have without it, and
    /// PYTHON_CPU_COUNT or `-X cpu_count` of your own decides instead
    #[arg(
        long,
        value_parser = str::parse::<PythonCpuCount>,
        default_value = PythonCpuCount::default().name(),
        value_name = "off|auto",
        help_heading = "Python"
    )]
    pub python_cpu_count: PythonCpuCount,

    /// Allocator settings, none by default since each costs something; `dunnage plan` says what was seen. `trim`: glibc
    /// returns the end of its heap sooner, for more page faults; `malloc`: no arenas of CPython's own, for more memory, which
    /// stays until malloc_trim is called; `arrow`: pyarrow takes buffers from malloc, mapped anew each time; `polars`: its
    /// jemalloc returns pages at once, for slower queries. Repeatable, or a list by comma
    #[arg(
        long,
        value_parser = str::parse::<Allocator>,
        value_delimiter = ',',
        value_name = "SETTING",
        help_heading = "Plan"
    )]
    pub allocator: Vec<Allocator>,
}

/// Reads a size that is more than 0.
fn parse_memory_limit(text: &str) -> Result<u64, String> {
    match parse_size_bytes(text) {
        Ok(0) => Err("a memory limit must be more than 0".to_owned()),
        size => size.map_err(|error: UnitError| error.to_string()),
    }
}

impl PlanArgs {
    /// What the user chose.
    pub fn options(&self) -> PlanOptions {
        PlanOptions {
            policy: self.policy,
            workers: self.workers,
            python_cpu_count: self.python_cpu_count,
            agent: self.agent(),
            allocator: self.allocator.clone(),
        }
    }

    /// Whether Python processes get the agent; looks at this program's file.
    pub fn agent(&self) -> Agent {
        match self.agent {
            AgentChoice::On => dunnage_run::agent::find(),
            AgentChoice::Off => Agent::Off("--agent off".to_owned()),
            AgentChoice::Outer => Agent::Outer,
        }
    }

    /// The limits that the user knows better than the kernel's files.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            cpus: self.cpu_limit,
            memory_bytes: self.memory_limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Probe {
        #[command(flatten)]
        args: PlanArgs,
    }

    fn parsed(words: &[&str]) -> Result<PlanArgs, String> {
        let words = std::iter::once("probe").chain(words.iter().copied());
        match Probe::try_parse_from(words) {
            Ok(probe) => Ok(probe.args),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn without_options_it_is_the_default_plan() {
        let args = parsed(&[]).unwrap();
        // a test's program carries no agent
        let agent = Agent::Off("this program carries none".to_owned());
        let default = PlanOptions {
            agent,
            ..PlanOptions::default()
        };
        assert_eq!(args.options(), default);
        assert_eq!(
            (args.overrides().cpus, args.overrides().memory_bytes),
            (None, None)
        );
    }

    #[test]
    fn options_reach_the_plan() {
        let args = parsed(&[
            "--policy=throughput",
            "--workers=4",
            "--cpu-limit=1500m",
            "--memory-limit=512Mi",
            "--python-cpu-count=off",
            "--agent=off",
            "--allocator=arrow,malloc",
        ])
        .unwrap();
        let options = PlanOptions {
            policy: Policy::Throughput,
            workers: Some(4),
            python_cpu_count: PythonCpuCount::Off,
            agent: Agent::Off("--agent off".to_owned()),
            allocator: vec![Allocator::Arrow, Allocator::Malloc],
        };
        assert_eq!(args.options(), options);
        assert_eq!(args.overrides().cpus, Some(1.5));
        assert_eq!(args.overrides().memory_bytes, Some(512 << 20));
    }

    #[test]
    fn what_cannot_be_read_says_what_can() {
        for (word, hint) in [
            ("--policy=fast", "latency, throughput"),
            ("--workers=0", "1.."),
            ("--cpu-limit=0", "more than 0"),
            ("--memory-limit=512m", "docker"),
            ("--memory-limit=0", "more than 0"),
            ("--allocator=jemalloc", "arrow, polars"),
            ("--python-cpu-count=2", "off, auto"),
            ("--agent=no", "on or off"),
        ] {
            let message = parsed(&[word]).unwrap_err();
            assert!(message.contains(hint), "{message}");
        }
    }
}
