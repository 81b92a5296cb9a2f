//! Where a command line tells its server to listen, as it is written: `--host`, `--port`, `--bind`.

use super::{Word, syntax::Means};
use crate::source::Stated;

/// Words of a command line about addresses. A variable that is not known stays in them as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binding {
    /// A host alone.
    pub host: Option<Stated<String>>,
    /// A port alone.
    pub port: Option<Stated<String>>,
    /// Host and port together, one for each socket.
    pub addresses: Vec<Stated<String>>,
    /// A Unix socket or a descriptor takes the place of a port.
    pub is_elsewhere: bool,
    /// There are words that may say anything (`$OPTIONS`), so that what is not said here may be said there.
    pub is_unclear: bool,
}

impl Binding {
    /// Takes in an option.
    pub(super) fn set(&mut self, means: Means, value: Stated<String>) {
        match means {
            Means::Host => self.host = Some(value),
            Means::Port => self.port = Some(value),
            Means::Address => self.addresses.push(value),
            Means::Elsewhere => self.is_elsewhere = true,
            _ => {}
        }
    }

    /// The first port that is said as a number.
    pub fn port(&self) -> Option<u16> {
        let alone = self.port.iter().map(|port| port.value.as_str());
        let last = |address: &Stated<String>| address.value.rsplit(':').next().map(str::to_owned);
        let joined = self.addresses.iter().filter_map(last);
        let mut said = alone.map(str::to_owned).chain(joined);
        said.find_map(|port| port.parse().ok())
    }
}

/// May a word be an address, or hold one, that no option was read from?
pub(super) fn may_say_more(words: &[Word]) -> bool {
    words.iter().any(|word| {
        let text = word.text.as_str();
        text.contains("0.0.0.0")
            || ["-b", "--bind", "--host"]
                .iter()
                .any(|option| text.starts_with(option))
    })
}
