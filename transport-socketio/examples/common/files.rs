//! Opens files to send, and saves received ones: under a safe name, never over another file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt as _;

use super::text::{is_printable, printable};

/// Maximum bytes that all peers together may save in one run.
const MAX_SAVED: u64 = 16 << 30;

/// Maximum length of a file name in bytes, without a suffix such as ` (1)`.
const MAX_NAME: usize = 120;

/// Maximum length in bytes of the extension that a shortened name keeps.
const MAX_EXTENSION: usize = 16;

/// Maximum number of files with the same name.
const MAX_SAME_NAME: usize = 1000;

/// Reserved device names of Windows.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// Opens a file to send, and returns its size in bytes. The error names the file.
pub(crate) async fn open(path: &Path) -> Result<(File, u64), String> {
    let failed = |error: io::Error| format!("cannot read {}: {error}", shown(path));
    let file = File::open(path).await.map_err(failed)?;
    let metadata = file.metadata().await.map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("cannot read {}: it is not a file", shown(path)));
    }
    Ok((file, metadata.len()))
}

/// The directory for received files.
#[derive(Debug)]
pub(crate) struct Downloads {
    directory: PathBuf,
    saved: Arc<AtomicU64>,
}

impl Downloads {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, saved: Arc::default() }
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.directory.join(safe_name(name)).is_file()
    }

    /// Creates a new file under the peer's name for it, made safe: `NAME`, otherwise `NAME (1)` and so on, with the
    /// number before the extension. The error names the file.
    pub(crate) async fn create(&self, name: &str) -> Result<Download, String> {
        let name = safe_name(name);
        let (stem, extension) = split_extension(&name);
        let mut number = 0;
        loop {
            let path = match number {
                0 => self.directory.join(&name),
                _ => self.directory.join(format!("{stem} ({number}){extension}")),
            };
            match OpenOptions::new().write(true).create_new(true).open(&path).await {
                Ok(file) => {
                    let saved = Arc::clone(&self.saved);
                    return Ok(Download { file, path, saved, is_kept: false });
                }
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && number < MAX_SAME_NAME =>
                {
                    number += 1;
                }
                Err(error) => return Err(format!("cannot save {}: {error}", shown(&path))),
            }
        }
    }
}

/// A file that is being received. Dropping it removes the incomplete file.
#[derive(Debug)]
pub(crate) struct Download {
    file: File,
    path: PathBuf,
    saved: Arc<AtomicU64>,
    is_kept: bool,
}

impl Download {
    /// Writes the next bytes. The error names the file.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let len = bytes.len() as u64;
        if self.saved.fetch_add(len, Ordering::Relaxed).saturating_add(len) > MAX_SAVED {
            let (path, most) = (shown(&self.path), MAX_SAVED >> 30);
            return Err(format!(
                "{path} is not saved: expected at most {most} GiB from all peers together, got more"
            ));
        }
        self.file.write_all(bytes).await.map_err(|error| self.failed(&error))
    }

    /// Keeps the complete file, and returns its path.
    pub(crate) async fn keep(mut self) -> Result<PathBuf, String> {
        self.file.flush().await.map_err(|error| self.failed(&error))?;
        self.is_kept = true;
        Ok(self.path.clone())
    }

    fn failed(&self, error: &io::Error) -> String {
        format!("cannot save {}: {error}", shown(&self.path))
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file name without directories, that is not hidden and names no device, from whatever name a peer sends.
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible: String = last
        .chars()
        .filter(|&c| is_printable(c))
        .map(|c| if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { c })
        .collect();
    let name = visible.trim_start_matches(['.', ' ', '-']).trim_end_matches(['.', ' ']);
    let name = shorten(name);
    if name.is_empty() {
        return "file".to_owned();
    }
    if is_device(&name) { format!("_{name}") } else { name }
}

/// Whether Windows takes the name for a device, in any directory: `nul`, `NUL.txt`, `com1`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let stem = stem.strip_suffix(['$']).unwrap_or(&stem);
    let device = stem.trim_end_matches(|c: char| c.is_numeric());
    DEVICES.contains(&device) || matches!(stem, "conin" | "conout")
}

/// Shortens a long name in the middle, so that it keeps its extension.
fn shorten(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let (stem, extension) = split_extension(name);
    let extension = if extension.len() <= MAX_EXTENSION { extension } else { "" };
    let most = MAX_NAME - extension.len();
    let end = (0..=most).rev().find(|&end| stem.is_char_boundary(end)).unwrap_or(0);
    format!("{}{extension}", stem[..end].trim_end_matches(['.', ' ']))
}

/// Splits a name before its last dot.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    }
}

/// A path in printable characters, for errors and lines.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_file_names_stay_in_the_directory_and_visible() {
        for (given, safe) in [
            ("holiday.jpg", "holiday.jpg"),
            ("Grüße aus Köln.txt", "Grüße aus Köln.txt"),
            ("/etc/passwd", "passwd"),
            ("../../.bashrc", "bashrc"),
            ("..\\..\\windows\\system.ini", "system.ini"),
            ("C:\\autoexec.bat", "autoexec.bat"),
            ("c:evil.txt", "c_evil.txt"),
            ("", "file"),
            (".", "file"),
            ("..", "file"),
            ("a/", "file"),
            ("   ", "file"),
            (" .hidden", "hidden"),
            ("-rf", "rf"),
            ("a\u{0}b\nc\u{1b}[31m.txt", "abc[31m.txt"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("tab\there", "tabhere"),
            ("what?*<>|\".txt", "what______.txt"),
            ("trailing. . .", "trailing"),
            ("NUL", "_NUL"),
            ("nul.tar.gz", "_nul.tar.gz"),
            ("com1", "_com1"),
            ("LPT\u{b9}.txt", "_LPT\u{b9}.txt"),
            ("CON .txt", "_CON .txt"),
            ("CONIN$", "_CONIN$"),
            ("console.log", "console.log"),
            ("common.h", "common.h"),
        ] {
            assert_eq!(safe_name(given), safe, "{given:?}");
        }
    }

    #[test]
    fn long_file_names_are_shortened_and_keep_their_extension() {
        let long = safe_name(&format!("{}.tar", "ü".repeat(500)));
        assert!(long.len() <= MAX_NAME && long.ends_with("ü.tar"), "{long}");
        let long = safe_name(&format!("a.{}", "b".repeat(500)));
        assert!(long.len() <= MAX_NAME && !long.is_empty(), "{long}");
        assert_eq!(safe_name(&"x".repeat(500)).len(), MAX_NAME);
    }

    #[tokio::test]
    async fn a_received_file_never_replaces_another_and_an_incomplete_one_is_removed() {
        let directory = std::env::temp_dir().join(format!("example-files-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let downloads = Downloads::new(directory.clone());
        for (text, saved) in [("one", "a.txt"), ("two", "a (1).txt"), ("three", "a (2).txt")] {
            let mut download = downloads.create("../a.txt").await.unwrap();
            download.write(text.as_bytes()).await.unwrap();
            download.write(b"!").await.unwrap();
            assert_eq!(download.keep().await.unwrap(), directory.join(saved));
            assert_eq!(fs::read_to_string(directory.join(saved)).unwrap(), format!("{text}!"));
        }
        let mut download = downloads.create("half.txt").await.unwrap();
        download.write(b"one ha").await.unwrap();
        drop(download);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
        fs::remove_dir_all(&directory).unwrap();
        let error = downloads.create("b.txt").await.unwrap_err();
        assert!(error.contains("b.txt"), "{error}");
    }

    #[tokio::test]
    async fn files_beyond_the_maximum_of_all_peers_are_not_saved() {
        let directory = std::env::temp_dir().join(format!("example-space-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let downloads = Downloads::new(directory.clone());
        downloads.saved.store(MAX_SAVED - 4, Ordering::Relaxed);
        let mut download = downloads.create("a.txt").await.unwrap();
        download.write(b"fits").await.unwrap();
        let error = download.write(b"!").await.unwrap_err();
        assert!(error.contains("at most 16 GiB"), "{error}");
        drop(download);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[tokio::test]
    async fn the_error_of_an_unreadable_file_names_it() {
        let error = open(Path::new("no/such/file.txt")).await.unwrap_err();
        assert!(error.starts_with("cannot read no/such/file.txt: "), "{error}");
        let error = open(&std::env::temp_dir()).await.unwrap_err();
        assert!(error.ends_with("it is not a file"), "{error}");
    }
}
