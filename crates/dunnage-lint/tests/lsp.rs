//! The conversation of an editor with `dunnage lsp`, over the pipes of the real program.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// A comment that silences nothing is a warning with a safe fix.
const TEXT: &str = "import os\nnote = \"\u{1f600}\"  # dunnage: ignore[CPU002] none\n";

struct Editor {
    server: Child,
    stdin: Option<ChildStdin>,
    messages: Receiver<Value>,
    next_id: i64,
}

impl Editor {
    fn start() -> Self {
        let mut server = Command::new(env!("CARGO_BIN_EXE_dunnage-check"))
            .arg("lsp")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let stdin = server.stdin.take();
        let mut stdout = BufReader::new(server.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            while let Some(message) = read(&mut stdout) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self {
            server,
            stdin,
            messages,
            next_id: 0,
        }
    }

    fn open(folder: &Path, capabilities: &Value) -> (Self, Value) {
        let mut editor = Self::start();
        let folders = json!([{"uri": uri(folder), "name": "shop"}]);
        let known = editor.ask(
            "initialize",
            &json!({"workspaceFolders": folders, "capabilities": capabilities}),
        );
        editor.tell("initialized", &json!({}));
        (editor, known["result"]["capabilities"].clone())
    }

    fn send_text(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        write!(stdin, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        stdin.flush().unwrap();
    }

    fn tell(&mut self, method: &str, params: &Value) {
        self.send_text(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }

    fn receive(&mut self) -> Value {
        self.messages.recv_timeout(Duration::from_mins(1)).unwrap()
    }

    /// The answer to a request; what comes before it is dropped.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        self.send_text(
            &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string(),
        );
        loop {
            let message = self.receive();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// The next diagnostics of a file.
    fn diagnostics(&mut self, path: &Path) -> Vec<Value> {
        loop {
            let message = self.receive();
            if message["method"] == "textDocument/publishDiagnostics"
                && message["params"]["uri"] == uri(path)
            {
                return message["params"]["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    fn change(&mut self, path: &Path, version: i64, text: &str) {
        let document = json!({"uri": uri(path), "version": version});
        self.tell(
            "textDocument/didChange",
            &json!({"textDocument": document, "contentChanges": [{"text": text}]}),
        );
    }

    fn opened(&mut self, path: &Path, text: &str) {
        let document =
            json!({"uri": uri(path), "languageId": "python", "version": 1, "text": text});
        self.tell("textDocument/didOpen", &json!({"textDocument": document}));
    }

    fn end(mut self) -> Option<i32> {
        assert_eq!(self.ask("shutdown", &Value::Null)["result"], Value::Null);
        self.tell("exit", &Value::Null);
        self.server.wait().unwrap().code()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn read(stdout: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stdout.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            let mut body = vec![0; length];
            stdout.read_exact(&mut body).ok()?;
            return Some(serde_json::from_slice(&body).unwrap());
        }
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// A folder whose settings show what is mild, with one file that has a finding.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), TEXT).unwrap();
    fs::write(
        folder.path().join("dunnage.toml"),
        "min-severity = \"info\"\n",
    )
    .unwrap();
    folder
}

#[test]
fn files_on_disk_are_looked_at_and_what_is_open_stands_over_them() {
    let folder = repository();
    let path = folder.path().join("app.py");
    let (mut editor, known) = Editor::open(folder.path(), &json!({}));
    assert_eq!(known["positionEncoding"], "utf-16");
    let found = editor.diagnostics(&path);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["code"], "FILE002");
    assert_eq!(found[0]["range"]["start"]["line"], 1);

    editor.opened(&path, "import os\n");
    assert!(editor.diagnostics(&path).is_empty());
    editor.change(&path, 2, TEXT);
    assert_eq!(editor.diagnostics(&path).len(), 1);
    editor.change(&path, 3, "import os\n");
    assert!(editor.diagnostics(&path).is_empty());
    editor.tell(
        "textDocument/didClose",
        &json!({"textDocument": {"uri": uri(&path)}}),
    );
    assert_eq!(editor.diagnostics(&path).len(), 1);
    fs::write(&path, "import os\n").unwrap();
    editor.tell(
        "workspace/didChangeWatchedFiles",
        &json!({"changes": [{"uri": uri(&path), "type": 2}]}),
    );
    assert!(editor.diagnostics(&path).is_empty());
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn hover_explains_the_rule_and_actions_mend_or_silence() {
    let folder = repository();
    let path = folder.path().join("app.py");
    for (encoding, column) in [("utf-16", 26), ("utf-8", 28)] {
        let capabilities = json!({"general": {"positionEncodings": [encoding]}});
        let (mut editor, known) = Editor::open(folder.path(), &capabilities);
        assert_eq!(known["positionEncoding"], encoding);
        editor.opened(&path, TEXT);
        let found = editor.diagnostics(&path);
        let range = found[0]["range"].clone();
        let document = json!({"uri": uri(&path)});
        let inside = json!({"line": 1, "character": column + 10});
        let hover = editor.ask(
            "textDocument/hover",
            &json!({"textDocument": document, "position": range["start"]}),
        );
        let text = hover["result"]["contents"]["value"].as_str().unwrap();
        assert!(
            text.contains("FILE002") && text.contains("\n## Why\n"),
            "{text}"
        );
        let far = json!({"line": 0, "character": 0});
        let hover = editor.ask(
            "textDocument/hover",
            &json!({"textDocument": document, "position": far}),
        );
        assert_eq!(hover["result"], Value::Null);

        let params = json!({"textDocument": document, "range": {"start": range["start"], "end": inside}, "context": {"diagnostics": found}});
        let actions = editor.ask("textDocument/codeAction", &params);
        let actions = actions["result"].as_array().unwrap();
        assert_eq!(actions.len(), 2, "{actions:?}");
        let edit = &actions[0]["edit"]["changes"][uri(&path)][0];
        assert_eq!(edit["newText"], "");
        assert_eq!(
            edit["range"]["start"],
            json!({"line": 1, "character": column - 15})
        );
        let silence = &actions[1]["edit"]["changes"][uri(&path)][0];
        assert_eq!(silence["newText"], "# dunnage: ignore[FILE002]\n");
        assert_eq!(editor.end(), Some(0));
    }
}

#[test]
fn bad_messages_are_answered_and_do_not_end_it() {
    let folder = repository();
    let path = folder.path().join("app.py");
    let mut editor = Editor::start();
    assert_eq!(
        editor.ask("textDocument/hover", &json!({}))["error"]["code"],
        -32002
    );
    editor.send_text("{not json");
    assert_eq!(editor.receive()["error"]["code"], -32700);
    editor.send_text("[1, 2]");
    assert_eq!(editor.receive()["error"]["code"], -32600);
    editor
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"rubbish\n\n")
        .unwrap();
    editor.ask("initialize", &json!({"rootUri": uri(folder.path())}));
    assert_eq!(
        editor.ask("textDocument/rename", &json!({}))["error"]["code"],
        -32601
    );
    for method in [
        "textDocument/didChange",
        "textDocument/didOpen",
        "textDocument/didClose",
        "workspace/didChangeWatchedFiles",
        "workspace/didChangeWorkspaceFolders",
    ] {
        for params in [
            json!(null),
            json!([]),
            json!({"textDocument": {"uri": 7}}),
            json!({"textDocument": {"uri": uri(&path)}, "contentChanges": [{"range": {}}]}),
        ] {
            editor.tell(method, &params);
        }
    }
    for method in ["textDocument/hover", "textDocument/codeAction"] {
        let position = json!({"line": -1, "character": "x"});
        let params =
            json!({"textDocument": {"uri": uri(&path)}, "position": position, "range": position});
        assert!(editor.ask(method, &params).get("error").is_none());
    }
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn nothing_outside_the_folder_is_read() {
    let folder = repository();
    let outside = tempfile::tempdir().unwrap();
    let far = outside.path().join("far.py");
    fs::write(&far, TEXT).unwrap();
    symlink(outside.path(), folder.path().join("far")).unwrap();
    symlink(&far, folder.path().join("near.py")).unwrap();
    let (mut editor, _) = Editor::open(folder.path(), &json!({}));
    editor.opened(&far, TEXT);
    let path = folder.path().join("app.py");
    assert_eq!(editor.diagnostics(&path).len(), 1);
    // the question makes it look again at once; what it says before the answer is all that there is
    editor.change(&path, 2, "import os\n");
    let document = json!({"uri": uri(&far)});
    let hover = editor.ask(
        "textDocument/hover",
        &json!({"textDocument": document, "position": {"line": 1, "character": 12}}),
    );
    assert_eq!(hover["result"], Value::Null);
    while let Ok(message) = editor.messages.try_recv() {
        assert!(!message.to_string().contains("far"), "{message}");
    }
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn leaving_without_goodbye_is_told_by_the_code() {
    let mut editor = Editor::start();
    drop(editor.stdin.take());
    assert_eq!(editor.server.wait().unwrap().code(), Some(1));
}
