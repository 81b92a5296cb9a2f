//! Chromium without a window, spoken to over a pipe (the DevTools protocol, one JSON object and a NUL at a time): no driver,
//! no port, nothing to install but the browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use dunnage_timeline::Timeline;
use dunnage_timeline::page::render_page;
use serde_json::{Value, json};

use crate::verdict::verdict;

/// For a browser to answer anything: a cold start on a busy machine takes seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// A browser with one page.
pub struct Browser {
    child: Child,
    stdin: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    calls: u64,
    /// What went wrong in the page: exceptions, errors on the console, what the security policy refused.
    pub complaints: Vec<String>,
    /// Every address that was asked for.
    pub requests: Vec<String>,
    profile: tempfile::TempDir,
}

/// Where pictures go: kept, so that a person can look.
pub fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A browser; `None`, and a line that says so, where none is installed.
pub fn start() -> Option<Browser> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path)
        .map(|folder| folder.join("chromium"))
        .find(|file| file.is_file());
    let Some(program) = program else {
        println!("skipped: what needs chromium; on Debian: apt-get install chromium");
        return None;
    };
    let profile = tempfile::tempdir().unwrap();
    // the browser reads 3 and writes 4; a shell is the shortest way to put our pipes there
    let mut child = Command::new("sh")
        .args([
            "-c",
            "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
            "sh",
        ])
        .arg(program)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("about:blank")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, messages) = channel();
    std::thread::spawn(move || {
        for message in output.split(0).map_while(Result::ok) {
            if sender
                .send(serde_json::from_slice(&message).unwrap())
                .is_err()
            {
                break;
            }
        }
    });
    let mut browser = Browser {
        child,
        stdin,
        messages,
        session: None,
        calls: 0,
        complaints: Vec::new(),
        requests: Vec::new(),
        profile,
    };
    browser.attach();
    Some(browser)
}

impl Browser {
    fn attach(&mut self) {
        let targets = self.call("Target.getTargets", &json!({}));
        let pages = targets["targetInfos"].as_array().unwrap();
        let page = pages
            .iter()
            .find(|target| target["type"] == "page")
            .unwrap();
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let session = self.call("Target.attachToTarget", &attach)["sessionId"].clone();
        self.session = session.as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// Calls a method and gives its result; what happens meanwhile is noted.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let mut message = json!({"id": self.calls, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.stdin.write_all(&bytes).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let said = self
                .messages
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("no answer to {method}"));
            if said["id"] == self.calls {
                assert!(said.get("error").is_none(), "{method}: {}", said["error"]);
                return said["result"].clone();
            }
            self.note(&said);
        }
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => {
                self.complaints.push(params["exceptionDetails"].to_string());
            }
            "Runtime.consoleAPICalled" if params["type"] == "error" => {
                self.complaints.push(params["args"].to_string());
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"]["text"].to_string());
            }
            "Network.requestWillBeSent" => {
                self.requests.push(
                    params["request"]["url"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                );
            }
            _ => {}
        }
    }

    /// The value of an expression in the page, promises awaited.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &params);
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].clone()
    }

    /// The same, of a number.
    pub fn number(&mut self, expression: &str) -> f64 {
        let value = self.eval(expression);
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{expression}: {value}"))
    }

    /// The same, of a text.
    pub fn text(&mut self, expression: &str) -> String {
        let value = self.eval(expression);
        value
            .as_str()
            .unwrap_or_else(|| panic!("{expression}: {value}"))
            .to_owned()
    }

    /// A window of this size, in CSS pixels.
    pub fn resize(&mut self, width: u32, height: u32, ratio: f64, touch: bool) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": touch});
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        self.call(
            "Emulation.setTouchEmulationEnabled",
            &json!({"enabled": touch, "maxTouchPoints": 2}),
        );
    }

    /// `light` or `dark`, as the system would have it.
    pub fn prefer(&mut self, scheme: &str) {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// Opens the page of a timeline and waits until it is drawn.
    pub fn open(&mut self, timeline: &Timeline) {
        let page = render_page(timeline, &verdict(timeline));
        self.open_text(&page);
        self.wait_for("document.documentElement.dataset.drawn !== undefined");
    }

    /// Opens a page and waits until it is loaded.
    pub fn open_text(&mut self, page: &str) {
        let file = self.profile.path().join("page.html");
        std::fs::write(&file, page).unwrap();
        self.call(
            "Page.navigate",
            &json!({"url": format!("file://{}", file.display())}),
        );
        self.wait_for("document.readyState === 'complete' && location.protocol === 'file:'");
    }

    /// Waits until an expression is true.
    pub fn wait_for(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.eval(expression) != json!(true) {
            assert!(
                Instant::now() < deadline,
                "never: {expression}; {:?}",
                self.complaints
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Until what was asked for is on the screen.
    pub fn settle(&mut self) {
        self.eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
    }

    /// Presses a key, as a keyboard does.
    pub fn press(&mut self, key: &str) {
        let letter = key.chars().count() == 1 || key == "Enter";
        let text = if key == "Enter" { "\r" } else { key };
        let mut down = json!({"type": "keyDown", "key": key, "code": key});
        if key == "Enter" || key == "Tab" {
            down["windowsVirtualKeyCode"] = json!(if key == "Tab" { 9 } else { 13 });
        }
        if letter {
            down["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", &down);
        self.call(
            "Input.dispatchKeyEvent",
            &json!({"type": "keyUp", "key": key, "code": key}),
        );
        self.settle();
    }

    /// A mouse's event; `more` are further fields.
    pub fn mouse(&mut self, kind: &str, x: f64, y: f64, more: &Value) {
        let mut event = json!({"type": kind, "x": x, "y": y});
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.call("Input.dispatchMouseEvent", &event);
    }

    /// Keeps a picture of what the window shows, or of the whole page.
    pub fn picture(&mut self, name: &str, whole: bool) {
        self.settle();
        let mut params = json!({"format": "png", "captureBeyondViewport": whole});
        if whole {
            let size = &self.call("Page.getLayoutMetrics", &json!({}))["cssContentSize"];
            params["clip"] = json!({"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1});
        }
        let data = self.call("Page.captureScreenshot", &params)["data"].clone();
        std::fs::write(pictures().join(name), decode_base64(data.as_str().unwrap())).unwrap();
    }

    /// The page as a PDF.
    pub fn print(&mut self, name: &str) -> Vec<u8> {
        let params = json!({"printBackground": true, "preferCSSPageSize": true});
        let data = self.call("Page.printToPDF", &params)["data"].clone();
        let pdf = decode_base64(data.as_str().unwrap());
        std::fs::write(pictures().join(name), &pdf).unwrap();
        pdf
    }

    /// Nothing went wrong, and nothing but the file itself was asked for.
    pub fn assert_clean(&mut self) {
        self.settle();
        assert_eq!(self.complaints, Vec::<String>::new());
        let foreign: Vec<&String> = self
            .requests
            .iter()
            .filter(|url| !url.starts_with("file://"))
            .collect();
        assert_eq!(foreign, Vec::<&String>::new());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut bits) = (0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        group = group << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits) as u8);
        }
    }
    bytes
}
