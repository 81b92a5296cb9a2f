//! The options of the memory watch, of records and of health.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use dunnage_policy::ladder::{self, BadRules, Rules};
use dunnage_policy::oom::Kills;

use super::values::{Switch, parse_address, parse_folder, parse_percent};

/// What is done to the application when memory is about to run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnBrink {
    /// Nothing: the kernel decides.
    Continue,
    /// The fattest worker stands still for at most a second, so that the record gets done.
    Stop,
    /// The ordinary shutdown begins.
    Exit,
}

/// What an OOM kill takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OomKills {
    /// What the kernel says.
    Auto,
    /// One process.
    Process,
    /// Everybody in the container.
    Group,
}

impl OomKills {
    /// The user's word; `None` where it is looked for.
    pub fn kills(self) -> Option<Kills> {
        match self {
            Self::Auto => None,
            Self::Process => Some(Kills::Process),
            Self::Group => Some(Kills::Group),
        }
    }
}

/// What is done before the kernel kills.
#[derive(Debug, Clone, Args)]
pub struct MemoryArgs {
    /// Watch memory against the limit (docs/memory.md): warn Python, ask it to give memory back, say that this container is
    /// not ready, write down what every process does. Costs nothing without a limit
    #[arg(
        long,
        value_enum,
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true,
        help_heading = "Memory"
    )]
    pub watch: Switch,

    /// From this share of the limit on, one line is printed and `on_memory_pressure("warn")` called. What it grows from here
    /// is what there is time to answer for; dask's workers spill from 60 to 70 % on
    #[arg(long, value_parser = parse_percent, default_value = "70", value_name = "PERCENT", help_heading = "Memory")]
    pub memory_watch: f64,

    /// Ask Python to give memory back (once each 30 s): at 80 % of 256 MiB there are 51 MiB left, and giving back takes 0.1
    /// to 0.6 s
    #[arg(long, value_parser = parse_percent, default_value = "80", value_name = "PERCENT", help_heading = "Memory")]
    pub memory_release: f64,

    /// Whether Python processes that have the agent are asked to give memory back there; hooks hear of it either way
    #[arg(
        long,
        value_enum,
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true,
        help_heading = "Memory"
    )]
    pub release: Switch,

    /// Not ready for new work (--listen), only while memory grows too: nothing came back, or not enough
    #[arg(long, value_parser = parse_percent, default_value = "85", value_name = "PERCENT", help_heading = "Memory")]
    pub memory_shed: f64,

    /// Write down what every process does, or when 32 MiB (at most 10 %) are left. From here 48 of 48 records were complete
    /// before the kill, in six ways of growing at 256 MiB and 1 GiB
    #[arg(long, value_parser = parse_percent, default_value = "90", value_name = "PERCENT", help_heading = "Memory")]
    pub memory_record: f64,

    /// From here, or when 8 MiB (at most 4 %) are left, and while memory grows, --on-brink is done: growth that was stopped
    /// here took 0.1 to 2.3 % more
    #[arg(long, value_parser = parse_percent, default_value = "97", value_name = "PERCENT", help_heading = "Memory")]
    pub memory_brink: f64,

    /// When memory grows into the shed rung and nothing came back, tell the fattest worker to end gracefully; only below a
    /// parent that replaces it (gunicorn's master, uvicorn's with --workers)
    #[arg(
        long,
        value_enum,
        default_value = "off",
        value_name = "on|off",
        hide_possible_values = true,
        help_heading = "Memory"
    )]
    pub recycle: Switch,

    /// At the brink: `continue` leaves it to the kernel, since a peak may pass; `stop` lets the fattest of several workers
    /// stand still, for at most a second and only as PID 1, so that the record gets done; `exit` begins the shutdown
    /// of what has grown for seconds and has one left
    #[arg(
        long,
        value_enum,
        default_value = "continue",
        value_name = "continue|stop|exit",
        hide_possible_values = true,
        help_heading = "Memory"
    )]
    pub on_brink: OnBrink,

    /// What an OOM kill takes: `auto` reads that (`memory.oom.group`; on cgroup v1 one process). Where it takes one `process`,
    /// `dunnage run` outlives it, and needs no new memory while the container is full (for 250 ms, a record for a second), since
    /// the kernel may kill for that; where it takes the `group`, a record is written on to the last moment
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        value_name = "auto|process|group",
        hide_possible_values = true,
        help_heading = "Memory"
    )]
    pub oom_kills: OomKills,

    /// Where records are written: a folder on a volume that outlives the container (an emptyDir outlives its restarts).
    /// Without it a record is one line here and a text in the termination log
    #[arg(long, value_parser = parse_folder, value_name = "DIR", help_heading = "Memory")]
    pub report_dir: Option<PathBuf>,

    /// Answer /livez, /readyz and /metrics (Prometheus) over HTTP on this address, such as 0.0.0.0:9393 or :9393; port 0 is
    /// a free one, which is said at start. Without it nobody listens
    #[arg(long, value_parser = parse_address, value_name = "ADDRESS", help_heading = "Health")]
    pub listen: Option<SocketAddr>,

    /// Write the metrics to dunnage.prom in this folder, for node-exporter's textfile collector, every 15 s and at the end
    #[arg(long, value_parser = parse_folder, value_name = "DIR", help_heading = "Health")]
    pub textfile: Option<PathBuf>,
}

impl MemoryArgs {
    /// The ladder's rules; none where memory is not watched. The error names the options.
    pub fn rules(&self) -> Result<Option<Rules>, String> {
        if !self.watch.is_on() {
            return Ok(None);
        }
        let rules = Rules {
            watch: self.memory_watch / 100.0,
            release: self.memory_release / 100.0,
            shed: self.memory_shed / 100.0,
            record: self.memory_record / 100.0,
            brink: self.memory_brink / 100.0,
            recycle: self.recycle.is_on(),
            on_brink: match self.on_brink {
                OnBrink::Continue => ladder::OnBrink::Continue,
                OnBrink::Stop => ladder::OnBrink::Stop,
                OnBrink::Exit => ladder::OnBrink::Exit,
            },
            ..Rules::default()
        };
        match rules.check() {
            Ok(()) => Ok(Some(rules)),
            Err(BadRules::Order) => Err(
                "--memory-watch, -release, -shed, -record and -brink must rise in this order"
                    .to_owned(),
            ),
            Err(BadRules::Hysteresis) => Err(format!(
                "--memory-watch must be more than {:.0}",
                rules.hysteresis * 100.0
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        memory: MemoryArgs,
    }

    fn rules(words: &[&str]) -> Result<Option<Rules>, String> {
        let words = ["x"].iter().chain(words);
        Command::try_parse_from(words).unwrap().memory.rules()
    }

    #[test]
    fn the_options_defaults_are_the_ladder_s() {
        assert_eq!(rules(&[]), Ok(Some(Rules::default())));
        assert_eq!(rules(&["--watch", "off", "--memory-watch", "99"]), Ok(None));
    }

    #[test]
    fn thresholds_that_make_no_sense_are_refused_by_name() {
        let error = rules(&["--memory-record", "80"]).unwrap_err();
        assert!(
            error.contains("-record") && error.contains("rise"),
            "{error}"
        );
        let error = rules(&["--memory-watch", "4"]).unwrap_err();
        assert!(error.contains("--memory-watch"), "{error}");
    }
}
