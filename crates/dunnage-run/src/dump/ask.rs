//! The side of `dunnage dump`.

use std::os::fd::AsFd;
use std::time::Duration;

use dunnage_policy::message::MAX_PACKET;
use dunnage_python::ProcessDump;
use dunnage_sys::{Interest, PacketConnection, Received, poll};

use super::{Assembly, Part};

/// How long the supervisor may be silent.
const PATIENCE: Duration = Duration::from_secs(15);

/// The most bytes of an answer.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// Why the supervisor gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It says why.
    #[error("the supervisor says: {0}")]
    Refused(String),
    /// The connection broke, or was closed at once.
    #[error(
        "the supervisor closed the connection: another user's session is not let in, or it could make no thread to read"
    )]
    Closed,
    /// No packet for a long time.
    #[error("the supervisor has been silent for {} s", PATIENCE.as_secs())]
    Silent,
    /// Something else came.
    #[error("what the supervisor says is not understood: {0}")]
    Malformed(String),
}

/// Asks a supervisor for the tracebacks of these processes, or of all Python processes below it.
pub fn ask(supervisor: &PacketConnection, pids: &[i32]) -> Result<Vec<ProcessDump>, AskError> {
    let request = serde_json::json!({"op": "dump", "pids": pids}).to_string();
    if !matches!(supervisor.send(request.as_bytes()), Ok(true)) {
        return Err(AskError::Closed);
    }
    let mut assembly = Assembly::default();
    let mut buffer = vec![0; MAX_PACKET];
    let mut left = MAX_ANSWER;
    loop {
        let size = match supervisor.receive(&mut buffer) {
            Ok(Received::Packet(size)) => size,
            Ok(Received::TooLong) => MAX_PACKET + 1,
            Ok(Received::Closed) | Err(_) => return Err(AskError::Closed),
            Ok(Received::Nothing) => {
                let wanted = [Some((supervisor.as_fd(), Interest::Read))];
                if poll(&wanted, Some(PATIENCE)).is_ok_and(|ready| ready.has(0)) {
                    continue;
                }
                return Err(AskError::Silent);
            }
        };
        let packet = buffer
            .get(..size)
            .filter(|packet| packet.len() <= left)
            .ok_or_else(|| AskError::Malformed("it is too long".to_owned()))?;
        left -= size;
        let part: Part = serde_json::from_slice(packet)
            .map_err(|error| AskError::Malformed(error.to_string()))?;
        if !assembly.take(part).map_err(AskError::Refused)? {
            return Ok(assembly.processes);
        }
    }
}
