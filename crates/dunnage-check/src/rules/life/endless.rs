//! Does a piece of Python go on for as long as somebody listens? Read from its lines: a loop without an end, and what its
//! body does.

/// Is there a loop without an end whose body yields, as a generator for a stream has it?
pub(super) fn yields_for_ever(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().filter(|line| is_code(line)).collect();
    (0..lines.len()).any(|index| {
        let body = body(&lines, index);
        let mut words = body.iter().map(|line| line.trim_start());
        is_endless(lines[index].trim())
            && words.any(|line| line.starts_with("yield"))
            && !ends(body)
    })
}

/// Does a handler of a WebSocket never receive, and wait without a limit for a queue, an event or a subscription?
pub(super) fn waits_beside_the_client(text: &str) -> bool {
    const WAITS: [&str; 4] = [".get()", ".listen()", ".wait()", "get_message("];
    const RECEIVES: [&str; 5] = [".receive", ".iter_", "wait_for(", "timeout=", "timeout("];
    let lines = || text.lines().filter(|line| is_code(line));
    let awaits = |line: &str| line.contains("await ") || line.contains("async for ");
    text.contains(".websocket(")
        && lines().any(|line| awaits(line) && WAITS.iter().any(|wait| line.contains(wait)))
        && !RECEIVES.iter().any(|word| text.contains(word))
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

fn is_endless(head: &str) -> bool {
    let polls = head.starts_with("while not await ") && head.ends_with("is_disconnected():");
    let listens = head.starts_with("async for ") && head.ends_with(".listen():");
    matches!(head, "while True:" | "while 1:") || polls || listens
}

/// The lines below a head that are indented further.
fn body<'a>(lines: &'a [&'a str], head: usize) -> &'a [&'a str] {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let outer = indent(lines[head]);
    let below = &lines[head + 1..];
    let end = below.iter().position(|line| indent(line) <= outer);
    &below[..end.unwrap_or(below.len())]
}

/// Does it leave the loop by itself? Not where only a client that went away or an exception makes it.
fn ends(body: &[&str]) -> bool {
    let leaves = |line: &str| {
        let line = line.trim();
        line == "break"
            || line == "return"
            || line.starts_with("return ")
            || line.starts_with("raise ")
    };
    (0..body.len()).any(|index| {
        let before = index.checked_sub(1).map_or("", |before| body[before]);
        let is_forced = before.contains("is_disconnected") || before.trim().starts_with("except");
        leaves(body[index]) && !is_forced
    })
}

#[cfg(test)]
mod tests {
    use super::{waits_beside_the_client, yields_for_ever};

    #[test]
    fn a_generator_is_endless_where_only_its_client_or_an_exception_ends_it() {
        assert!(yields_for_ever(
            "async def g():\n    while True:\n        yield 1\n        await sleep(1)\n"
        ));
        assert!(yields_for_ever(
            "    while True:\n        if await request.is_disconnected():\n            break\n        yield 1\n"
        ));
        assert!(yields_for_ever(
            "    async for message in pubsub.listen():\n        yield message\n"
        ));
        assert!(!yields_for_ever(
            "    while True:\n        chunk = read()\n        if not chunk:\n            break\n        yield chunk\n"
        ));
        assert!(!yields_for_ever(
            "    while True:\n        work()\ndef g():\n    yield 1\n"
        ));
        assert!(!yields_for_ever(
            "    for word in answer:\n        yield word\n"
        ));
        assert!(!yields_for_ever("while True:"));
    }

    #[test]
    fn a_handler_that_receives_ends_with_its_socket() {
        let waits =
            "@app.websocket('/x')\nasync def x(ws):\n    await ws.send_text(await queue.get())\n";
        assert!(waits_beside_the_client(waits));
        assert!(!waits_beside_the_client(&format!(
            "{waits}    await ws.receive_text()\n"
        )));
        assert!(!waits_beside_the_client(
            "async def x(queue):\n    await queue.get()\n"
        ));
    }
}
