//! Servers of the Model Context Protocol that a program makes with FastMCP, of the package `mcp` or `fastmcp`. Over stdin, the
//! default, such a server lives as long as who started it holds the other end; over HTTP it is uvicorn that runs.

use crate::parse::python::{Call, Module, Value};

/// By what its requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One process asks, by a pipe.
    Stdin,
    /// By HTTP, or by what the files do not tell.
    Http,
}

/// None where the module runs no such server.
pub fn transport(module: &Module) -> Option<Transport> {
    let makes = ["mcp.server.fastmcp", "fastmcp"];
    if !makes.iter().any(|name| module.imports(name)) {
        return None;
    }
    let is_run = |call: &&Call| {
        let last = call.name.split_once('.').map(|(_, last)| last);
        matches!(last, Some("run" | "run_async"))
    };
    let call = module.calls.iter().find(is_run)?;
    let said = call
        .argument(0, "transport")
        .map(|argument| &argument.value);
    let is_stdin = match said {
        Some(Value::Text(text)) => text.as_str() == "stdio",
        Some(_) => false,
        None => !call.has_unpacking(),
    };
    Some(if is_stdin {
        Transport::Stdin
    } else {
        Transport::Http
    })
}
