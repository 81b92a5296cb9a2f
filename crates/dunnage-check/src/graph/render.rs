//! The workloads for a person and for a machine: `dunnage check --graph`.
//!
//! The tree says of each workload what a reader would otherwise have to open five files for, each line with the place that
//! it comes from. It stays within 100 columns.

mod json;

use super::Graph;
use super::workload::{Limits, Probe, Python, Workload};
use crate::finding::Confidence;
use crate::parse::command::{Server, ServerKind, Step};
use crate::repository::Repository;
use crate::source::{Location, is_obeyed};
pub use json::render_json;
use std::fmt::Write;

/// No line is longer.
const COLUMNS: usize = 100;

/// A place is cut at its front beyond this.
const PLACE: usize = 40;

/// As a tree.
pub fn render_text(repository: &Repository, graph: &Graph) -> String {
    let mut text = String::new();
    for workload in &graph.workloads {
        let place = place(repository, workload.at);
        text.push_str(&spread(&workload.name, &place));
        let lines = lines(repository, workload);
        for (index, (label, value, place)) in lines.iter().enumerate() {
            let is_last = index + 1 == lines.len();
            let branch = if is_last { "└─" } else { "├─" };
            text.push_str(&spread(&format!("  {branch} {label:<8} {value}"), place));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{}", summary(graph));
    text
}

/// How many, and how many of them are Python.
fn summary(graph: &Graph) -> String {
    let count = |python: &Python| {
        graph
            .workloads
            .iter()
            .filter(|workload| workload.python == *python)
            .count()
    };
    let all = graph.workloads.len();
    let plural = if all == 1 { "" } else { "s" };
    format!(
        "{all} workload{plural}: {} Python, {} other, {} unknown",
        count(&Python::Yes),
        count(&Python::No),
        count(&Python::Unknown)
    )
}

/// A text on the left, its place on the right; both are cut where they do not fit: the place at its front, since its end
/// tells it from others.
fn spread(left: &str, right: &str) -> String {
    let [left, right] = [left, right].map(|text| text.replace(is_obeyed, "\u{fffd}"));
    let right = &cut_front(&right, PLACE);
    let room = COLUMNS.saturating_sub(right.chars().count() + 2).max(20);
    let left = cut(&left, room);
    if right.is_empty() {
        return format!("{}\n", left.trim_end());
    }
    let blank = COLUMNS
        .saturating_sub(left.chars().count() + right.chars().count())
        .max(2);
    format!("{left}{}{right}\n", " ".repeat(blank))
}

fn cut_front(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(length + 1 - most).collect();
    format!("…{kept}")
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// `k8s/web.yaml:12`.
fn place(repository: &Repository, at: Location) -> String {
    let source = &repository.file(at.file).source;
    format!("{}:{}", source.path, source.line_column(at.span.start).0)
}

type Line = (&'static str, String, String);

fn lines(repository: &Repository, workload: &Workload) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |label: &'static str, value: String, at: Option<Location>| {
        lines.push((
            label,
            value,
            at.map(|at| place(repository, at)).unwrap_or_default(),
        ));
    };
    if let Some(image) = &workload.image {
        let built = if workload.built.is_none() {
            " (not built here)"
        } else {
            ""
        };
        add("image", format!("{}{built}", image.value), Some(image.at));
    }
    if let Some(built) = workload.built {
        add(
            "built",
            built_in_words(repository, workload, built),
            Some(built_at(repository, built)),
        );
    }
    if workload.python == Python::No {
        add("python", "no: left alone".to_owned(), None);
        return lines;
    }
    add(
        "pid 1",
        first_in_words(workload),
        workload.first().and_then(step_at),
    );
    // of one step everything was said
    let is_said = workload.first.is_some() && workload.steps.len() == 1;
    if !workload.steps.is_empty() && !is_said {
        add(
            "runs",
            steps_in_words(&workload.steps),
            workload.steps.last().and_then(step_at),
        );
    }
    if let Some(modules) = modules_in_words(repository, workload) {
        add("code", modules, None);
    }
    if !workload.packages.is_empty() {
        let names: Vec<&str> = workload.packages.keys().map(String::as_str).collect();
        add("packages", names.join(", "), None);
    }
    let limits = limits_in_words(&workload.limits);
    add("limits", limits, workload.limits.at);
    if let Some(probes) = probes_in_words(workload) {
        add("probes", probes, None);
    }
    if !matches!(workload.origin, super::workload::Origin::Dockerfile) {
        add("stop", stop_in_words(workload), workload.life.grace_at);
    }
    lines
}

fn built_at(repository: &Repository, built: super::workload::Built) -> Location {
    let span = match &repository.file(built.file).model {
        crate::parse::Model::Dockerfile(file) => {
            file.stages.get(built.stage).map(|stage| stage.base.at.span)
        }
        _ => None,
    };
    Location {
        file: built.file,
        span: span.unwrap_or_default(),
    }
}

fn built_in_words(
    repository: &Repository,
    workload: &Workload,
    built: super::workload::Built,
) -> String {
    let crate::parse::Model::Dockerfile(file) = &repository.file(built.file).model else {
        return String::new();
    };
    let Some(stage) = file.stages.get(built.stage) else {
        return String::new();
    };
    let name = stage
        .name
        .as_ref()
        .map(|name| format!(", stage {}", name.value))
        .unwrap_or_default();
    let sure = match workload.confidence {
        Confidence::High => "",
        Confidence::Medium => " (likely)",
        Confidence::Low => " (a guess)",
    };
    format!("from {}{name}{sure}", stage.base.value)
}

fn first_in_words(workload: &Workload) -> String {
    match workload.first() {
        None if workload.steps.is_empty() => "unknown: no command is known".to_owned(),
        None => "unknown: the files do not tell what stays".to_owned(),
        Some(Step::Shell { name, .. }) => format!("{name} (a shell: passes no signal on)"),
        Some(Step::Script { path, .. }) => format!("the shell of {path} (passes no signal on)"),
        Some(step) => step_in_words(step),
    }
}

fn steps_in_words(steps: &[Step]) -> String {
    let words: Vec<String> = steps.iter().map(step_in_words).collect();
    words.join(" → ")
}

/// One step, short.
pub fn step_in_words(step: &Step) -> String {
    match step {
        Step::Init(init) => init.name.clone(),
        Step::Shell { name, .. } => format!("{name} -c"),
        Step::Script { path, .. } => path.clone(),
        Step::Wrapper { name, .. } | Step::Supervisor { name, .. } | Step::Other { name, .. } => {
            name.clone()
        }
        Step::Server(server) => server_in_words(server),
    }
}

/// Where a step is written.
pub fn step_at(step: &Step) -> Option<Location> {
    match step {
        Step::Init(init) => Some(init.at),
        Step::Shell { at, .. }
        | Step::Script { at, .. }
        | Step::Wrapper { at, .. }
        | Step::Supervisor { at, .. }
        | Step::Other { at, .. } => Some(*at),
        Step::Server(server) => server.app.as_ref().map(|app| app.at),
    }
}

fn server_in_words(server: &Server) -> String {
    let mut text = server_name(server.kind).to_owned();
    if let Some(app) = &server.app {
        let _ = write!(text, " {}", app.value);
    }
    let mut details = Vec::new();
    if let Some(workers) = &server.workers {
        details.push(count(workers.value, "worker"));
    }
    if let Some(threads) = &server.threads {
        details.push(count(threads.value, "thread"));
    }
    details.extend(
        server
            .worker_class
            .as_ref()
            .map(|class| class.value.clone()),
    );
    details.extend(server.development.map(|_| "for development".to_owned()));
    if !details.is_empty() {
        let _ = write!(text, " ({})", details.join(", "));
    }
    text
}

/// What a server is called.
pub fn server_name(kind: ServerKind) -> &'static str {
    match kind {
        ServerKind::Gunicorn => "gunicorn",
        ServerKind::Uvicorn => "uvicorn",
        ServerKind::Hypercorn => "hypercorn",
        ServerKind::Granian => "granian",
        ServerKind::Daphne => "daphne",
        ServerKind::Uwsgi => "uwsgi",
        ServerKind::Waitress => "waitress",
        ServerKind::Celery => "celery",
        ServerKind::Rq => "rq",
        ServerKind::Dramatiq => "dramatiq",
        ServerKind::Flask => "flask run",
        ServerKind::Django => "manage.py runserver",
        ServerKind::FastApi => "fastapi",
        ServerKind::Streamlit => "streamlit",
        ServerKind::Jupyter => "jupyter",
        ServerKind::Airflow => "airflow",
        ServerKind::Mlflow => "mlflow",
        ServerKind::Python => "python",
    }
}

/// `1 worker`, `4 workers`.
pub fn count(number: u32, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

fn modules_in_words(repository: &Repository, workload: &Workload) -> Option<String> {
    let (first, rest) = workload.modules.split_first()?;
    let path = &repository.file(*first).source.path;
    Some(if rest.is_empty() {
        path.clone()
    } else {
        format!("{path} and {}", count(rest.len() as u32, "other module"))
    })
}

fn limits_in_words(limits: &Limits) -> String {
    let mut parts = Vec::new();
    if let Some(cpu) = &limits.cpu {
        parts.push(format!("cpu {}", cpu_in_words(cpu.value)));
    }
    if let Some(request) = &limits.cpu_request {
        parts.push(format!("cpu request {}", cpu_in_words(request.value)));
    }
    if let Some(memory) = &limits.memory {
        parts.push(format!("memory {}", bytes_in_words(memory.value)));
    }
    if let Some(pids) = &limits.pids {
        parts.push(format!("pids {}", pids.value));
    }
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(", ")
    }
}

/// `500m`, `2`.
pub fn cpu_in_words(millicpu: u64) -> String {
    if millicpu.is_multiple_of(1000) {
        (millicpu / 1000).to_string()
    } else {
        format!("{millicpu}m")
    }
}

/// `512Mi`, `1.5Gi`.
pub fn bytes_in_words(bytes: u64) -> String {
    for (shift, unit) in [(30, "Gi"), (20, "Mi"), (10, "Ki")] {
        if bytes >= 1 << shift {
            let value = bytes as f64 / (1_u64 << shift) as f64;
            let text = format!("{value:.1}");
            return format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text));
        }
    }
    format!("{bytes} B")
}

fn probes_in_words(workload: &Workload) -> Option<String> {
    let probes = &workload.probes;
    let said = [
        ("liveness", &probes.liveness),
        ("readiness", &probes.readiness),
        ("startup", &probes.startup),
    ];
    let parts: Vec<String> = said
        .iter()
        .filter_map(|(name, probe)| Some(format!("{name} {}", probe_in_words(probe.as_ref()?))))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

fn probe_in_words(probe: &Probe) -> String {
    format!("{} in {} s", cut(&probe.action, 24), probe.timeout.0)
}

fn stop_in_words(workload: &Workload) -> String {
    let life = &workload.life;
    let mut parts = vec![format!(
        "grace {} s{}",
        life.grace,
        if life.grace_at.is_none() {
            " (default)"
        } else {
            ""
        }
    )];
    if let Some(pre_stop) = &life.pre_stop {
        parts.push(pre_stop.value.map_or("preStop".to_owned(), |seconds| {
            format!("preStop {seconds} s")
        }));
    }
    if let Some(signal) = &life.stop_signal {
        parts.push(signal.value.clone());
    }
    if life.service.is_some() {
        parts.push("behind a Service".to_owned());
    }
    if life.is_finite || workload.ends {
        parts.push("ends by itself".to_owned());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_in_a_manifest() {
        assert_eq!(cpu_in_words(500), "500m");
        assert_eq!(cpu_in_words(2000), "2");
        assert_eq!(bytes_in_words(512 << 20), "512Mi");
        assert_eq!(bytes_in_words(3 << 29), "1.5Gi");
        assert_eq!(bytes_in_words(100), "100 B");
    }

    #[test]
    fn no_line_is_longer_than_a_hundred_columns() {
        let line = spread(&"→ä".repeat(100), "k8s/web.yaml:12");
        assert_eq!(line.trim_end().chars().count(), COLUMNS);
        assert!(line.ends_with("k8s/web.yaml:12\n"));
        assert_eq!(spread("a", ""), "a\n");
    }
}
