//! Packet sockets between processes of one machine: `AF_UNIX`, `SOCK_SEQPACKET` (`unix(7)`).
//!
//! Everything is non-blocking and close-on-exec, and a peer that has gone raises no SIGPIPE. Descriptors that a peer
//! sends along are never taken: without room for control messages the kernel closes them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Who is at the other end, as the kernel noted when it connected (`SO_PEERCRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its process id in our PID namespace; 0 where it has none there.
    pub pid: i32,
    /// Its effective user id in our user namespace.
    pub uid: u32,
}

/// What a look for a packet found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// No packet yet.
    Nothing,
    /// The other end is closed (an empty packet looks the same).
    Closed,
    /// A packet of that many bytes.
    Packet(usize),
    /// A packet that did not fit; it is lost.
    TooLong,
}

/// A socket that is listened on.
#[derive(Debug)]
pub struct PacketListener(OwnedFd);

/// One connection.
#[derive(Debug)]
pub struct PacketConnection(OwnedFd);

fn own(result: libc::c_int) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: plain integers.
    own(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })
}

/// The address of a path; the kernel has room for 107 bytes.
fn address(path: &Path) -> io::Result<libc::sockaddr_un> {
    let bytes = path.as_os_str().as_bytes();
    let mut address = libc::sockaddr_un {
        sun_family: libc::AF_UNIX as libc::sa_family_t,
        sun_path: [0; 108],
    };
    if bytes.is_empty() || bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a socket's path has 1 to 107 bytes",
        ));
    }
    for (slot, byte) in address.sun_path.iter_mut().zip(bytes) {
        *slot = *byte as libc::c_char;
    }
    Ok(address)
}

/// How many may wait to be accepted, as far as net.core.somaxconn allows: a pool of workers connects all at once, and
/// those who do not want to wait are refused when this is full.
const BACKLOG: libc::c_int = 1024;

const ADDRESS_SIZE: libc::socklen_t = size_of::<libc::sockaddr_un>() as libc::socklen_t;

impl PacketListener {
    /// Makes the socket file `path`, which must not exist (a link there is not followed), and listens on it.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let address = address(path)?;
        let socket = socket()?;
        // SAFETY: the descriptor is open; the address is valid for the call and its size is its own.
        check(unsafe {
            libc::bind(
                socket.as_raw_fd(),
                (&raw const address).cast(),
                ADDRESS_SIZE,
            )
        })?;
        // SAFETY: plain integers.
        check(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) })?;
        Ok(Self(socket))
    }

    /// The next connection that waits, if any.
    pub fn accept(&self) -> io::Result<Option<PacketConnection>> {
        let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: the descriptor is open; null pointers mean that the peer's address is not wanted.
        let result = unsafe {
            libc::accept4(
                self.0.as_raw_fd(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                flags,
            )
        };
        match own(result) {
            Ok(fd) => Ok(Some(PacketConnection(fd))),
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EAGAIN | libc::EINTR | libc::ECONNABORTED)
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl PacketConnection {
    /// Connects to the socket file `path`; an error where nobody listens or too many wait.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let address = address(path)?;
        let socket = socket()?;
        // SAFETY: as for bind.
        check(unsafe {
            libc::connect(
                socket.as_raw_fd(),
                (&raw const address).cast(),
                ADDRESS_SIZE,
            )
        })?;
        Ok(Self(socket))
    }

    /// Who is at the other end.
    pub fn peer(&self) -> io::Result<Peer> {
        let mut credentials = libc::ucred {
            pid: 0,
            uid: u32::MAX,
            gid: u32::MAX,
        };
        let mut size = size_of::<libc::ucred>() as libc::socklen_t;
        // SAFETY: the descriptor is open; the structure and its size are valid for the call, and the kernel writes at
        // most that size.
        check(unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut credentials).cast(),
                &raw mut size,
            )
        })?;
        Ok(Peer {
            pid: credentials.pid,
            uid: credentials.uid,
        })
    }

    /// Sends a packet whole; `false` where there is no room now.
    pub fn send(&self, packet: &[u8]) -> io::Result<bool> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the descriptor is open; pointer and length are the slice's.
        let sent = unsafe {
            libc::send(
                self.0.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                flags,
            )
        };
        if sent >= 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) => Ok(false),
            _ => Err(error),
        }
    }

    /// Takes the next packet into `buffer`.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: the descriptor is open; pointer and length are the slice's. With MSG_TRUNC the result may exceed the
        // length, never what is written.
        let got = unsafe {
            libc::recv(
                self.0.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                flags,
            )
        };
        match usize::try_from(got) {
            Ok(0) => Ok(Received::Closed),
            Ok(size) if size <= buffer.len() => Ok(Received::Packet(size)),
            Ok(_) => Ok(Received::TooLong),
            Err(_) => {
                let error = io::Error::last_os_error();
                match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::EINTR) => Ok(Received::Nothing),
                    _ => Err(error),
                }
            }
        }
    }
}

impl AsFd for PacketListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for PacketConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(folder: &Path) -> (PacketListener, PacketConnection, PacketConnection) {
        let path = folder.join("socket");
        let listener = PacketListener::bind(&path).unwrap();
        let client = PacketConnection::connect(&path).unwrap();
        let server = listener.accept().unwrap().unwrap();
        (listener, client, server)
    }

    #[test]
    fn packets_arrive_whole_and_one_that_is_too_long_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let (_listener, client, server) = pair(folder.path());
        let mut buffer = [0; 8];
        assert_eq!(server.receive(&mut buffer).unwrap(), Received::Nothing);
        for packet in ["one", "12345678", "123456789", "two"] {
            assert!(client.send(packet.as_bytes()).unwrap());
        }
        let mut next = || server.receive(&mut buffer).unwrap();
        assert_eq!(next(), Received::Packet(3));
        assert_eq!(next(), Received::Packet(8));
        assert_eq!(next(), Received::TooLong);
        assert_eq!(next(), Received::Packet(3));
        drop(client);
        assert_eq!(next(), Received::Closed);
    }

    #[test]
    fn a_reader_that_does_not_read_makes_a_sender_give_up_not_wait() {
        let folder = tempfile::tempdir().unwrap();
        let (_listener, client, server) = pair(folder.path());
        let refused = (0..100_000).any(|_| !server.send(&[b'x'; 1024]).unwrap());
        assert!(refused);
        drop(client);
        assert!(server.send(b"x").is_err(), "and no SIGPIPE");
    }

    #[test]
    fn the_kernel_says_who_connected() {
        let folder = tempfile::tempdir().unwrap();
        let (_listener, _client, server) = pair(folder.path());
        assert_eq!(server.peer().unwrap().pid, crate::current_pid());
    }

    #[test]
    fn a_link_in_the_place_of_the_socket_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("socket"), folder.path().join("target"));
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(PacketListener::bind(&path).is_err());
        assert!(!target.exists());
    }

    #[test]
    fn a_path_that_does_not_fit_is_an_error() {
        let long = "x".repeat(108);
        for path in ["", "a\0b", long.as_str()] {
            assert!(PacketListener::bind(Path::new(path)).is_err());
        }
    }
}
