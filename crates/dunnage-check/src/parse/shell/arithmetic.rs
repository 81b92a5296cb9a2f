//! `$((…))` where every name in it is known: integers, `+ - * / %` and brackets. Anything else (a command, a comparison, an
//! assignment) is not computed, and the text stays as it is written.

/// Brackets in brackets are looked into so far.
const MAX_NESTED: u32 = 16;

/// The value of what stands between `$((` and `))`. `lookup` is what a name holds.
pub(super) fn value<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> Option<i64> {
    let mut reader = Reader {
        rest: text,
        lookup,
        depth: 0,
    };
    let value = reader.sum()?;
    reader.rest.trim().is_empty().then_some(value)
}

struct Reader<'t, F> {
    rest: &'t str,
    lookup: F,
    depth: u32,
}

impl<'a, F: Fn(&str) -> Option<&'a str>> Reader<'_, F> {
    /// Takes one of these letters away.
    fn take(&mut self, letters: &[char]) -> Option<char> {
        let rest = self.rest.trim_start();
        let letter = rest.chars().next().filter(|next| letters.contains(next))?;
        self.rest = &rest[letter.len_utf8()..];
        Some(letter)
    }

    fn sum(&mut self) -> Option<i64> {
        let mut value = self.product()?;
        while let Some(sign) = self.take(&['+', '-']) {
            let other = self.product()?;
            value = match sign {
                '+' => value.checked_add(other)?,
                _ => value.checked_sub(other)?,
            };
        }
        Some(value)
    }

    fn product(&mut self) -> Option<i64> {
        let mut value = self.atom()?;
        while let Some(sign) = self.take(&['*', '/', '%']) {
            let other = self.atom()?;
            value = match sign {
                '*' => value.checked_mul(other)?,
                '/' => value.checked_div(other)?,
                _ => value.checked_rem(other)?,
            };
        }
        Some(value)
    }

    fn atom(&mut self) -> Option<i64> {
        if self.take(&['(']).is_some() {
            self.depth += 1;
            let value = if self.depth <= MAX_NESTED {
                self.sum()?
            } else {
                return None;
            };
            self.depth -= 1;
            return self.take(&[')']).map(|_| value);
        }
        let is_braced = self.take(&['$']).is_some() && self.take(&['{']).is_some();
        let rest = self.rest.trim_start();
        let ends = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
        let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        self.rest = after;
        if is_braced {
            self.take(&['}'])?;
        }
        let is_name = word.starts_with(|first: char| !first.is_ascii_digit());
        number(if is_name { (self.lookup)(word)? } else { word })
    }
}

/// A decimal number; one that begins with a 0 is another base's.
fn number(text: &str) -> Option<i64> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_octal = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|_| is_decimal && !is_octal)
}

#[cfg(test)]
mod tests {
    use super::value;
    use proptest::prelude::*;

    fn of(text: &str) -> Option<i64> {
        value(text, |name| match name {
            "CORES" => Some("4"),
            "EMPTY" => Some(""),
            _ => None,
        })
    }

    #[test]
    fn sums_and_products_of_known_names_are_computed() {
        assert_eq!(of("2 * CORES + 1"), Some(9));
        assert_eq!(of("2*$CORES+1"), Some(9));
        assert_eq!(of(" 2 * (${CORES} + 1) "), Some(10));
        assert_eq!(of("7 / 2 - 10 % 4"), Some(1));
    }

    #[test]
    fn what_is_not_known_or_not_read_is_not_computed() {
        for text in [
            "2 * $(nproc) + 1",
            "2 * OTHER",
            "2 * EMPTY",
            "${CORES:-2}",
            "CORES > 2",
            "1 / 0",
            "010",
            "9223372036854775807 + 1",
            "2 *",
            "",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[-+*/%(){}$A-Z0-9 ]{0,60}") {
            let _ = of(&text);
            let _ = of(&"(".repeat(1000));
        }
    }
}
