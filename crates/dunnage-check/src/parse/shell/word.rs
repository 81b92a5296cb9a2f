//! One word of a shell text, without its quotes. Nothing is expanded: `$NAME` and `$(…)` stay as they are written.

/// The word that begins at `start`: its text, and where it ends. A word that a quote or a substitution leaves open ends
/// with the text. Empty range if there is none.
pub(in crate::parse) fn read(text: &str, start: usize) -> (String, usize) {
    let bytes = text.as_bytes();
    let mut result = Vec::new();
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => break,
            b'\\' => at = escape(bytes, at, &mut result),
            b'\'' => {
                let end = find(bytes, at + 1, b'\'');
                result.extend_from_slice(&bytes[at + 1..end]);
                at = (end + 1).min(bytes.len());
            }
            b'"' => at = double_quoted(bytes, at + 1, &mut result),
            b'$' | b'`' => at = dollar(bytes, at, &mut result),
            _ => {
                result.push(byte);
                at += 1;
            }
        }
    }
    // quotes and backslashes are single bytes, so what is left of a text is text
    (String::from_utf8_lossy(&result).into_owned(), at)
}

/// Is the text at `at` a line that goes on: a backslash before a newline?
pub(super) fn continues(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..) {
        Some([b'\\', b'\n', ..]) => Some(at + 2),
        Some([b'\\', b'\r', b'\n', ..]) => Some(at + 3),
        _ => None,
    }
}

/// Where a substitution ends that begins at `at` with `$(`, `${` or a backtick. Brackets and quotes within are counted.
pub(super) fn substitution(bytes: &[u8], at: usize) -> usize {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'$'), Some(b'(')) => closing(bytes, vec![b')'], at + 2),
        (Some(b'$'), Some(b'{')) => closing(bytes, vec![b'}'], at + 2),
        (Some(b'`'), _) => closing(bytes, vec![b'`'], at + 1),
        _ => at + 1,
    }
}

/// Where all of what is open is closed again, from `at` on. The ends that are awaited, the innermost last.
fn closing(bytes: &[u8], mut open: Vec<u8>, mut at: usize) -> usize {
    while let (Some(&within), Some(&byte)) = (open.last(), bytes.get(at)) {
        let next = bytes.get(at + 1).copied();
        at += 1;
        match (byte, within) {
            (b'\\', _) => at += 1,
            _ if byte == within => {
                open.pop();
            }
            (b'$', _) if next == Some(b'(') => {
                open.push(b')');
                at += 1;
            }
            (b'$', _) if next == Some(b'{') => {
                open.push(b'}');
                at += 1;
            }
            (_, b'"') => {}
            (b'\'', b')') => at = find(bytes, at, b'\'') + 1,
            (b'(', b')') => open.push(b')'),
            (b'"', _) => open.push(b'"'),
            _ => {}
        }
    }
    at.min(bytes.len())
}

/// Does a word say another thing without its quotes, since a `$` or a `*` in them stands for itself: `'$1'`, `"*"`?
pub(super) fn needs_quotes(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    let is_pattern = |byte: &u8| matches!(byte, b'*' | b'?' | b'[');
    let is_special = |byte: &u8| is_pattern(byte) || matches!(byte, b'$' | b'`');
    let (mut at, mut is_double) = (0, false);
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            b'\\' if bytes.get(at + 1).is_some_and(is_special) => return true,
            b'\\' => at + 2,
            b'\'' if !is_double => {
                let end = find(bytes, at + 1, b'\'');
                if bytes[at + 1..end].iter().any(is_special) {
                    return true;
                }
                end + 1
            }
            b'"' => {
                is_double = !is_double;
                at + 1
            }
            b'$' | b'`' => substitution(bytes, at),
            byte if is_double && is_pattern(byte) => return true,
            _ => at + 1,
        };
    }
    false
}

fn find(bytes: &[u8], from: usize, wanted: u8) -> usize {
    bytes
        .get(from..)
        .and_then(|rest| rest.iter().position(|byte| *byte == wanted))
        .map_or(bytes.len(), |found| from + found)
}

fn escape(bytes: &[u8], at: usize, result: &mut Vec<u8>) -> usize {
    if let Some(next) = continues(bytes, at) {
        return next;
    }
    match bytes.get(at + 1) {
        // the rest of a character of more bytes follows by itself
        Some(byte) => {
            result.push(*byte);
            at + 2
        }
        None => at + 1,
    }
}

/// In double quotes a backslash is one but before these.
pub(super) fn is_escapable(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b'"' | b'\\' | b'$' | b'`' | b'\n' | b'\r'))
}

fn double_quoted(bytes: &[u8], mut at: usize, result: &mut Vec<u8>) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' if is_escapable(bytes.get(at + 1)) => at = escape(bytes, at, result),
            b'$' | b'`' => at = dollar(bytes, at, result),
            _ => {
                result.push(byte);
                at += 1;
            }
        }
    }
    at
}

fn dollar(bytes: &[u8], at: usize, result: &mut Vec<u8>) -> usize {
    let end = substitution(bytes, at);
    result.extend_from_slice(&bytes[at..end]);
    end
}

/// Where brackets end that open at `at`.
pub(super) fn bracketed(bytes: &[u8], at: usize) -> usize {
    // as `$(`, whose first byte is not looked at again
    closing(bytes, vec![b')'], at + 1)
}

/// Where `((…))` ends that opens at `at`.
pub(super) fn arithmetic(bytes: &[u8], at: usize) -> usize {
    closing(bytes, vec![b')', b')'], at + 2)
}
