//! Signals by name and number, as Linux numbers them on x86, Arm, RISC-V, POWER and s390 (`signal(7)`).

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A signal number, 1–64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(u8);

/// The names of signals 1–31, in order.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// SIGRTMIN as programs see it: the C library keeps 32 and 33 for itself.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

impl Signal {
    /// Hang-up.
    pub const HUP: Self = Self(1);
    /// Interrupt from the keyboard.
    pub const INT: Self = Self(2);
    /// Quit from the keyboard.
    pub const QUIT: Self = Self(3);
    /// Kill; cannot be caught.
    pub const KILL: Self = Self(9);
    /// For the application's own use.
    pub const USR1: Self = Self(10);
    /// For the application's own use.
    pub const USR2: Self = Self(12);
    /// A pipe that nobody reads was written to.
    pub const PIPE: Self = Self(13);
    /// Termination: what `docker stop` and kubelet send unless told otherwise.
    pub const TERM: Self = Self(15);
    /// A child ended or stopped.
    pub const CHLD: Self = Self(17);
    /// Continue.
    pub const CONT: Self = Self(18);
    /// Stop; cannot be caught.
    pub const STOP: Self = Self(19);
    /// Stop from the keyboard.
    pub const TSTP: Self = Self(20);
    /// A background process read from the terminal.
    pub const TTIN: Self = Self(21);
    /// A background process wrote to the terminal.
    pub const TTOU: Self = Self(22);

    /// The signal of this number; `None` outside 1–64.
    pub fn new(number: i32) -> Option<Self> {
        u8::try_from(number)
            .ok()
            .filter(|number| (1..=64).contains(number))
            .map(Self)
    }

    /// Its number.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }

    /// Whether a supervisor passes it on: all but KILL and STOP (which cannot be caught), CHLD (which is about our own
    /// children), and 32 and 33 (which are the C library's).
    pub fn is_forwarded(self) -> bool {
        !matches!(self, Self::KILL | Self::STOP | Self::CHLD) && !matches!(self.0, 32 | 33)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => write!(f, "SIG{name}"),
            None if self.0 < RTMIN => write!(f, "signal {}", self.0),
            None if self.0 == RTMIN => f.write_str("SIGRTMIN"),
            None => write!(f, "SIGRTMIN+{}", self.0 - RTMIN),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What could not be read as a signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no signal: give a name such as TERM or SIGUSR1, RTMIN+1, or a number from 1 to 64"
)]
pub struct ParseSignalError(String);

impl FromStr for Signal {
    type Err = ParseSignalError;

    /// Reads `TERM`, `SIGTERM`, `term`, `15`, `RTMIN`, `RTMIN+3`, `RTMAX-2`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseSignalError(text.to_owned());
        let upper = text.trim().to_ascii_uppercase();
        if upper.bytes().all(|byte| byte.is_ascii_digit()) {
            return upper.parse().ok().and_then(Self::new).ok_or_else(error);
        }
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(index) = NAMES.iter().position(|known| *known == name) {
            return Ok(Self(index as u8 + 1));
        }
        let offset = |rest: &str, sign: char| match rest.strip_prefix(sign) {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse::<u8>().ok()
            }
            None if rest.is_empty() => Some(0),
            _ => None,
        };
        let number = match name {
            "CLD" => Some(Self::CHLD.0),
            "POLL" => Some(29),
            "IOT" => Some(6),
            _ => name
                .strip_prefix("RTMIN")
                .and_then(|rest| offset(rest, '+'))
                .and_then(|more| RTMIN.checked_add(more))
                .or_else(|| {
                    name.strip_prefix("RTMAX")
                        .and_then(|rest| offset(rest, '-'))
                        .and_then(|less| RTMAX.checked_sub(less))
                })
                .filter(|number| (RTMIN..=RTMAX).contains(number)),
        };
        number.map(Self).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_forwarded_signal_is_read_back_from_its_own_name() {
        for signal in (1..=64)
            .filter_map(Signal::new)
            .filter(|signal| signal.is_forwarded())
        {
            assert_eq!(signal.to_string().parse(), Ok(signal));
            assert_eq!(signal.number().to_string().parse(), Ok(signal));
        }
        assert_eq!(
            (1..=64)
                .filter_map(Signal::new)
                .filter(|signal| signal.is_forwarded())
                .count(),
            59
        );
    }

    #[test]
    fn names_are_read_as_people_write_them() {
        for text in ["TERM", "SIGTERM", "term", "sigterm", "15", " TERM "] {
            assert_eq!(text.parse(), Ok(Signal::TERM));
        }
        assert_eq!("RTMIN+3".parse(), Ok(Signal(37)));
        assert_eq!("RTMAX".parse(), Ok(Signal(64)));
        for text in [
            "",
            "0",
            "65",
            "TERMINATE",
            "RTMIN+31",
            "RTMAX-31",
            "RTMIN+",
            "RTMIN-1",
            "-15",
            "SIG",
        ] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            if let Ok(signal) = text.parse::<Signal>() {
                prop_assert!((1..=64).contains(&signal.number()));
            }
        }
    }
}
