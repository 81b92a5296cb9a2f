//! On which addresses a process listens: its descriptors beside `/proc/PID/net/tcp` and `tcp6` (proc_pid_net(5)).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use dunnage_sys::read_bounded;

use crate::commands::doctor::facts::Sockets;

/// The most of a table that is read. The kernel lists those that listen first (`tcp_seq_start` in net/ipv4/tcp_ipv4.c), so
/// that a node's thousands of connections behind them do no harm.
const MOST_TABLE: u64 = 256 << 10;
/// The most addresses that are kept.
const MOST_ADDRESSES: usize = 20;
/// `TCP_LISTEN` in include/net/tcp_states.h.
const LISTEN: &str = "0A";

/// One that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listener {
    address: IpAddr,
    port: u16,
    inode: u64,
}

/// Where a process listens that has these sockets; `None` where the tables may not be read.
pub(super) fn read_sockets(pid: i32, own: &BTreeSet<u64>) -> Option<Sockets> {
    let table = |name: &str| read_table(&PathBuf::from(format!("/proc/{pid}/net/{name}")));
    let mut listeners = table("tcp")?;
    // a kernel without IPv6 has no such file
    listeners.extend(table("tcp6").unwrap_or_default());
    Some(sort(&listeners, own))
}

fn sort(listeners: &[Listener], own: &BTreeSet<u64>) -> Sockets {
    let (own, others): (Vec<&Listener>, Vec<&Listener>) = listeners
        .iter()
        .partition(|listener| own.contains(&listener.inode));
    let is_outside = |listener: &&&Listener| !is_loopback(listener.address);
    let outside = own.iter().filter(is_outside).count();
    let text = |listener: &&Listener| match listener.address {
        IpAddr::V4(address) => format!("{address}:{}", listener.port),
        IpAddr::V6(address) => format!("[{address}]:{}", listener.port),
    };
    Sockets {
        own: own.iter().map(text).take(MOST_ADDRESSES).collect(),
        own_outside: outside as u32,
        others_outside: others.iter().filter(is_outside).count() as u32,
    }
}

/// 127.0.0.0/8, ::1, and the first of these as IPv6 writes it.
fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
    }
}

fn read_table(path: &Path) -> Option<Vec<Listener>> {
    let mut bytes = Vec::with_capacity(4096);
    read_bounded(path, MOST_TABLE, &mut bytes).ok()?;
    Some(parse(&String::from_utf8_lossy(&bytes)))
}

/// The lines of those that listen; the first line is a head, and one that is cut off is left out.
fn parse(table: &str) -> Vec<Listener> {
    let lines = table.lines().skip(1);
    lines
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = fields[..] else {
                return None;
            };
            let (address, port) = local.split_once(':')?;
            Some(Listener {
                address: parse_address(address)?,
                port: u16::from_str_radix(port, 16).ok()?,
                inode: inode.parse().ok()?,
            })
        })
        .collect()
}

/// Each group of 32 bits is printed as the machine's number of what lies in memory in network order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    if text.len() == 8 {
        return Some(IpAddr::V4(Ipv4Addr::from(word(0)?)));
    }
    let mut octets = [0; 16];
    for (at, part) in octets.chunks_exact_mut(4).enumerate() {
        part.copy_from_slice(&word(at)?);
    }
    (text.len() == 32).then(|| IpAddr::V6(Ipv6Addr::from(octets)))
}

#[cfg(test)]
mod tests {
    use super::super::descriptors::Descriptors;
    use super::*;

    #[test]
    fn of_a_table_those_that_listen_are_known_by_address_port_and_inode() {
        let four = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                       0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41 1 0 100 0 0 10 0\n\
                       1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 42 1 0 100 0 0 10 0\n\
                       2: 0100007F:1F40 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 43 1 0 100 0 0 10 0\n\
                       3: 0100007F:1F\n";
        let six = "head\n   0: 00000000000000000000000001000000:1F40 00000000000000000000000000000000:0000 0A 0:0 0:0 0 1000 0 44\n\
                   1: 0000000000000000FFFF00000100007F:1F41 0:0 0A 0:0 0:0 0 1000 0 45\n";
        // the tables above are those of a little-endian machine
        if cfg!(target_endian = "big") {
            return;
        }
        let found: Vec<Listener> = [parse(four), parse(six)].concat();
        let own = BTreeSet::from([41, 44, 45]);
        assert_eq!(
            sort(&found, &own),
            Sockets {
                own: vec![
                    "127.0.0.1:8000".to_owned(),
                    "[::1]:8000".to_owned(),
                    "[::ffff:127.0.0.1]:8001".to_owned()
                ],
                own_outside: 0,
                others_outside: 1,
            }
        );
        assert_eq!(sort(&found, &BTreeSet::from([42])).own_outside, 1);
    }

    #[test]
    fn a_socket_of_ours_is_found_where_it_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let pid = dunnage_sys::current_pid();
        let open = Descriptors::read(pid).unwrap();
        let sockets = read_sockets(pid, &open.sockets).unwrap();
        assert!(sockets.own.contains(&address), "{sockets:?}");
        assert_eq!(sockets.own_outside, 0);
    }

    #[test]
    fn no_text_panics() {
        for text in [
            "",
            "a\n0: :",
            "a\n0: é:é x 0A a b c d e f",
            "a\n0: 0:0 0 0A 0 0 0 0 0 é",
        ] {
            assert!(parse(text).is_empty());
        }
    }
}
