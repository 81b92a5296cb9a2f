//! Messages over a pipe: `Content-Length`, an empty line, JSON. What is not a message is passed over; only the end of the
//! pipe ends it.

use std::io::{self, BufRead, Read, Write};

use serde_json::{Value, json};

/// A longer message is not read: the longest hold the text of one file.
const MAX_BYTES: u64 = 128 << 20;

/// A longer line is no header.
const MAX_HEADER: u64 = 4096;

/// What came.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    Message(Value),
    /// Something that is not a message, and why.
    Bad(String),
}

/// The next message; none at the end of the pipe.
pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Incoming>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        let count = Read::by_ref(reader)
            .take(MAX_HEADER)
            .read_until(b'\n', &mut line)?;
        if count == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        match (line.split_once(':'), length) {
            (Some((name, value)), _) if name.trim().eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse::<u64>().ok();
            }
            (None, Some(length)) if line.is_empty() => return body(reader, length),
            // other headers, and lines between messages
            _ => {}
        }
    }
}

fn body(reader: &mut impl BufRead, length: u64) -> io::Result<Option<Incoming>> {
    let mut part = Read::by_ref(reader).take(length);
    if length > MAX_BYTES {
        io::copy(&mut part, &mut io::sink())?;
        return Ok(Some(Incoming::Bad(format!(
            "a message of {length} bytes is too long"
        ))));
    }
    let mut bytes = Vec::new();
    part.read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Ok(None);
    }
    Ok(Some(match serde_json::from_slice(&bytes) {
        Ok(value) => Incoming::Message(value),
        Err(error) => Incoming::Bad(error.to_string()),
    }))
}

/// Writes a message.
pub fn write(writer: &mut impl Write, message: &Value) -> io::Result<()> {
    let text = message.to_string();
    write!(writer, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    writer.flush()
}

/// The answer to a request.
pub fn answer(id: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// The answer to a request that cannot be met. The id is null if there is none.
pub fn refusal(id: &Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

/// A message that wants no answer.
pub fn notification(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(mut bytes: &[u8]) -> Vec<Incoming> {
        std::iter::from_fn(|| read(&mut bytes).unwrap()).collect()
    }

    #[test]
    fn messages_are_read_one_after_the_other() {
        let mut pipe = Vec::new();
        write(&mut pipe, &json!({"a": "\u{e9}"})).unwrap();
        pipe.extend(b"content-length:2\r\nContent-Type: x\r\n\r\n[]");
        assert_eq!(
            read_all(&pipe),
            [
                Incoming::Message(json!({"a": "\u{e9}"})),
                Incoming::Message(json!([]))
            ]
        );
    }

    #[test]
    fn what_is_no_message_is_passed_over() {
        let pipe = b"rubbish\n\r\nContent-Length: 3\r\n\r\n{x}Content-Length: -1\r\n\r\nContent-Length: 2\r\n\r\n{}";
        let read = read_all(pipe);
        assert!(
            matches!(&read[..], [Incoming::Bad(_), Incoming::Message(_)]),
            "{read:?}"
        );
    }

    #[test]
    fn a_message_that_is_cut_off_or_too_long_takes_no_memory() {
        assert!(read_all(b"Content-Length: 99999999\r\n\r\n{}").is_empty());
        let read = read_all(b"Content-Length: 18446744073709551615\r\n\r\n{}");
        assert!(matches!(&read[..], [Incoming::Bad(_)]), "{read:?}");
    }
}
