//! Requests to a server on a Unix socket.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a request, on a connection of its own, is answered with 200.
pub(super) fn is_answered(socket: &Path, path: &str) -> bool {
    // a server that is killed in the middle of it leaves half a status line or none
    ask(socket, path).is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200 "))
}

fn ask(socket: &Path, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // in one piece: a server may answer and close after the first
    let request = format!("GET {path} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_is_not_answered_is_lost_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for (stream, answer) in
                listener
                    .incoming()
                    .zip(["", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1."])
            {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 256]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let answered = [(); 3].map(|()| is_answered(&socket, "/"));
        assert_eq!(answered, [false, true, false]);
        assert!(!is_answered(&folder.path().join("nobody"), "/"));
    }
}
