//! A real Prometheus: installed, else unpacked from Debian's package, so that no service is started on this machine.

use super::http;
use crate::tools::{Result, find_program, must_succeed, say, succeeds, target_dir};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PACKAGE: &str = "prometheus";

/// How long anything may take before it is broken.
const PATIENCE: Duration = Duration::from_secs(40);

/// The folder with `prometheus` and `promtool`.
pub(crate) fn find_or_unpack() -> Result<PathBuf> {
    if let (Some(server), Some(_)) = (find_program("prometheus"), find_program("promtool")) {
        return Ok(server.parent().map(Path::to_owned).unwrap_or_default());
    }
    let folder = target_dir().join("prometheus");
    let programs = folder.join("usr/bin");
    if programs.join("promtool").exists() {
        return Ok(programs);
    }
    if find_program("apt-get").is_none() {
        return Err(format!("needs {PACKAGE} (Debian's package)").into());
    }
    say(&format!(
        "unpacking {PACKAGE} to {}; nothing is installed",
        folder.display()
    ));
    let fresh = folder.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    let download = || {
        let mut command = Command::new("apt-get");
        command
            .args(["download", "-q", "-o", "Acquire::Retries=3", PACKAGE])
            .current_dir(&fresh);
        command
    };
    // lists that are missing or old know no such package
    if !succeeds(&mut download())? {
        must_succeed(Command::new("apt-get").args(["update", "-qq"]))?;
        must_succeed(&mut download())?;
    }
    for entry in fs::read_dir(&fresh)? {
        let archive = entry?.path();
        must_succeed(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&fresh))?;
        fs::remove_file(archive)?;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(&fresh, &folder)?;
    Ok(programs)
}

/// A server that scrapes one target every second; ended when dropped.
pub(crate) struct Prometheus {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Prometheus {
    /// Starts it with a configuration of its own.
    pub(crate) fn start(tools: &Path, scratch: &Path, target: &str, rules: &Path) -> Result<Self> {
        let configuration = scratch.join("prometheus.yml");
        fs::write(
            &configuration,
            format!(
                "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
                 rule_files: [\"{}\"]\n\
                 scrape_configs: [{{job_name: dunnage, static_configs: [{{targets: [\"{target}\"]}}]}}]\n",
                rules.display()
            ),
        )?;
        must_succeed(
            Command::new(tools.join("promtool"))
                .args(["check", "config"])
                .arg(&configuration),
        )?;
        // it cannot be asked for any free port: one that was free a moment ago
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let log = scratch.join("prometheus.log");
        let child = Command::new(tools.join("prometheus"))
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                scratch.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()?;
        Ok(Self {
            child,
            address,
            log,
        })
    }

    /// Waits until the target has been scraped that many times, each time well.
    pub(crate) fn wait_for_scrapes(&self, count: u32) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let query = format!("sum_over_time(up[1m]) >= {count}");
        while self.query(&query).unwrap_or(0) == 0 {
            if Instant::now() > end {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                return Err(format!("Prometheus did not scrape {count} times:\n{log}").into());
            }
            sleep(Duration::from_millis(250));
        }
        match self.query("up == 0")? {
            0 => Ok(()),
            _ => Err("a scrape failed".into()),
        }
    }

    /// How many series a query has now.
    pub(crate) fn query(&self, query: &str) -> Result<usize> {
        let answer = self.ask(&format!("/api/v1/query?query={}", http::encode(query)))?;
        Ok(answer["data"]["result"].as_array().map_or(0, Vec::len))
    }

    /// The alerts that could not be evaluated, and why.
    pub(crate) fn unhealthy_rules(&self) -> Result<Vec<String>> {
        let answer = self.ask("/api/v1/rules")?;
        let mut rules = 0;
        let mut wrong = Vec::new();
        for group in answer["data"]["groups"].as_array().into_iter().flatten() {
            for rule in group["rules"].as_array().into_iter().flatten() {
                rules += 1;
                if rule["health"] != "ok" {
                    wrong.push(format!(
                        "alert {}: {} {}",
                        rule["name"], rule["health"], rule["lastError"]
                    ));
                }
            }
        }
        say(&format!("alerts: {rules} evaluated, {} wrong", wrong.len()));
        if rules == 0 {
            wrong.push("Prometheus has no rules".to_owned());
        }
        Ok(wrong)
    }

    fn ask(&self, path: &str) -> Result<Value> {
        let answer: Value = serde_json::from_str(&http::get(&self.address, path)?)?;
        if answer["status"] == "success" {
            Ok(answer)
        } else {
            Err(answer["error"].to_string().into())
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
