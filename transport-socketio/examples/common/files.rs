//! Reads files to send, and saves received ones: under a safe name, never over another file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use socketio_p2p_core::codec::Blob;

use super::text::{is_printable, printable};

/// Maximum size in bytes of a file to send: with its name it must fit in a packet of 16 MiB.
pub(crate) const MAX_FILE: usize = 15 << 20;

/// Maximum bytes that all peers together may save here.
const MAX_SAVED: usize = 256 << 20;

/// Maximum length of a file name in bytes, without a suffix such as ` (1)`.
const MAX_NAME: usize = 120;

/// Maximum length in bytes of the extension that a shortened name keeps.
const MAX_EXTENSION: usize = 16;

/// Maximum number of files with the same name.
const MAX_SAME_NAME: usize = 1000;

/// Reserved device names of Windows.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// Reads a file to send. The error names the file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("cannot read {}: it is not a file", path.display()));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
    let file = File::open(path).map_err(failed)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_FILE {
        return Err(format!(
            "cannot send {}: expected at most {} MiB, got more",
            path.display(),
            MAX_FILE >> 20
        ));
    }
    Ok(bytes)
}

/// The directory for received files.
#[derive(Debug)]
pub(crate) struct Downloads {
    directory: PathBuf,
    saved: usize,
}

impl Downloads {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, saved: 0 }
    }

    /// Saves a received file under the peer's name for it, made safe, and returns its path. The error names the file.
    pub(crate) fn save(&mut self, name: &str, blobs: &[Blob]) -> Result<PathBuf, String> {
        let name = safe_name(name);
        let len: usize = blobs.iter().map(|blob| blob.len()).sum();
        if self.saved + len > MAX_SAVED {
            let most = MAX_SAVED >> 20;
            return Err(format!(
                "{name} is not saved: expected at most {most} MiB from all peers together, got more"
            ));
        }
        let failed = |path: &Path, error| format!("cannot save {}: {error}", path.display());
        let (mut file, path) = self.create(&name).map_err(|(path, error)| failed(&path, error))?;
        let written = blobs.iter().try_for_each(|blob| file.write_all(blob));
        written.map_err(|error| {
            // An incomplete file is removed.
            let _ = fs::remove_file(&path);
            failed(&path, error)
        })?;
        self.saved += len;
        Ok(path)
    }

    /// Creates a new file: `NAME`, otherwise `NAME (1)` and so on, with the number before the extension.
    fn create(&self, name: &str) -> Result<(File, PathBuf), (PathBuf, io::Error)> {
        let (stem, extension) = split_extension(name);
        let mut number = 0;
        loop {
            let path = match number {
                0 => self.directory.join(name),
                _ => self.directory.join(format!("{stem} ({number}){extension}")),
            };
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((file, path)),
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && number < MAX_SAME_NAME =>
                {
                    number += 1;
                }
                Err(error) => return Err((path, error)),
            }
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

    #[test]
    fn a_received_file_never_replaces_another() {
        let directory = std::env::temp_dir().join(format!("chat-files-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let mut downloads = Downloads::new(directory.clone());
        let blobs = |text: &str| [Blob::from(text.as_bytes().to_vec()), Blob::from(vec![b'!'])];
        let saved: Vec<_> = ["one", "two", "three"]
            .map(|text| downloads.save("../a.txt", &blobs(text)).unwrap())
            .into_iter()
            .map(|path| {
                let name = path.strip_prefix(&directory).unwrap().display().to_string();
                (name, fs::read_to_string(&path).unwrap())
            })
            .collect();
        let expected = [("a.txt", "one!"), ("a (1).txt", "two!"), ("a (2).txt", "three!")];
        assert_eq!(saved, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        fs::remove_dir_all(&directory).unwrap();
        let error = downloads.save("b.txt", &blobs("four")).unwrap_err();
        assert!(error.contains("b.txt"), "{error}");
    }

    #[test]
    fn the_error_of_an_unreadable_file_names_it() {
        let error = read(Path::new("no/such/file.txt")).unwrap_err();
        assert!(error.starts_with("cannot read no/such/file.txt: "), "{error}");
        let error = read(&std::env::temp_dir()).unwrap_err();
        assert!(error.ends_with("it is not a file"), "{error}");
    }
}
