//! The conversation: what the editor says and asks, and what it is told.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use dunnage_cli::output;
use serde_json::{Value, json};

use super::places::{Encoding, path_of, uri_of};
use super::show;
use super::wire::{Incoming, answer, notification, refusal, write};
use super::workspace::{Buffer, Workspace};

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const NOT_INITIALIZED: i32 = -32002;

/// How far the conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Open,
    AskedToStop,
    Over { was_asked: bool },
}

/// One editor's server.
pub struct Server<W> {
    editor: W,
    phase: Phase,
    encoding: Encoding,
    /// Does the editor watch files for us if we ask?
    can_watch: bool,
    workspaces: Vec<Workspace>,
}

impl<W: io::Write> Server<W> {
    pub fn new(editor: W) -> Self {
        Self {
            editor,
            phase: Phase::New,
            encoding: Encoding::Utf16,
            can_watch: false,
            workspaces: Vec::new(),
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// Did `shutdown` come before `exit`?
    pub fn was_asked_to_stop(&self) -> bool {
        matches!(
            self.phase,
            Phase::AskedToStop | Phase::Over { was_asked: true }
        )
    }

    pub fn is_dirty(&self) -> bool {
        self.phase == Phase::Open && self.workspaces.iter().any(Workspace::is_dirty)
    }

    /// Takes a message. An error is the editor's end of the pipe.
    pub fn take(&mut self, incoming: Incoming) -> io::Result<()> {
        let message = match incoming {
            Incoming::Message(message) => message,
            Incoming::Bad(why) => return self.send(&refusal(&Value::Null, PARSE_ERROR, &why)),
        };
        let (id, params) = (&message["id"], &message["params"]);
        match (message["method"].as_str(), id) {
            (Some(method), Value::Null) => self.notice(method, params),
            (Some(method), Value::Number(_) | Value::String(_)) => self.request(method, id, params),
            // an answer to something that we asked
            (None, Value::Number(_) | Value::String(_))
                if message.get("result").or(message.get("error")).is_some() =>
            {
                Ok(())
            }
            _ => self.send(&refusal(
                &Value::Null,
                INVALID_REQUEST,
                "this is no message",
            )),
        }
    }

    fn request(&mut self, method: &str, id: &Value, params: &Value) -> io::Result<()> {
        let reply = match (self.phase, method) {
            (Phase::New, "initialize") => answer(id, &self.initialize(params)),
            (Phase::New, _) => refusal(id, NOT_INITIALIZED, "initialize comes first"),
            (Phase::Open, "shutdown") => {
                self.phase = Phase::AskedToStop;
                answer(id, &Value::Null)
            }
            (Phase::Open, "textDocument/hover") => answer(id, &self.ask(params, show::hover)?),
            (Phase::Open, "textDocument/codeAction") => {
                answer(id, &self.ask(params, show::actions)?)
            }
            (Phase::Open, _) => {
                refusal(id, METHOD_NOT_FOUND, &format!("{method} is not known here"))
            }
            (Phase::AskedToStop | Phase::Over { .. }, _) => {
                refusal(id, INVALID_REQUEST, "the server was asked to stop")
            }
        };
        self.send(&reply)
    }

    fn notice(&mut self, method: &str, params: &Value) -> io::Result<()> {
        if method == "exit" {
            let was_asked = self.phase == Phase::AskedToStop;
            self.phase = Phase::Over { was_asked };
        }
        if self.phase != Phase::Open {
            return Ok(());
        }
        let document = &params["textDocument"];
        match method {
            "initialized" => self.watch()?,
            "textDocument/didOpen" => self.edit(document, &document["text"]),
            "textDocument/didChange" => {
                let last = params["contentChanges"]
                    .as_array()
                    .and_then(|changes| changes.last());
                self.edit(
                    document,
                    last.map_or(&Value::Null, |change| &change["text"]),
                );
            }
            "textDocument/didSave" => self.at(document, |workspace, path| workspace.touch(&path)),
            "textDocument/didClose" => self.at(document, |workspace, path| workspace.close(&path)),
            "workspace/didChangeWatchedFiles" => {
                for change in params["changes"].as_array().into_iter().flatten() {
                    self.at(change, |workspace, path| workspace.touch(&path));
                }
            }
            "workspace/didChangeWorkspaceFolders" => {
                for folder in params["event"]["removed"].as_array().into_iter().flatten() {
                    self.leave(folder)?;
                }
                for folder in params["event"]["added"].as_array().into_iter().flatten() {
                    self.enter(folder["uri"].as_str().unwrap_or_default());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn initialize(&mut self, params: &Value) -> Value {
        let folders = params["workspaceFolders"]
            .as_array()
            .filter(|folders| !folders.is_empty());
        match folders {
            Some(folders) => {
                for folder in folders {
                    self.enter(folder["uri"].as_str().unwrap_or_default());
                }
            }
            None => self.enter(params["rootUri"].as_str().unwrap_or_default()),
        }
        let capabilities = &params["capabilities"];
        let encodings = capabilities["general"]["positionEncodings"].as_array();
        if encodings.is_some_and(|known| known.iter().any(|one| one == "utf-8")) {
            self.encoding = Encoding::Utf8;
        }
        let watched = &capabilities["workspace"]["didChangeWatchedFiles"]["dynamicRegistration"];
        self.can_watch = watched == &Value::Bool(true);
        self.phase = Phase::Open;
        json!({
            "serverInfo": {"name": "dunnage", "version": env!("CARGO_PKG_VERSION")},
            "capabilities": {
                "positionEncoding": if self.encoding == Encoding::Utf8 { "utf-8" } else { "utf-16" },
                // whole texts: the files that are checked are small
                "textDocumentSync": {"openClose": true, "change": 1, "save": true},
                "hoverProvider": true,
                "codeActionProvider": {"codeActionKinds": ["quickfix"]},
                "workspace": {"workspaceFolders": {"supported": true, "changeNotifications": true}},
            },
        })
    }

    /// Asks the editor to tell what changes on disk: a branch that is checked out, a file that is added.
    fn watch(&mut self) -> io::Result<()> {
        if !self.can_watch {
            return Ok(());
        }
        let watchers = json!({"watchers": [{"globPattern": "**/*"}]});
        let registration = json!({"id": "files", "method": "workspace/didChangeWatchedFiles", "registerOptions": watchers});
        let params = json!({"registrations": [registration]});
        self.send(&json!({"jsonrpc": "2.0", "id": "watch", "method": "client/registerCapability", "params": params}))
    }

    fn enter(&mut self, uri: &str) {
        let Some(path) = path_of(uri) else {
            return;
        };
        let path: PathBuf = path.components().collect();
        if self
            .workspaces
            .iter()
            .any(|workspace| workspace.is_called(&path))
        {
            return;
        }
        match Workspace::open(path) {
            Ok(workspace) => self.workspaces.push(workspace),
            Err(error) => output::tell(&format!("dunnage: {error:#}")),
        }
    }

    fn leave(&mut self, folder: &Value) -> io::Result<()> {
        let path: Option<PathBuf> = folder["uri"]
            .as_str()
            .and_then(path_of)
            .map(|path| path.components().collect());
        let Some(index) = self
            .workspaces
            .iter()
            .position(|one| path.as_deref().is_some_and(|path| one.is_called(path)))
        else {
            return Ok(());
        };
        let gone = self.workspaces.remove(index);
        for path in &gone.told {
            self.tell(&uri_of(&gone.outside(path)), None, &json!([]))?;
        }
        Ok(())
    }

    /// Does something with the innermost folder that a document is in.
    fn at(&mut self, document: &Value, act: impl FnOnce(&mut Workspace, String)) {
        let Some(path) = document["uri"].as_str().and_then(path_of) else {
            return;
        };
        let places = self.workspaces.iter_mut().filter_map(|workspace| {
            let inside = workspace.inside(&path)?;
            Some((workspace, inside))
        });
        if let Some((workspace, inside)) = places.min_by_key(|(_, inside)| inside.len()) {
            act(workspace, inside);
        }
    }

    fn edit(&mut self, document: &Value, text: &Value) {
        let Some(text) = text.as_str() else {
            return;
        };
        let buffer = Buffer {
            text: text.to_owned(),
            version: document["version"].as_i64(),
        };
        self.at(document, |workspace, path| workspace.put(path, buffer));
    }

    /// Answers a question about a place from the text as it is now; null where there is nothing to say.
    fn ask(
        &mut self,
        params: &Value,
        show: fn(&show::Place<'_>, &Value) -> Value,
    ) -> io::Result<Value> {
        if self.is_dirty() {
            self.publish()?;
        }
        let encoding = self.encoding;
        let mut shown = Value::Null;
        self.at(&params["textDocument"], |workspace, path| {
            if let Some(place) = show::Place::of(workspace, &path, encoding) {
                shown = show(&place, params);
            }
        });
        Ok(shown)
    }

    /// Looks at what changed and tells the editor what was found, and where nothing is found any more.
    pub fn publish(&mut self) -> io::Result<()> {
        let mut news = Vec::new();
        for workspace in self
            .workspaces
            .iter_mut()
            .filter(|workspace| workspace.is_dirty())
        {
            let looked = catch_unwind(AssertUnwindSafe(|| workspace.look()));
            if let Err(error) =
                looked.unwrap_or_else(|_| Err(anyhow::anyhow!("a rule failed on this text")))
            {
                output::tell(&format!("dunnage: {error:#}"));
                news.push(notification(
                    "window/logMessage",
                    &json!({"type": 1, "message": format!("dunnage: {error:#}")}),
                ));
                workspace.forget();
            }
            let mut found = show::diagnostics(workspace, self.encoding);
            let told = std::mem::take(&mut workspace.told);
            workspace.told = found.keys().cloned().collect();
            for path in told {
                found.entry(path).or_default();
            }
            for (path, diagnostics) in found {
                let params = diagnostics_of(
                    &uri_of(&workspace.outside(&path)),
                    workspace.version(&path),
                    &Value::from(diagnostics),
                );
                news.push(notification("textDocument/publishDiagnostics", &params));
            }
        }
        news.iter().try_for_each(|message| self.send(message))
    }

    fn tell(&mut self, uri: &str, version: Option<i64>, diagnostics: &Value) -> io::Result<()> {
        let params = diagnostics_of(uri, version, diagnostics);
        self.send(&notification("textDocument/publishDiagnostics", &params))
    }

    fn send(&mut self, message: &Value) -> io::Result<()> {
        write(&mut self.editor, message)
    }
}

fn diagnostics_of(uri: &str, version: Option<i64>, diagnostics: &Value) -> Value {
    let mut params = json!({"uri": uri, "diagnostics": diagnostics});
    if let Some(version) = version {
        params["version"] = version.into();
    }
    params
}
