//! Headless Chromium with one page. The tests of the signalling client use this file too.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

/// The path of Chromium, or `None` after printing how to install it. With `CI=true` a missing one is a failure.
pub(crate) fn find(test: &str) -> Option<String> {
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        std::process::Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    });
    if found.is_none() {
        let message =
            format!("{test}: expected Chromium, found none; on Debian: apt-get install chromium");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
        println!("skipped {message}");
    }
    found.map(str::to_owned)
}

/// A browser. Dropping it ends its process.
pub(crate) struct Chromium {
    process: Child,
    profile: PathBuf,
}

impl Chromium {
    /// Opens `url` with these flags beside the common ones.
    pub(crate) fn open(program: &str, test: &str, flags: &[&str], url: &str) -> Self {
        let profile = std::env::temp_dir().join(format!("{test}-{}", std::process::id()));
        let process = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--remote-debugging-port=0",
            ])
            .args(flags)
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { process, profile }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
