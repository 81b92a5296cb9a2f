//! What can be told once all of a script was read: where it ends, and what it set.

use super::read::{Ends, MAX_DEPTH, Reader};

impl Reader<'_> {
    pub(super) fn mark_ends(&mut self, mut ends: Ends) {
        let mut seen = 0;
        while let Some(index) = ends.pop() {
            let Some(command) = self.script.commands.get_mut(index) else {
                continue;
            };
            command.is_last = !command.is_background;
            seen += 1;
            // a function that is called last ends where its body ends; each is looked into once
            if seen <= MAX_DEPTH
                && let Some(body) = self.functions.remove(command.words[0].text.as_str())
            {
                command.is_last = false;
                ends.extend(body);
            }
        }
        for command in &mut self.script.commands {
            command.is_last |= command.has_exec && !command.is_background && !command.is_piped;
        }
    }

    pub(super) fn look_at_settings(&mut self) {
        let script = &mut self.script;
        script.exits_on_error = script
            .interpreter
            .iter()
            .skip(1)
            .any(|word| sets_exit(word));
        // `#!/bin/bash -o pipefail` is not passed as two words by the kernel, so only `set` counts
        let mut may_have_failed = false;
        for command in &script.commands {
            let words: Vec<&str> = command
                .words
                .iter()
                .map(|word| word.text.as_str())
                .collect();
            match words[..] {
                ["set", ref options @ ..] if !may_have_failed && command.depth == 0 => {
                    script.exits_on_error |= options
                        .iter()
                        .any(|option| sets_exit(option) || *option == "errexit");
                    script.has_pipefail |= options.contains(&"pipefail");
                }
                ["trap", handler, ref signals @ ..] if handler != "-" && !signals.is_empty() => {
                    let names = signals.iter().map(|name| signal_name(name)).collect();
                    script.traps.push((names, command.at));
                }
                _ => may_have_failed |= !command.is_aside(),
            }
        }
    }
}

/// `-e`, `-euo`: an option among whose letters is `e`.
fn sets_exit(option: &str) -> bool {
    option
        .strip_prefix('-')
        .is_some_and(|letters| !letters.starts_with('-') && letters.contains('e'))
}

fn signal_name(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    match name {
        "15" => "TERM".to_owned(),
        "2" => "INT".to_owned(),
        "1" => "HUP".to_owned(),
        "3" => "QUIT".to_owned(),
        "0" => "EXIT".to_owned(),
        _ => name.to_owned(),
    }
}
