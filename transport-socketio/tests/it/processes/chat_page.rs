//! The page of `chat serve`, as a browser asks for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::process::{Process, turn};

/// An answer to GET.
struct Answer {
    status: u16,
    /// Names in lower case.
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

async fn get(address: &str, path: &str, more: &str) -> Answer {
    let mut http = TcpStream::connect(address).await.unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{more}Connection: close\r\n\r\n");
    http.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    http.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let (head, body) = (String::from_utf8_lossy(&answer[..end]).into_owned(), &answer[end + 4..]);
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_vec() }
}

async fn serve() -> (Process, String) {
    let server = Process::start("chat", &["serve", "--port", "0"]);
    let line = server.line("listening on http://").await;
    let address = line.strip_prefix("listening on http://").unwrap().to_owned();
    (server, address)
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/chat/page")
}

/// Path and place of each file that belongs to the page.
fn files() -> Vec<(String, PathBuf)> {
    let folders = [("/", page()), ("/module/", page().join("module"))];
    let files = folders.iter().flat_map(|(path, folder)| {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|file| file.is_file()).map(move |file| {
            let name = file.file_name().unwrap().to_str().unwrap();
            (format!("{path}{name}").replace("/index.html", "/"), file.clone())
        })
    });
    // The picture for the README, and the hash of the module's sources.
    files.filter(|(path, _)| !path.ends_with(".png") && !path.ends_with(".sha256")).collect()
}

#[tokio::test]
async fn chat_serves_each_file_of_its_page_with_its_type() {
    let _turn = turn().await;
    let (_server, address) = serve().await;
    let files = files();
    assert!(files.len() > 10, "{files:?}");
    for (path, file) in files {
        let answer = get(&address, &path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body == std::fs::read(&file).unwrap(), "{path} differs");
        let kind = match file.extension().unwrap().to_str().unwrap() {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            "wasm" => "application/wasm",
            other => panic!("{path} has an unknown ending: {other}"),
        };
        assert_eq!(answer.header("content-type"), kind, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';"));
        // No other origin, and no way to make text a program.
        for word in ["http", "*", "'unsafe-inline'", "'unsafe-eval'", "data:"] {
            assert!(!policy.contains(word), "{word} in {policy}");
        }
    }
    assert_eq!(get(&address, "/?room=attic", "").await.status, 200);
    assert_eq!(get(&address, "/main.rs", "").await.status, 404);
}

#[tokio::test]
async fn browsers_keep_the_files_of_the_chat_until_they_change() {
    let _turn = turn().await;
    let (_server, address) = serve().await;
    let path = "/module/socketio_p2p_bg.wasm";
    let first = get(&address, path, "").await;
    assert_eq!(first.header("cache-control"), "no-cache");
    let tag = first.header("etag");
    let again = get(&address, path, &format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, tag));
    let other = get(&address, path, "If-None-Match: \"another\"\r\n").await;
    assert_eq!((other.status, other.body.len()), (200, first.body.len()));
    assert_ne!(get(&address, "/", "").await.header("etag"), tag);
}

#[tokio::test]
async fn chat_says_how_to_join() {
    let _turn = turn().await;
    let (server, address) = serve().await;
    server.line(&format!("open http://{address} in a browser")).await;
    server.line(&format!("-- join http://{address} --name NAME")).await;

    let everywhere = Process::start("chat", &["serve", "--port", "0", "--host", "0.0.0.0"]);
    everywhere.line("open http://127.0.0.1:").await;
}
