//! Reading a command line as `getopt_long(3)` does in its POSIX order: options end at the first word that is not one.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// An option that a program knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Its letter.
    pub(super) letter: u8,
    /// Its long name; empty where it has none.
    pub(super) name: &'static str,
    /// Whether it takes a value.
    pub(super) takes_value: bool,
}

/// An option that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given<'a> {
    /// Its letter, whichever way it was written.
    pub(super) letter: u8,
    /// Its value; empty where it takes none.
    pub(super) value: &'a [u8],
}

/// A command line that is being read.
pub(super) struct Options<'a> {
    known: &'a [Known],
    words: &'a [OsString],
    /// Letters left of a word such as `-sgv`.
    letters: &'a [u8],
}

impl<'a> Options<'a> {
    /// `words` are the arguments without the program's own name.
    pub(super) fn new(known: &'a [Known], words: &'a [OsString]) -> Self {
        Self {
            known,
            words,
            letters: &[],
        }
    }

    /// The next option, or what is wrong with it; `None` at the end of the options.
    pub(super) fn next(&mut self) -> Option<Result<Given<'a>, String>> {
        if self.letters.is_empty() {
            let (word, rest) = self.words.split_first()?;
            let letters = word
                .as_bytes()
                .strip_prefix(b"-")
                .filter(|letters| !letters.is_empty())?;
            self.words = rest;
            if letters == b"-" {
                return None;
            }
            match letters.strip_prefix(b"-") {
                Some(long) if self.known.iter().any(|known| !known.name.is_empty()) => {
                    return Some(self.take_long(long));
                }
                _ => self.letters = letters,
            }
        }
        Some(self.take_letter())
    }

    /// What follows the options: the command.
    pub(super) fn rest(self) -> &'a [OsString] {
        self.words
    }

    fn take_letter(&mut self) -> Result<Given<'a>, String> {
        let (letter, rest) = self
            .letters
            .split_first()
            .map_or((b'-', [].as_slice()), |(letter, rest)| (*letter, rest));
        self.letters = rest;
        let Some(known) = self.known.iter().find(|known| known.letter == letter) else {
            return Err(format!("unknown option -{}", letter.escape_ascii()));
        };
        if !known.takes_value {
            return Ok(Given { letter, value: &[] });
        }
        let value = if rest.is_empty() {
            self.take_word()
        } else {
            Some(rest)
        };
        self.letters = &[];
        let value =
            value.ok_or_else(|| format!("option -{} needs a value", letter.escape_ascii()))?;
        Ok(Given { letter, value })
    }

    /// A long option may be cut short as long as it can mean only one.
    fn take_long(&mut self, text: &'a [u8]) -> Result<Given<'a>, String> {
        let (name, value) = match text.iter().position(|byte| *byte == b'=') {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let shown = OsStr::from_bytes(name).display();
        let candidates = || {
            self.known
                .iter()
                .filter(|known| known.name.as_bytes().starts_with(name))
        };
        let exact = candidates().find(|known| known.name.as_bytes() == name);
        let known = match (exact, candidates().count()) {
            (Some(known), _) => *known,
            (None, 0) => return Err(format!("unknown option --{shown}")),
            (None, 1) => candidates().next().copied().ok_or_else(String::new)?,
            (None, _) => {
                let names: Vec<_> = candidates()
                    .map(|known| format!("--{}", known.name))
                    .collect();
                return Err(format!("option --{shown} can mean {}", names.join(" or ")));
            }
        };
        let value = match (known.takes_value, value) {
            (false, None) => &[],
            (false, Some(_)) => return Err(format!("option --{} takes no value", known.name)),
            (true, Some(value)) => value,
            (true, None) => self
                .take_word()
                .ok_or_else(|| format!("option --{} needs a value", known.name))?,
        };
        Ok(Given {
            letter: known.letter,
            value,
        })
    }

    fn take_word(&mut self) -> Option<&'a [u8]> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(word.as_bytes())
    }
}

/// Reads the integer at the start of `text` as `strtol(3)` does in base 10, and what follows it. White space and a sign
/// may come before it, it saturates at the ends of `i64`. Without a digit it is 0 and nothing has been read.
pub(super) fn leading_integer(text: &[u8]) -> (i64, &[u8]) {
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let unspaced = text
        .iter()
        .position(|byte| !is_space(*byte))
        .map_or(text, |at| &text[at..]);
    let (negative, digits) = match unspaced.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, unspaced),
    };
    let length = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if length == 0 {
        return (0, text);
    }
    let (digits, rest) = digits.split_at(length);
    let value = digits.iter().fold(0_i64, |value, digit| {
        let digit = i64::from(digit - b'0');
        value
            .saturating_mul(10)
            .saturating_add(if negative { -digit } else { digit })
    });
    (value, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KNOWN: &[Known] = &[
        Known {
            letter: b'a',
            name: "all",
            takes_value: false,
        },
        Known {
            letter: b'b',
            name: "allow",
            takes_value: true,
        },
    ];

    fn words(text: &[&str]) -> Vec<OsString> {
        text.iter().map(OsString::from).collect()
    }

    /// An option with its value, or the message.
    type Step = Result<(char, String), String>;

    fn read(text: &[&str]) -> (Vec<Step>, Vec<String>) {
        let words = words(text);
        let mut options = Options::new(KNOWN, &words);
        let mut given = Vec::new();
        while let Some(option) = options.next() {
            let option = option.map(|option| {
                (
                    char::from(option.letter),
                    String::from_utf8(option.value.to_vec()).unwrap(),
                )
            });
            let bad = option.is_err();
            given.push(option);
            if bad {
                break;
            }
        }
        (
            given,
            options
                .rest()
                .iter()
                .map(|word| word.to_str().unwrap().to_owned())
                .collect(),
        )
    }

    #[allow(clippy::unnecessary_wraps, reason = "it stands beside messages")]
    fn option(letter: char, value: &str) -> Step {
        Ok((letter, value.to_owned()))
    }

    #[test]
    fn options_end_at_two_dashes_or_at_the_first_word_that_is_none() {
        assert_eq!(
            read(&["-a", "x", "-a"]),
            (vec![option('a', "")], vec!["x".to_owned(), "-a".to_owned()])
        );
        assert_eq!(read(&["-a", "--", "--", "-a"]).1, ["--", "-a"]);
        assert_eq!(
            read(&["-", "-a"]),
            (vec![], vec!["-".to_owned(), "-a".to_owned()])
        );
        assert_eq!(read(&["", "-a"]).1, ["", "-a"]);
        assert_eq!(read(&["-a"]).1, [""; 0]);
    }

    #[test]
    fn values_stand_beside_their_option_or_after_it() {
        for text in [&["-aab", "7"] as &[_], &["-aab7"]] {
            assert_eq!(
                read(text).0,
                [option('a', ""), option('a', ""), option('b', "7")]
            );
        }
        for text in [&["--allow", "7"] as &[_], &["--allow=7"], &["--allo=7"]] {
            assert_eq!(read(text).0, [option('b', "7")]);
        }
        assert_eq!(
            read(&["-b", "--", "x"]),
            (vec![option('b', "--")], vec!["x".to_owned()])
        );
        assert_eq!(read(&["--allow="]).0, [option('b', "")]);
    }

    #[test]
    fn a_long_name_may_be_cut_short_while_it_is_clear() {
        assert_eq!(
            read(&["--all"]).0,
            [option('a', "")],
            "a whole name is always clear"
        );
        assert_eq!(
            read(&["--al"]).0,
            [Err("option --al can mean --all or --allow".to_owned())]
        );
        assert_eq!(
            read(&["--allows"]).0,
            [Err("unknown option --allows".to_owned())]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, message) in [
            (&["-ax"] as &[_], "unknown option -x"),
            (&["-b"], "option -b needs a value"),
            (&["--allow"], "option --allow needs a value"),
            (&["--all=1"], "option --all takes no value"),
        ] {
            assert_eq!(read(text).0.pop(), Some(Err(message.to_owned())));
        }
    }

    #[test]
    fn integers_are_read_as_the_c_library_reads_them() {
        let read = |text: &'static str| {
            let (value, rest) = leading_integer(text.as_bytes());
            (value, std::str::from_utf8(rest).unwrap())
        };
        assert_eq!(read("7"), (7, ""));
        assert_eq!(read(" \t+07 "), (7, " "));
        assert_eq!(read("-0x7"), (0, "x7"));
        assert_eq!(read("-15:3"), (-15, ":3"));
        for none in ["", " ", "+", "- 1", "x"] {
            assert_eq!(read(none), (0, none));
        }
        assert_eq!(read("99999999999999999999"), (i64::MAX, ""));
        assert_eq!(read("-99999999999999999999"), (i64::MIN, ""));
    }

    proptest! {
        #[test]
        fn reading_ends_and_the_rest_is_the_tail(
            words in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'-'), Just(b'a'), Just(b'b'), any::<u8>()], 0..6), 0..6),
        ) {
            let words: Vec<OsString> = words.iter().map(|word| OsStr::from_bytes(word).to_owned()).collect();
            let mut options = Options::new(KNOWN, &words);
            let mut steps = 0;
            while options.next().is_some_and(|option| option.is_ok()) {
                steps += 1;
                prop_assert!(steps <= 40);
            }
            let rest = options.rest();
            prop_assert_eq!(rest, &words[words.len() - rest.len()..]);
        }

        #[test]
        fn no_text_makes_the_integer_panic(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let (_, rest) = leading_integer(&text);
            prop_assert!(text.ends_with(rest));
        }
    }
}
