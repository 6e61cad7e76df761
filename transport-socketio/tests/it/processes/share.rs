//! The `share` program.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::process::{Process, turn};

/// A chunk of the files that are sent, in bytes.
const CHUNK: usize = 1 << 20;

/// A directory for the key and the files of one test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("share-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("key"), "0123456789abcdef".repeat(4)).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file of so many different chunks, and returns its hash in hex digits.
    fn write_file(&self, name: &str, chunks: usize) -> String {
        let mut file = fs::File::create(self.path(name)).unwrap();
        let mut chunk: Vec<u8> = (0..CHUNK).map(|index| (index / 7 + index / 4099) as u8).collect();
        let mut hash = Sha256::new();
        for number in 0..chunks {
            chunk[..8].copy_from_slice(&number.to_be_bytes());
            hash.update(&chunk);
            file.write_all(&chunk).unwrap();
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server process, and its address.
struct Server {
    process: Process,
    address: String,
}

impl Server {
    async fn start(directory: &Directory, address: &str) -> Self {
        let args = ["serve", "--address", address, "--key-file", &directory.path("key")];
        let process = Process::start("share", &args);
        let line = process.line("listening on http://").await;
        let address = line.strip_prefix("listening on http://").unwrap().to_owned();
        Self { process, address }
    }

    /// Asks the server's own route for a signed name.
    async fn ticket(&self, name: &str) -> String {
        let mut http = TcpStream::connect(&self.address).await.unwrap();
        let head = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        http.write_all(format!("GET /ticket/{name} {head}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        http.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn join(&self, ticket: &str, args: &[&str]) -> Process {
        let url = format!("http://{}", self.address);
        Process::start("share", &[&["join", &url, "--ticket", ticket], args].concat())
    }

    /// Starts a client, and waits until it is in the room.
    async fn enter(&self, name: &str, args: &[&str]) -> Process {
        let client = self.join(&self.ticket(name).await, args);
        client.line(&format!("you are {name}")).await;
        client
    }
}

/// Ends a client in an orderly way.
async fn quit(mut client: Process) {
    client.close_input();
    client.ends_with(0).await;
    assert_eq!(client.errors(), "");
}

#[tokio::test]
async fn share_shows_verified_names() {
    let _turn = turn().await;
    let directory = Directory::new("names");
    let server = Server::start(&directory, "127.0.0.1:0").await;
    let ann = server.enter("ann", &[]).await;
    let ben = server.enter("ben", &[]).await;
    ann.line("ben is here").await;
    ben.line("ann is here").await;
    quit(ben).await;
    ann.line("ben is gone: left").await;
    quit(ann).await;
}

#[tokio::test]
async fn share_refuses_a_name_that_the_server_has_not_signed() {
    let _turn = turn().await;
    let directory = Directory::new("signature");
    let server = Server::start(&directory, "127.0.0.1:0").await;
    let ticket = server.ticket("ann").await;
    let forged = ticket.replace("ann.", "ben.");
    assert_ne!(forged, ticket);
    for ticket in [&forged, "ann", "", "ann.AAAA"] {
        let mut client = server.join(ticket, &[]);
        client.ends_with(1).await;
        let errors = client.errors();
        assert!(errors.contains("bad-ticket"), "{ticket:?}: {errors}");
    }
}

#[tokio::test]
async fn share_carries_posts_with_blobs_and_questions_with_a_time_limit() {
    let _turn = turn().await;
    let directory = Directory::new("talk");
    fs::write(directory.path("note.txt"), "Dear all,").unwrap();
    let server = Server::start(&directory, "127.0.0.1:0").await;
    let downloads = directory.path("inbox");
    fs::create_dir(&downloads).unwrap();
    let mut ann = server.enter("ann", &[]).await;
    let ben = server.enter("ben", &["--downloads", &downloads]).await;
    ann.line("ben is here").await;

    ann.write("say hello everybody").await;
    ben.line("ann: hello everybody").await;
    ann.write(&format!("note {}", directory.path("note.txt"))).await;
    ben.line(&format!("ann: {}: Dear all,", directory.path("note.txt"))).await;

    ann.write("ask film.mp4").await;
    ann.line("ben has film.mp4: false").await;
    fs::write(directory.path("inbox/film.mp4"), "a film").unwrap();
    ann.write("ask film.mp4").await;
    ann.line("ben has film.mp4: true").await;
    ann.write(&format!("send {}", directory.path("missing"))).await;
    ann.line("error: cannot read").await;
    ann.write("dance").await;
    ann.line("error: Commands: ").await;
    #[cfg(unix)]
    {
        // A process that stands still answers nothing.
        ben.pause();
        ann.write("ask late.mp4").await;
        let late = ann.line("ben has late.mp4: ").await;
        assert!(late.ends_with("did not answer in time"), "{late}");
        ben.go_on();
    }
    quit(ann).await;
    quit(ben).await;
}

/// Waits until the file has arrived, and checks what was saved.
async fn arrives(ann: &Process, ben: &Process, file: &str, hash: &str) {
    ben.line(&format!("received {file}")).await;
    ann.line("film.mp4 to ben: delivered").await;
    let saved = Sha256::digest(fs::read(file).unwrap());
    assert_eq!(saved.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), hash);
}

#[tokio::test]
async fn share_sends_a_file_of_20_mb_and_shows_its_progress_on_both_sides() {
    let _turn = turn().await;
    let directory = Directory::new("file");
    let hash = directory.write_file("film.mp4", 20);
    let downloads = directory.path("inbox");
    fs::create_dir(&downloads).unwrap();
    let server = Server::start(&directory, "127.0.0.1:0").await;
    let mut ann = server.enter("ann", &[]).await;
    let ben = server.enter("ben", &["--downloads", &downloads]).await;
    ann.line("ben is here").await;
    ann.write(&format!("send {}", directory.path("film.mp4"))).await;
    arrives(&ann, &ben, &directory.path("inbox/film.mp4"), &hash).await;
    for (client, label) in [(&ann, "film.mp4 to ben"), (&ben, "film.mp4 from ann")] {
        let progress =
            |line: &String| line.starts_with(&format!("{label}: ")) && line.ends_with('%');
        let lines = client.lines();
        assert!(lines.iter().filter(|line| progress(line)).count() >= 5, "{lines:?}");
        assert!(lines.contains(&format!("{label}: 100 %")), "{lines:?}");
    }
    quit(ann).await;
    quit(ben).await;
}

#[tokio::test]
async fn share_goes_on_with_a_file_after_a_restart_of_the_server_with_the_same_key() {
    let _turn = turn().await;
    let directory = Directory::new("restart");
    // Large enough that the server ends long before the file has arrived.
    let hash = directory.write_file("film.mp4", 100);
    let downloads = directory.path("inbox");
    fs::create_dir(&downloads).unwrap();
    let mut server = Server::start(&directory, "127.0.0.1:0").await;
    // The file needs the server, and cannot arrive without it.
    let mut ann = server.enter("ann", &["--policy", "relay-only"]).await;
    let ben = server.enter("ben", &["--policy", "relay-only", "--downloads", &downloads]).await;
    ann.line("ben is here").await;
    ann.write(&format!("send {}", directory.path("film.mp4"))).await;
    ben.line("film.mp4 from ann: 1").await;
    server.process.kill().await;
    for client in [&ann, &ben] {
        client.line("no server: ").await;
    }
    assert!(!ben.lines().iter().any(|line| line.starts_with("received")), "{:?}", ben.lines());

    let _server = Server::start(&directory, &server.address).await;
    for client in [&ann, &ben] {
        client.line("back as the same member").await;
    }
    arrives(&ann, &ben, &directory.path("inbox/film.mp4"), &hash).await;
    for client in [&ann, &ben] {
        let lines = client.lines();
        let others = lines.iter().filter(|line| line.contains(" is here")).count();
        assert!(others == 1 && !lines.iter().any(|line| line.contains("is gone")), "{lines:?}");
    }
    quit(ann).await;
    quit(ben).await;
}
