//! Processes of the examples, and waiting for their lines.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{MutexGuard, watch};

/// Time limit of each wait, unless a test sets another one.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs one test at a time: each starts several processes.
pub(super) async fn turn() -> MutexGuard<'static, ()> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    TURN.lock().await
}

/// The program of an example. `cargo test` has built it; otherwise this builds it.
fn program(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).expect("a test lies in deps/");
        let directory = profile.join("examples");
        if ["chat", "peer", "server", "share"]
            .iter()
            .any(|name| is_stale(&executable(&directory, name)))
        {
            build(profile);
        }
        directory
    });
    executable(directory, name)
}

fn executable(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Whether the program is missing or older than one of its sources.
fn is_stale(program: &Path) -> bool {
    let built = program.metadata().and_then(|file| file.modified());
    let Ok(built) = built else { return true };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["examples", "src", "../core/src", "../transport-webrtc/src"]
        .iter()
        .any(|sources| newest(&here.join(sources)) > built)
}

fn newest(path: &Path) -> SystemTime {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let times = entries.map(|entry| match entry.path() {
        directory if directory.is_dir() => newest(&directory),
        file => file.metadata().and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH),
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn build(profile: &Path) {
    let target = profile.parent().expect("a profile lies in a target directory");
    let profile = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    eprintln!("building the examples");
    let status = std::process::Command::new(env!("CARGO"))
        .args(["build", "--examples", "--profile", profile, "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .status()
        .unwrap();
    assert!(status.success(), "the examples do not build");
}

/// A process of an example, with all lines that it has written. Dropping it kills the process.
pub(super) struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: watch::Receiver<Output>,
    errors: Arc<Mutex<String>>,
}

#[derive(Default)]
struct Output {
    lines: Vec<String>,
    ended: bool,
}

impl Process {
    pub(super) fn start(example: &str, args: &[&str]) -> Self {
        Self::start_with(example, args, &[])
    }

    pub(super) fn start_with(example: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program(example))
            .args(args)
            .env_remove("SOCKETIO_P2P_TOKEN_KEY")
            .env_remove("RUST_LOG")
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let errors = Arc::default();
        let stderr = child.stderr.take().unwrap();
        tokio::spawn(collect_errors(stderr, Arc::clone(&errors)));
        let (sender, output) = watch::channel(Output::default());
        tokio::spawn(collect(child.stdout.take().unwrap(), sender));
        let input = child.stdin.take();
        Self { name: format!("{example} {}", args.join(" ")), child, input, output, errors }
    }

    pub(super) async fn write(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        let line = format!("{line}\n");
        let written = input.write_all(line.as_bytes());
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(written) => written.unwrap_or_else(|error| self.fail(&error.to_string())),
            Err(_) => self.fail("it does not read its input"),
        }
    }

    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits until `find` returns a value for the lines so far, and returns that.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        condition: impl FnMut(&[String]) -> Option<T>,
    ) -> T {
        self.until_within(PATIENCE, what, condition).await
    }

    pub(super) async fn until_within<T>(
        &self,
        time: Duration,
        what: &str,
        mut condition: impl FnMut(&[String]) -> Option<T>,
    ) -> T {
        let mut output = self.output.clone();
        let waiting = async {
            loop {
                let ended = {
                    let output = output.borrow_and_update();
                    if let Some(found) = condition(&output.lines) {
                        return Some(found);
                    }
                    output.ended
                };
                if ended || output.changed().await.is_err() {
                    return None;
                }
            }
        };
        match tokio::time::timeout(time, waiting).await {
            Ok(Some(found)) => found,
            Ok(None) => self.fail(&format!("it ended before this: {what}")),
            Err(_) => self.fail(&format!("did not happen within {time:?}: {what}")),
        }
    }

    /// Waits for a line that contains `text`.
    pub(super) async fn line(&self, text: &str) -> String {
        let found = |lines: &[String]| lines.iter().find(|line| line.contains(text)).cloned();
        self.until(&format!("a line with {text:?}"), found).await
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.output.borrow().lines.clone()
    }

    pub(super) fn errors(&self) -> String {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end of the process and of its output.
    pub(super) async fn end(&mut self) -> ExitStatus {
        let mut output = self.output.clone();
        let ended = async {
            while !output.borrow_and_update().ended {
                if output.changed().await.is_err() {
                    break;
                }
            }
            self.child.wait().await
        };
        match tokio::time::timeout(PATIENCE, ended).await {
            Ok(status) => status.unwrap(),
            Err(_) => self.fail("it does not end"),
        }
    }

    /// Waits for the end of the process and checks its exit status.
    pub(super) async fn ends_with(&mut self, status: i32) {
        let code = self.end().await.code();
        if code != Some(status) {
            self.fail(&format!("exit status {code:?}, expected {status}"));
        }
    }

    /// Kills the process, as `kill -9` does.
    pub(super) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    #[cfg(unix)]
    pub(super) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Lets the process stand still until [`go_on`](Self::go_on).
    #[cfg(unix)]
    pub(super) fn pause(&self) {
        self.signal("-STOP");
    }

    #[cfg(unix)]
    pub(super) fn go_on(&self) {
        self.signal("-CONT");
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Fails the test, and shows the last lines of the process.
    pub(super) fn fail(&self, what: &str) -> ! {
        let short = |line: &String| match line.char_indices().nth(200) {
            Some((end, _)) => format!("{}… ({} bytes)", &line[..end], line.len()),
            None => line.clone(),
        };
        let output = self.output.borrow();
        let from = output.lines.len().saturating_sub(30);
        let lines: Vec<String> = output.lines[from..].iter().map(short).collect();
        panic!("{}: {what}\n{}\n{}", self.name, lines.join("\n"), self.errors());
    }
}

async fn collect(from: impl AsyncRead + Unpin, to: watch::Sender<Output>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        to.send_modify(|output| output.lines.push(line));
    }
    to.send_modify(|output| output.ended = true);
}

async fn collect_errors(from: impl AsyncRead + Unpin, to: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut errors = to.lock().unwrap_or_else(PoisonError::into_inner);
        errors.push_str(&line);
        errors.push('\n');
    }
}

/// A signalling server in its own process.
pub(super) struct Server {
    pub(super) process: Process,
    pub(super) url: String,
}

impl Server {
    /// Starts a server on a free port.
    pub(super) async fn start(args: &[&str]) -> Self {
        Self::start_at("0", args).await
    }

    pub(super) async fn start_at(port: &str, args: &[&str]) -> Self {
        Self::start_with(port, args, &[]).await
    }

    pub(super) async fn start_with(port: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let process = Process::start_with("server", &[&["--port", port], args].concat(), env);
        let line = process.line("listening on ").await;
        let url = line.strip_prefix("listening on ").expect("nothing comes before").to_owned();
        Self { process, url }
    }

    pub(super) fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap()
    }
}

/// A `peer` process that has connected.
pub(super) struct Peer {
    pub(super) process: Process,
    pub(super) id: String,
}

impl Peer {
    pub(super) async fn join(server: &Server, args: &[&str]) -> Self {
        let process = Process::start("peer", &[&["--server", &server.url], args].concat());
        let mut peer = Self { process, id: String::new() };
        let connected = peer.event("connected", &[]).await;
        peer.id = connected["id"].as_str().unwrap().to_owned();
        peer
    }

    /// Starts peers in one room, and waits until each sees all others.
    pub(super) async fn join_all(server: &Server, number: usize, args: &[&str]) -> Vec<Self> {
        let mut peers = Vec::new();
        for _ in 0..number {
            peers.push(Self::join(server, args).await);
        }
        for peer in &peers {
            for other in peers.iter().filter(|other| other.id != peer.id) {
                peer.event("peer-joined", &[("peer", json!(other.id))]).await;
            }
        }
        peers
    }

    pub(super) async fn command(&mut self, command: Value) {
        self.process.write(&command.to_string()).await;
    }

    /// Waits until `find` returns a value for the events so far, and returns that.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        mut condition: impl FnMut(&[Value]) -> Option<T>,
    ) -> T {
        let mut events = Vec::new();
        self.process
            .until(what, |lines| {
                events.extend(lines[events.len()..].iter().map(|line| parse(line)));
                condition(&events)
            })
            .await
    }

    /// Waits for an event with these fields.
    pub(super) async fn event(&self, ev: &str, fields: &[(&str, Value)]) -> Value {
        let what = format!("{ev} {fields:?}");
        self.until(&what, |events| events.iter().find(|event| is(event, ev, fields)).cloned()).await
    }

    pub(super) fn events(&self) -> Vec<Value> {
        self.events_from(0)
    }

    /// The events from index `start` on.
    pub(super) fn events_from(&self, start: usize) -> Vec<Value> {
        self.process.output.borrow().lines[start..].iter().map(|line| parse(line)).collect()
    }

    pub(super) fn count(&self, ev: &str) -> usize {
        self.events().iter().filter(|event| event["ev"] == ev).count()
    }

    /// Waits until the path to each of these peers is direct.
    pub(super) async fn direct_to(&self, others: &[&Self]) {
        for other in others.iter().filter(|other| other.id != self.id) {
            let fields = [("peer", json!(other.id)), ("path", json!("direct"))];
            self.event("path", &fields).await;
        }
    }

    /// Waits for an error line that contains these texts.
    pub(super) async fn error(&self, texts: &[&str]) -> String {
        let found = |event: &Value| {
            let message = event["message"].as_str().filter(|_| event["ev"] == "error")?;
            texts.iter().all(|text| message.contains(text)).then(|| message.to_owned())
        };
        let what = format!("an error with {texts:?}");
        self.until(&what, |events| events.iter().find_map(found)).await
    }

    /// Checks that no error line came so far.
    pub(super) fn assert_no_errors(&self) {
        if self.count("error") > 0 {
            self.process.fail("there are errors");
        }
    }

    pub(super) async fn quit(mut self) {
        self.command(json!({ "cmd": "quit" })).await;
        self.process.ends_with(0).await;
    }
}

fn is(event: &Value, ev: &str, fields: &[(&str, Value)]) -> bool {
    event["ev"] == ev && fields.iter().all(|(name, value)| event[*name] == *value)
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line)
        .unwrap_or_else(|error| panic!("expected JSON on standard output: {error}: {line}"))
}
