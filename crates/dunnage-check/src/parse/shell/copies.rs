//! Variables that hold all arguments: `command="$@"; shift; exec $command`.

use super::read::Reader;

impl<'a> Reader<'a> {
    /// `="$@"` or `=("$@")` behind a name: does the variable hold all arguments from here on, whatever was run before?
    pub(super) fn copy_arguments(&mut self, name: &'a str, value: &str) {
        let value = value.trim_start_matches('=');
        let value = value.trim_matches(['(', ')', '"']);
        let is_all = matches!(value, "$@" | "${@}" | "$*" | "${*}");
        if is_all && self.depth == 0 && self.conditions == 0 {
            self.copies.insert(name);
        } else {
            self.copies.remove(name);
        }
    }

    /// What a word is: `$@` where it asks for such a variable and for nothing else.
    pub(super) fn copied_arguments(&self, word: String) -> String {
        let is_copy = variable(&word).is_some_and(|name| self.copies.contains(name));
        if is_copy { "$@".to_owned() } else { word }
    }
}

/// The name that a word asks for and nothing else: `$NAME`, `${NAME}`, `${NAME[@]}`.
fn variable(word: &str) -> Option<&str> {
    let rest = word.strip_prefix('$')?;
    let inner = rest
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let name = inner.unwrap_or(rest);
    Some(
        name.strip_suffix("[@]")
            .or_else(|| name.strip_suffix("[*]"))
            .unwrap_or(name),
    )
}
