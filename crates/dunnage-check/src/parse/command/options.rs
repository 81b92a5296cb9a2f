//! What the options of a server's command line say.

use super::binding::may_say_more;
use super::syntax::{Means, Syntax, syntax};
use super::{Filled, Origin, Server, ServerKind, Word};
use crate::source::{Location, Stated};

impl Server {
    /// Is it a Celery worker whose tasks run in processes of their own?
    pub fn forks_for_tasks(&self) -> bool {
        let subcommand = self.subcommand.as_ref().map(|word| word.value.as_str());
        let pool = self.worker_class.as_ref().map(|pool| pool.value.as_str());
        self.kind == ServerKind::Celery
            && subcommand == Some("worker")
            && matches!(pool, None | Some("prefork" | "processes"))
    }

    /// A server of which nothing but its kind and its place is known.
    pub(super) fn new(kind: ServerKind, at: Location) -> Self {
        Self {
            kind,
            at: Some(at),
            ..Self::default()
        }
    }

    /// Takes in the words that follow the server's name.
    pub(super) fn take_options(&mut self, words: &[Word]) {
        let syntax = syntax(self.kind);
        let mut rest = words;
        let mut seen = 0;
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            let text = word.text.as_str();
            if !text.starts_with('-') || text == "-" {
                self.take_word(word, seen, syntax);
                seen += 1;
                continue;
            }
            let (name, value) = split(text, syntax);
            if syntax.development.contains(&name) && !matches!(value, Some("False" | "false")) {
                self.development.get_or_insert(word.at);
            }
            self.preload |= name == "--preload";
            self.dies_on_term |= name == "--die-on-term";
            if syntax.flags.contains(&name) || text == "--" {
                continue;
            }
            let (value, at, filled) = match (value, rest.split_first()) {
                (Some(value), _) => (value, word.at, &word.filled),
                (None, Some((next, after))) if !next.text.starts_with("--") => {
                    rest = after;
                    let span = word.at.span.to(next.at.span);
                    let file = word.at.file;
                    (next.text.as_str(), Location { file, span }, &next.filled)
                }
                _ => continue,
            };
            let means = syntax.known.iter().find(|(known, _)| *known == name);
            if let Some((_, means)) = means {
                let at = self.origin(name, value, at, filled);
                self.set(*means, name, value, at);
            }
        }
        if may_say_more(words) && self.binding.is_none() {
            self.binding.get_or_insert_default().is_unclear = true;
        }
    }

    /// Where a value is written: the option's own place, or that of the variable that it is.
    fn origin(&mut self, name: &str, value: &str, asked: Location, filled: &[Filled]) -> Location {
        let [variable] = filled else {
            return asked;
        };
        if !variable.value.contains(value) {
            return asked;
        }
        let note = format!("{name} is ${}", variable.name);
        self.origins.push(Origin {
            at: variable.at,
            asked,
            note,
        });
        variable.at
    }

    fn take_word(&mut self, word: &Word, seen: usize, syntax: &Syntax) {
        let stated = || Stated::new(word.text.clone(), word.at);
        if word.text.contains(['$', '`']) {
            self.binding.get_or_insert_default().is_unclear = true;
        }
        if syntax.has_subcommand && seen == 0 {
            self.subcommand = Some(Box::new(stated()));
        } else if syntax.takes_app && seen == usize::from(syntax.has_subcommand) {
            self.app.get_or_insert_with(stated);
        } else if self.kind == ServerKind::Django {
            // `runserver 0.0.0.0:8000`
            let binding = self.binding.get_or_insert_default();
            binding.set(Means::Address, stated());
        }
    }

    fn set(&mut self, means: Means, name: &str, value: &str, at: Location) {
        let text = || Stated::new(value.to_owned(), at);
        if matches!(
            means,
            Means::Host | Means::Port | Means::Address | Means::Elsewhere
        ) {
            self.binding.get_or_insert_default().set(means, text());
            return;
        }
        if value.contains('$') {
            self.unknown.push(name.to_owned());
            return;
        }
        // `1.5` seconds is as good as 1 here
        let whole = value.split('.').next().unwrap_or_default();
        let number = whole.parse().ok().map(|number| Stated::new(number, at));
        match means {
            Means::App => self.app = Some(text()),
            Means::WorkerClass => self.worker_class = Some(Box::new(text())),
            Means::WorkerTmpDir => self.worker_tmp_dir = Some(Box::new(text())),
            Means::Config => self.config = Some(Box::new(text())),
            Means::Workers => self.workers = number,
            Means::Threads => self.threads = number,
            Means::Timeout => self.timeout = number,
            Means::GracefulTimeout => self.graceful_timeout = number,
            Means::MaxRequests => self.max_requests = number,
            Means::Host | Means::Port | Means::Address | Means::Elsewhere => {}
        }
    }
}

/// `--name=value`, `-w4`, or a name alone.
fn split<'a>(text: &'a str, syntax: &Syntax) -> (&'a str, Option<&'a str>) {
    if text.starts_with("--") {
        return text
            .split_once('=')
            .map_or((text, None), |(name, value)| (name, Some(value)));
    }
    let short = text.char_indices().nth(2).map_or(text.len(), |(at, _)| at);
    let (name, value) = text.split_at(short);
    if value.is_empty()
        || syntax.flags.contains(&text)
        || syntax.known.iter().any(|(known, _)| *known == text)
    {
        return (text, None);
    }
    (name, Some(value.strip_prefix('=').unwrap_or(value)))
}
