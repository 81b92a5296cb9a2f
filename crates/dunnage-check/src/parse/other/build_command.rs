//! `docker build` in a script: what it builds, and how that is called.

/// One build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Build {
    pub(super) tags: Vec<String>,
    pub(super) file: Option<String>,
    pub(super) target: Option<String>,
    pub(super) context: String,
}

/// The builds in a script's text.
pub(super) fn find(script: &str) -> Vec<Build> {
    let script = script.replace("\\\r\n", " ").replace("\\\n", " ");
    script
        .lines()
        .flat_map(|line| line.split(['|', ';']).flat_map(|part| part.split("&&")))
        .filter_map(|command| {
            let mut words = command
                .split_whitespace()
                .map(|word| word.trim_matches(['"', '\'']));
            let tool = words.find(|word| {
                matches!(
                    word.rsplit('/').next(),
                    Some("docker" | "podman" | "buildah" | "nerdctl" | "executor")
                )
            })?;
            let words: Vec<&str> = words.collect();
            read(tool, &words)
        })
        .filter(|build| !build.tags.is_empty())
        .collect()
}

fn read(tool: &str, words: &[&str]) -> Option<Build> {
    if tool.ends_with("executor") {
        return Some(options(words));
    }
    let verb = words
        .iter()
        .position(|word| matches!(*word, "build" | "bud"))
        .filter(|verb| {
            words[..*verb]
                .iter()
                .all(|word| matches!(*word, "buildx" | "image"))
        })?;
    Some(options(&words[verb + 1..]))
}

/// Options of docker, podman and kaniko, and the last word that is none.
fn options(words: &[&str]) -> Build {
    let mut build = Build::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) if name.starts_with('-') => (name, Some(value)),
            _ => (*word, None),
        };
        if !name.starts_with('-') {
            (*word).clone_into(&mut build.context);
            continue;
        }
        if !takes_value(name) {
            continue;
        }
        let value = joined.or_else(|| words.next().copied()).unwrap_or_default();
        let value = value.trim_matches(['"', '\'']).to_owned();
        match name {
            "-t" | "--tag" | "--destination" | "-d" => build.tags.push(value),
            "-f" | "--file" | "--dockerfile" => build.file = Some(value),
            "--target" => build.target = Some(value),
            "--context" | "-c" => build.context = value,
            _ => {}
        }
    }
    if build.context.is_empty() {
        ".".clone_into(&mut build.context);
    }
    build
}

/// Options that are followed by a value; those that are not known are taken as switches.
fn takes_value(name: &str) -> bool {
    matches!(
        name,
        "-t" | "--tag"
            | "-f"
            | "--file"
            | "--target"
            | "--build-arg"
            | "--platform"
            | "--label"
            | "--cache-from"
            | "--cache-to"
            | "--network"
            | "--secret"
            | "--ssh"
            | "--progress"
            | "--output"
            | "-o"
            | "--builder"
            | "--destination"
            | "-d"
            | "--dockerfile"
            | "--context"
            | "-c"
            | "--add-host"
            | "--provenance"
    )
}
