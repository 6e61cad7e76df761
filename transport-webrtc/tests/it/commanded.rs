//! Headless Chromium with a page that takes commands and tells events.

use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};

use crate::chromium::Chromium;
use crate::support::within;

/// A file of the page.
pub(crate) struct File {
    path: &'static str,
    kind: &'static str,
    content: Vec<u8>,
}

impl File {
    pub(crate) fn new(path: &'static str, kind: &'static str, content: impl Into<Vec<u8>>) -> Self {
        Self { path, kind, content: content.into() }
    }
}

/// Flags for a machine without a network: use loopback, and do not hide addresses behind multicast names.
const ON_LOOPBACK: &[&str] =
    &["--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"];

fn has_network() -> bool {
    if_addrs::get_if_addrs().unwrap().iter().any(|interface| !interface.is_loopback())
}

/// A browser with the page open.
pub(crate) struct Browser {
    _chromium: Chromium,
    commands: mpsc::Sender<Value>,
    events: mpsc::Receiver<Value>,
}

impl Browser {
    pub(crate) async fn start(program: &str, test: &str, files: Vec<File>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (commands, next) = mpsc::channel(64);
        let (sender, events) = mpsc::channel(64);
        let next = Arc::new(Mutex::new(next));
        let files = Arc::new(files);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&files), Arc::clone(&next), sender.clone()));
            }
        });
        let flags = if has_network() { &[][..] } else { ON_LOOPBACK };
        let chromium = Chromium::open(program, test, flags, &format!("http://{address}/"));
        Self { _chromium: chromium, commands, events }
    }

    pub(crate) async fn tell(&self, command: Value) {
        within("the page taking a command", self.commands.send(command)).await.unwrap();
    }

    pub(crate) async fn event(&mut self) -> Value {
        within("an event of the page", self.events.recv()).await.unwrap()
    }

    /// The next event that is no signal: candidates and their end may follow the opening.
    pub(crate) async fn event_but_signals(&mut self) -> Value {
        loop {
            let event = self.event().await;
            if event["event"] != "signal" {
                return event;
            }
        }
    }
}

/// The subset of HTTP/1.1 that the page needs.
async fn serve(
    stream: TcpStream,
    files: Arc<Vec<File>>,
    next: Arc<Mutex<mpsc::Receiver<Value>>>,
    events: mpsc::Sender<Value>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if stream.read_line(&mut request).await.ok()? == 0 {
            return None;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await.ok()?;
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let (status, kind, answer) = match request.split(' ').nth(1)? {
            "/next" => {
                let command = next.lock().await.recv().await?;
                ("200 OK", "application/json", command.to_string().into_bytes())
            }
            "/event" => {
                events.send(serde_json::from_slice(&body).ok()?).await.ok()?;
                ("204 No Content", "text/plain", Vec::new())
            }
            path => match files.iter().find(|file| file.path == path) {
                Some(file) => ("200 OK", file.kind, file.content.clone()),
                None => ("404 Not Found", "text/plain", Vec::new()),
            },
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(&answer).await.ok()?;
        stream.flush().await.ok()?;
    }
}
