//! An HTTP request over a socket in a case's out folder.

use super::run::TICK;
use std::io::ErrorKind::ConnectionRefused;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// One request; the answer's status code, or what was wrong.
pub(crate) fn request(socket: &Path, path: &str, patience: Duration) -> String {
    let ask = || -> std::io::Result<String> {
        let mut stream = connect(socket, Instant::now() + patience)?;
        stream.set_read_timeout(Some(patience))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    match ask() {
        Ok(answer) => answer.split(' ').nth(1).unwrap_or("no answer").to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Connects as soon as somebody listens: a server may bind its socket, and say that it has started, before it listens
/// (uvicorn with workers does), and until then a connection is refused.
fn connect(socket: &Path, end: Instant) -> std::io::Result<UnixStream> {
    loop {
        match UnixStream::connect(socket) {
            Err(error) if error.kind() == ConnectionRefused && Instant::now() < end => sleep(TICK),
            connected => return connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::net::UnixListener;
    use std::thread::spawn;

    #[test]
    fn a_request_waits_for_a_server_that_has_bound_its_socket_but_does_not_listen_yet() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        // nobody listens on what a closed listener leaves behind: connecting is refused, as before listen()
        drop(UnixListener::bind(&socket).unwrap());
        let refused = UnixStream::connect(&socket).unwrap_err();
        assert_eq!(refused.kind(), ConnectionRefused);
        let asked = socket.clone();
        let answer = spawn(move || request(&asked, "/", Duration::from_mins(1)));
        let later = folder.path().join("later");
        let listener = UnixListener::bind(&later).unwrap();
        fs::rename(&later, &socket).unwrap();
        let (stream, _) = listener.accept().unwrap();
        // read to its end: closing a socket with unread bytes resets it
        let asked = BufReader::new(&stream).lines().map(Result::unwrap);
        assert!(asked.take_while(|line| !line.is_empty()).count() > 0);
        (&stream)
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .unwrap();
        drop(stream);
        assert_eq!(answer.join().unwrap(), "204");
    }

    #[test]
    fn a_request_to_a_server_that_never_listens_ends_with_its_patience() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        drop(UnixListener::bind(&socket).unwrap());
        let answer = request(&socket, "/", Duration::from_millis(50));
        assert!(answer.contains("refused"), "{answer}");
    }
}
