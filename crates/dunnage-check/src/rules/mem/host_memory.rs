use crate::finding::{Confidence, Finding, Severity};
use crate::parse::python::{Call, Value};
use crate::rules::python::{self, Code};
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Source;

rule! {
    /// ## What it finds
    /// `psutil.virtual_memory()` and `os.sysconf("SC_PHYS_PAGES")` in a calculation, a comparison or an option. A value that
    /// is only logged or exported is worth a note, not a warning.
    ///
    /// ## Why
    /// Both read the node's memory (`/proc/meminfo`). A container is killed at its memory limit, `memory.max` of its
    /// cgroup: a cache of a quarter of 256 GiB in a container of 2 GiB is an OOM kill, and "60 % free" is true of the node
    /// while the container is at its limit. psutil does not read the limit (7.2 was looked at).
    ///
    /// ## Example
    /// ```python
    /// cache_bytes = psutil.virtual_memory().total // 4
    /// ```
    ///
    /// ## Instead
    /// ```python
    /// memory = dunnage.memory()
    /// cache_bytes = (memory.limit or psutil.virtual_memory().total) // 4
    /// ```
    /// or a size from the deployment, beside the limit.
    ///
    /// ## Fix
    /// None: without a limit the answer is another one, and the code has to say which.
    ///
    /// ## References
    /// - <https://psutil.readthedocs.io/en/latest/#psutil.virtual_memory>
    /// - <https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files>
    pub(super) static RULE = {
        id: "MEM010",
        name: "host-memory",
        title: "a size is taken from the node's memory",
        family: Family::Mem,
        severity: Severity::Warning,
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

fn check(context: &Context<'_>, found: &mut Vec<Finding>) {
    for code in python::code(context) {
        // Who reads the cgroup too knows what it does.
        if reads_limit(&code) {
            continue;
        }
        let source = &context.repository.file(code.file).source;
        for call in code.module.calls.iter().filter(|call| is_of_node(call)) {
            let written = source.slice(call.callee.span);
            let limit = code.memory_limit();
            let message = match limit {
                Some((_, bytes, _)) => format!(
                    "{written}() tells the node's memory, not the limit of {} MiB",
                    bytes >> 20
                ),
                None => format!(
                    "{written}() tells the node's memory, whatever the container's limit is"
                ),
            };
            let mut finding = Finding::new(&RULE, call.at, message);
            if !is_computed_with(source, call) {
                finding = finding.severity(Severity::Info);
            }
            finding = code.found(finding);
            if let Some((workload, bytes, at)) = limit {
                finding = finding
                    .of(&workload.name)
                    .because(at, format!("the memory limit is {} MiB", bytes >> 20));
            }
            let fix = python::told_by_run("ask dunnage.memory(), whose limit is the container's");
            found.push(finding.fix(fix));
        }
    }
}

fn is_of_node(call: &Call) -> bool {
    match call.name.as_str() {
        "psutil.virtual_memory" => true,
        "os.sysconf" => call.arguments.first().is_some_and(
            |argument| matches!(&argument.value, Value::Text(name) if name.ends_with("PHYS_PAGES")),
        ),
        _ => false,
    }
}

/// Does the module know of cgroups: names their files, or asks dunnage?
fn reads_limit(code: &Code<'_>) -> bool {
    let names_cgroup =
        |value: &Value| matches!(value, Value::Text(text) if text.contains("/cgroup"));
    let arguments = code.module.calls.iter().flat_map(|call| &call.arguments);
    code.module.imports("dunnage")
        || code
            .module
            .assignments
            .iter()
            .any(|(_, value, _)| names_cgroup(value))
        || code
            .module
            .locals
            .iter()
            .any(|local| names_cgroup(&local.value))
        || arguments
            .into_iter()
            .any(|argument| names_cgroup(&argument.value))
}

/// Is the number used for something: next to an operator, or in a call as an argument that is a size?
fn is_computed_with(source: &Source, call: &Call) -> bool {
    let text = &source.text;
    let (start, end) = (call.at.span.start as usize, call.at.span.end as usize);
    let after = text[end..]
        .trim_start_matches(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | ' '));
    let before = text[..start].trim_end_matches([' ', '(']);
    let is_operator = |c: char| matches!(c, '*' | '/' | '<' | '>' | '-' | '+' | '%');
    // `==` compares, `=` alone only names it; a comment or a line's end is none of both.
    after.starts_with(is_operator) || before.ends_with(is_operator)
}
