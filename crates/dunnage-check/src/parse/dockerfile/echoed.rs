//! What `echo` and `printf` write, where their words are constant: with the place of each part, so that a script that is
//! written so can be pointed into and mended.

use super::Shell;
use super::lines::NOTHING;
use std::ops::Range;

/// A part of what is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes as they stand from there on.
    Same(String, usize),
    /// What those bytes stand for.
    Made(&'static str, Range<usize>),
}

/// A character with the place that it is written at.
type Placed = (char, usize);

/// What a command writes; `words` are its arguments as they are written, each with its place in the file. None where that
/// depends on anything, or is not the same in each shell.
pub(super) fn written(name: &str, words: &[(&str, usize)], shell: Shell) -> Option<Vec<Piece>> {
    let texts: Vec<Vec<Placed>> = words
        .iter()
        .map(|(raw, at)| constant(raw, *at))
        .collect::<Option<_>>()?;
    let mut pieces = Pieces::default();
    match name {
        "echo" => echo(&texts, shell, &mut pieces)?,
        "printf" => printf(&texts, &mut pieces)?,
        _ => return None,
    }
    Some(pieces.done)
}

/// A word without its quotes, if the shell takes it as it is written, quotes and backslashes aside.
fn constant(raw: &str, start: usize) -> Option<Vec<Placed>> {
    let mut found = Vec::new();
    let mut quote = None;
    let letters = raw.char_indices().filter(|(_, letter)| *letter != NOTHING);
    let mut letters = letters.map(|(at, letter)| (letter, start + at)).peekable();
    while let Some((letter, at)) = letters.next() {
        match (letter, quote) {
            ('\\', None) => found.extend(letters.next()),
            ('\\', Some('"')) => match letters.next_if(|next| "\"\\$`".contains(next.0)) {
                Some(escaped) => found.push(escaped),
                None => found.push((letter, at)),
            },
            ('\'' | '"', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            ('$' | '`', None | Some('"')) | ('*' | '?' | '~', None) => return None,
            _ => found.push((letter, at)),
        }
    }
    Some(found)
}

/// Which `echo` reads escapes is different in each shell: dash's does, the others' does after `-e`.
fn echo(words: &[Vec<Placed>], shell: Shell, pieces: &mut Pieces) -> Option<()> {
    let is = |word: &[Placed], text: &str| word.iter().map(|(letter, _)| *letter).eq(text.chars());
    let asks = words.first().is_some_and(|word| is(word, "-e"));
    let reads = match (asks, shell) {
        (true, Shell::Bash | Shell::Busybox) | (false, Shell::Dash) => true,
        (true, _) => return None,
        (false, _) => false,
    };
    let words = &words[usize::from(asks)..];
    let has_option = words
        .first()
        .is_some_and(|word| matches!(word.first(), Some(('-', _))));
    let has_escape = words.iter().flatten().any(|(letter, _)| *letter == '\\');
    if has_option || (has_escape && !reads && shell != Shell::Bash && shell != Shell::Busybox) {
        return None;
    }
    let mut end = 0;
    for (index, word) in words.iter().enumerate() {
        if let (true, Some((_, at))) = (index > 0, word.first()) {
            pieces.made(" ", *at..*at);
        }
        pieces.text(word, reads, false)?;
        end = word
            .last()
            .map_or(end, |(letter, at)| at + letter.len_utf8());
    }
    pieces.made("\n", end..end);
    Some(())
}

/// A format without arguments, or `%s\n` for each of them.
fn printf(words: &[Vec<Placed>], pieces: &mut Pieces) -> Option<()> {
    let (format, lines) = words.split_first()?;
    if lines.is_empty() {
        return pieces.text(format, true, true);
    }
    if !format.iter().map(|(letter, _)| *letter).eq("%s\\n".chars()) {
        return None;
    }
    for line in lines {
        pieces.text(line, false, false)?;
        let end = line.last().map_or(0, |(letter, at)| at + letter.len_utf8());
        pieces.made("\n", end..end);
    }
    Some(())
}

#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
}

impl Pieces {
    fn made(&mut self, text: &'static str, from: Range<usize>) {
        self.done.push(Piece::Made(text, from));
    }

    fn same(&mut self, (letter, at): Placed) {
        match self.done.last_mut() {
            Some(Piece::Same(text, start)) if *start + text.len() == at => text.push(letter),
            _ => self.done.push(Piece::Same(letter.to_string(), at)),
        }
    }

    /// A text, its escapes read or not.
    fn text(&mut self, text: &[Placed], reads_escapes: bool, reads_percent: bool) -> Option<()> {
        let mut letters = text.iter().copied().peekable();
        while let Some((letter, at)) = letters.next() {
            match letter {
                '\\' if reads_escapes => {
                    let (next, place) = *letters.peek()?;
                    let made = match next {
                        'n' => "\n",
                        't' => "\t",
                        '\\' => "\\",
                        // other escapes, and what each shell does in its own way
                        _ if next.is_ascii_alphanumeric() || reads_percent => return None,
                        _ => {
                            self.same((letter, at));
                            continue;
                        }
                    };
                    letters.next();
                    self.made(made, at..place + 1);
                }
                '%' if reads_percent => {
                    letters.next_if(|(next, _)| *next == '%')?;
                    self.made("%", at..at + 2);
                }
                _ => self.same((letter, at)),
            }
        }
        Some(())
    }
}
