//! Where the application can be reached.

use super::{Status, Verdict};
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::words::is_web_server;

pub(super) fn sockets(facts: &Facts) -> Option<Verdict> {
    const NAME: &str = "sockets";
    let python = facts.python.as_ref()?;
    let sockets = python.sockets.as_ref()?;
    if sockets.own.is_empty() {
        return None;
    }
    let own = sockets.own.join(", ");
    let source = format!("/proc/{}/net/tcp", python.pid);
    if sockets.own_outside > 0 {
        return Some(Verdict::ok(NAME, format!("listens on {own}")));
    }
    if sockets.others_outside > 0 {
        let message = format!(
            "listens on {own}; others here listen on outer addresses and may ask it, as a proxy does"
        );
        return Some(Verdict::ok(NAME, message));
    }
    let message =
        format!("listens on {own} only: a Service, a probe and a port of the host are refused");
    let verdict = Verdict::by_rule(NAME, "NET001", message)
        .seen(source, own)
        .advise("listen on all addresses: --host 0.0.0.0, --bind 0.0.0.0:8000");
    Some(if is_web_server(&python.words) {
        verdict.but(
            Status::Warn,
            "whether somebody outside is to ask it cannot be seen in a container",
        )
    } else {
        verdict.but(
            Status::Info,
            "it may be the program's own, between its processes",
        )
    })
}
