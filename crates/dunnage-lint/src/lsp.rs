//! `dunnage lsp`: the findings of `check` in an editor, by the Language Server Protocol on stdin and stdout.
//!
//! One thread reads messages, this one answers. Edits are looked at when none has come for a moment; a question is answered
//! from the text as it is at that time. What is open in the editor stands over what is on disk, and all files of a folder
//! are looked at together, as by `check`. No message ends the server but `exit`, and only files below the editor's folders
//! are read.

mod places;
mod server;
mod show;
mod wire;
mod workspace;

use std::io::{self, BufReader};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use clap::Args;

use server::Server;
use wire::Incoming;

/// How long edits are waited for before files are looked at.
const QUIET: Duration = Duration::from_millis(200);

/// How many messages wait to be read: then the editor waits.
const MAX_WAITING: usize = 64;

/// Serve the findings of `check`, rule documentation and fixes to an editor over stdin and stdout (Language Server
/// Protocol). See docs/editor.md
#[derive(Debug, Args)]
pub struct LspCommand {
    /// Given by some editors, and the only way: a language server speaks over stdin and stdout
    #[arg(long)]
    stdio: bool,
}

/// Serves until the editor leaves. The code is 0 if it said goodbye as it should.
pub fn run(_args: &LspCommand) -> anyhow::Result<ExitCode> {
    let (sender, receiver) = sync_channel(MAX_WAITING);
    std::thread::Builder::new()
        .name("lsp-reader".to_owned())
        .spawn(move || read_all(&sender))?;
    let mut server = Server::new(io::stdout().lock());
    serve(&mut server, &receiver)?;
    Ok(ExitCode::from(u8::from(!server.was_asked_to_stop())))
}

fn read_all(sender: &SyncSender<Incoming>) {
    let mut stdin = BufReader::new(io::stdin());
    while let Ok(Some(incoming)) = wire::read(&mut stdin) {
        if sender.send(incoming).is_err() {
            return;
        }
    }
}

/// An error is the editor's end of the pipe.
fn serve(server: &mut Server<impl io::Write>, receiver: &Receiver<Incoming>) -> io::Result<()> {
    loop {
        let next = if server.is_dirty() {
            receiver.recv_timeout(QUIET)
        } else {
            receiver.recv().map_err(RecvTimeoutError::from)
        };
        match next {
            Ok(incoming) => server.take(incoming)?,
            Err(RecvTimeoutError::Timeout) => server.publish()?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if server.is_over() {
            return Ok(());
        }
    }
}
