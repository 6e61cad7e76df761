//! The `chat` program.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use super::process::{Process, turn};

#[tokio::test]
async fn the_chat_story_shows_relay_direct_path_and_fallback() {
    let _turn = turn().await;
    let mut chat = Process::start("chat", &[]);
    chat.ends_with(0).await;
    let story = chat.lines().join("\n");
    for part in [
        "They talk through the server",
        "They go private",
        "They talk directly",
        "byte for byte",
        "is cut, without notice",
        "nothing was lost",
        "They leave",
        "All 22 events arrived, each once, whole and in order",
    ] {
        assert!(story.contains(part), "{part:?} is missing:\n{story}");
    }
    assert!(!story.contains('\u{1b}'), "output to a pipe has no colours");
    assert_eq!(chat.errors(), "");
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("chat-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn two_chat_peers_talk_upgrade_to_a_direct_path_and_send_files() {
    let _turn = turn().await;
    let (outbox, inbox) = (Directory::new("outbox"), Directory::new("inbox"));
    let server = Process::start("chat", &["serve", "--port", "0"]);
    let line = server.line("listening on ").await;
    let url = line.strip_prefix("listening on ").unwrap();
    let mut ann = Process::start("chat", &["join", url, "--name", "Ann"]);
    let inbox_path = inbox.0.to_str().unwrap();
    let args = ["join", url, "--name", "Ben", "--downloads", inbox_path];
    ann.line("you are in the room lobby").await;
    let mut ben = Process::start("chat", &args);
    ann.line("Ben is in the room").await;
    ben.line("Ann is in the room").await;

    ann.write("Hello Ben").await;
    let hello = ben.line("Hello Ben").await;
    assert!(hello.contains("server") && hello.contains("Ann"), "{hello}");

    ann.line("/private").await;
    ben.write("/private").await;
    ben.line("you send to Ann directly").await;
    ann.line("Ben asks to go private").await;
    ann.line("you send to Ben directly").await;
    ann.write("Now only you hear me").await;
    let private = ben.line("Now only you hear me").await;
    assert!(private.contains("direct"), "{private}");

    let content: Vec<u8> = (0..300_000_u32).map(|index| (index / 7) as u8).collect();
    fs::write(outbox.path(".photo.jpg"), &content).unwrap();
    for saved in ["photo.jpg", "photo (1).jpg"] {
        ann.write(&format!("/file {}", outbox.path(".photo.jpg"))).await;
        let line = ben.line(&inbox.path(saved)).await;
        assert!(line.contains("300,000 bytes"), "{line}");
        assert!(fs::read(inbox.path(saved)).unwrap() == content, "{saved} differs");
        ann.line("Ben has received .photo.jpg").await;
    }
    // More than an event can carry.
    let film = content.repeat(60);
    fs::write(outbox.path("film.mp4"), &film).unwrap();
    ann.write(&format!("/file {}", outbox.path("film.mp4"))).await;
    let line = ben.line(&inbox.path("film.mp4")).await;
    assert!(line.contains("18,000,000 bytes"), "{line}");
    assert!(fs::read(inbox.path("film.mp4")).unwrap() == film, "film.mp4 differs");
    ann.line("film.mp4: 100 %").await;
    ben.line("Ann sends: 100 %").await;
    ann.write(&format!("/file {}", outbox.path("missing.txt"))).await;
    ann.line(&format!("cannot read {}", outbox.path("missing.txt"))).await;
    ann.write("/dance").await;
    ann.line("unknown command /dance").await;
    ann.write("/peers").await;
    ann.line("Ben          directly").await;

    ben.write("/quit").await;
    ben.ends_with(0).await;
    ann.line("Ben has left the room: left").await;
    ann.close_input();
    ann.ends_with(0).await;
    assert_eq!((ann.errors(), ben.errors()), (String::new(), String::new()));
}

#[tokio::test]
async fn chat_reports_an_unreachable_server_once() {
    let _turn = turn().await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let mut guest = Process::start("chat", &["join", &url, "--name", "Ann"]);
    guest.line(&format!("cannot connect to ws://{free}/socket.io/")).await;
    let server = Process::start("chat", &["serve", "--port", &free.port().to_string()]);
    server.line("listening on ").await;
    guest.line("you are in the room lobby").await;
    assert_eq!(guest.lines().len(), 2, "{:?}", guest.lines());
    guest.write("/quit").await;
    guest.ends_with(0).await;
}

#[tokio::test]
async fn chat_refuses_names_that_are_not_printable() {
    let _turn = turn().await;
    let long = "n".repeat(100);
    for name in ["", " ", "a\u{1b}[31mb", long.as_str()] {
        let mut chat = Process::start("chat", &["join", "http://127.0.0.1:1", "--name", name]);
        chat.ends_with(2).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn chat_server_and_peer_exit_cleanly_on_sigterm() {
    let _turn = turn().await;
    let mut server = Process::start("chat", &["serve", "--port", "0"]);
    let line = server.line("listening on ").await;
    let url = line.strip_prefix("listening on ").unwrap();
    let mut guest = Process::start("chat", &["join", url, "--name", "Ann"]);
    guest.line("you are in the room lobby").await;
    for process in [&mut guest, &mut server] {
        process.terminate();
        process.ends_with(0).await;
    }
}
