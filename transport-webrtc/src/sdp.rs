//! Checks a remote session description before the WebRTC stack parses it.

use thiserror::Error;

/// Maximum length of a session description in bytes. A browser's data-only offer has about 1,000.
pub(crate) const MAX_SDP: usize = 64 * 1024;

/// Maximum remote candidates per connection: ICE checks each against each local address.
pub(crate) const MAX_CANDIDATES: usize = 64;

/// Maximum media sections.
const MAX_SECTIONS: usize = 16;

/// The message limit of a remote that states none (RFC 8841, section 6.1).
const DEFAULT_MAX_MESSAGE: u32 = 65_536;

/// The begin of the line with the longest message that an end takes, 0 for no limit (RFC 8841, section 6).
const LIMIT: &str = "a=max-message-size:";

/// The line of the data channel section that states that its end opens the datagram channel (RFC 8864).
pub(crate) const DATAGRAMS: &str =
    "a=dcmap:101 label=\"socketio-p2p/volatile\";ordered=false;max-retr=0";

/// The stream of the datagram channel, as in [`DATAGRAMS`]. Streams of channels opened in band begin at 0.
pub(crate) const DATAGRAMS_STREAM: u16 = 101;
pub(crate) const DATAGRAMS_LABEL: &str = "socketio-p2p/volatile";

/// Adds [`DATAGRAMS`] to a local description, whose only section is that of the data channels.
pub(crate) fn add_datagrams(sdp: &mut String) {
    sdp.push_str(DATAGRAMS);
    sdp.push_str("\r\n");
}

/// Returns a description with this message limit for data channels instead of its own.
pub(crate) fn with_limit(sdp: &str, limit: u32) -> String {
    let mut limited = String::with_capacity(sdp.len() + 32);
    let mut wanted = false;
    for line in sdp.lines().filter(|line| !line.is_empty() && !line.starts_with(LIMIT)) {
        if line.starts_with("m=") {
            wanted = is_data_channel(line);
        }
        // Before the first attribute of the section.
        if line.starts_with("a=") && std::mem::take(&mut wanted) {
            limited.push_str(&format!("{LIMIT}{limit}\r\n"));
        }
        limited.push_str(line);
        limited.push_str("\r\n");
    }
    limited
}

/// An unusable remote session description. The texts quote nothing of it, because it contains a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum SdpError {
    #[error("expected at most {MAX_SDP} bytes, got {0}")]
    TooLong(usize),
    #[error("expected \"v=0\" as its first line")]
    NotSdp,
    #[error("expected a data channel section (m=application … webrtc-datachannel), got none")]
    NoDataChannel,
    #[error("expected at most {MAX_SECTIONS} media sections, got more")]
    TooManySections,
    #[error("expected {0}, got none")]
    Missing(&'static str),
    #[error("expected at most {MAX_CANDIDATES} candidates, got more")]
    TooManyCandidates,
}

/// A remote session description that passed the checks.
pub(crate) struct RemoteDescription {
    /// The description for the WebRTC stack, without the datagram line.
    pub(crate) sdp: String,
    /// The longest message in bytes that the remote takes; `None` when it states no limit.
    pub(crate) max_message: Option<u32>,
    /// The number of candidates in it.
    pub(crate) candidates: usize,
    /// Whether the remote opens the datagram channel.
    pub(crate) datagrams: bool,
}

impl RemoteDescription {
    /// Checks a description.
    pub(crate) fn read(sdp: &str) -> Result<Self, SdpError> {
        if sdp.len() > MAX_SDP {
            return Err(SdpError::TooLong(sdp.len()));
        }
        if !sdp.starts_with("v=0") {
            return Err(SdpError::NotSdp);
        }
        let mut description = Self {
            sdp: String::with_capacity(sdp.len() + 32),
            max_message: None,
            candidates: 0,
            datagrams: false,
        };
        let mut found = Found::default();
        let mut max_message = None;
        for line in sdp.lines().filter(|line| !line.is_empty()) {
            if line.starts_with("m=") {
                found.enter_section(line);
            }
            if let Some(value) = line.strip_prefix(LIMIT)
                && found.in_data_channel
            {
                max_message = value.trim().parse::<u64>().ok();
            }
            if line == DATAGRAMS {
                description.datagrams |= found.in_data_channel;
                continue;
            }
            found.fingerprint |= line.starts_with("a=fingerprint:");
            found.ufrag |= line.starts_with("a=ice-ufrag:");
            found.password |= line.starts_with("a=ice-pwd:");
            description.candidates += usize::from(line.starts_with("a=candidate:"));
            description.sdp.push_str(line);
            description.sdp.push_str("\r\n");
        }
        found.check(description.candidates)?;
        description.max_message = match max_message {
            None => Some(DEFAULT_MAX_MESSAGE),
            Some(0) => None,
            Some(limit) => Some(u32::try_from(limit).unwrap_or(u32::MAX)),
        };
        Ok(description)
    }
}

/// The parts found in a description.
#[derive(Default)]
struct Found {
    sections: usize,
    in_data_channel: bool,
    data_channel: bool,
    fingerprint: bool,
    ufrag: bool,
    password: bool,
}

impl Found {
    fn enter_section(&mut self, line: &str) {
        self.sections += 1;
        self.in_data_channel = is_data_channel(line);
        self.data_channel |= self.in_data_channel;
    }

    fn check(&self, candidates: usize) -> Result<(), SdpError> {
        if self.sections > MAX_SECTIONS {
            return Err(SdpError::TooManySections);
        }
        if !self.data_channel {
            return Err(SdpError::NoDataChannel);
        }
        for (present, what) in [
            (self.fingerprint, "a certificate fingerprint (a=fingerprint)"),
            (self.ufrag, "an ICE user name fragment (a=ice-ufrag)"),
            (self.password, "an ICE password (a=ice-pwd)"),
        ] {
            if !present {
                return Err(SdpError::Missing(what));
            }
        }
        if candidates > MAX_CANDIDATES {
            return Err(SdpError::TooManyCandidates);
        }
        Ok(())
    }
}

/// `m=application 9 UDP/DTLS/SCTP webrtc-datachannel` (RFC 8841).
fn is_data_channel(line: &str) -> bool {
    line.starts_with("m=application ") && line.contains("webrtc-datachannel")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
        a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n\
        a=fingerprint:sha-256 AB\r\na=mid:0\r\na=sctp-port:5000\r\n";

    fn limit(attribute: &str) -> Option<u32> {
        RemoteDescription::read(&format!("{BROWSER}{attribute}\r\n")).unwrap().max_message
    }

    #[test]
    fn the_message_limit_is_read_as_in_rfc_8841() {
        assert_eq!(RemoteDescription::read(BROWSER).unwrap().max_message, Some(65_536));
        assert_eq!(limit("a=max-message-size:262144"), Some(262_144));
        assert_eq!(limit("a=max-message-size:16384"), Some(16_384));
        assert_eq!(limit("a=max-message-size:0"), None);
        assert_eq!(limit("a=max-message-size:18446744073709551615"), Some(u32::MAX));
        assert_eq!(limit("a=max-message-size:much"), Some(65_536));
    }

    #[test]
    fn the_message_limit_of_another_section_is_ignored() {
        let media = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=max-message-size:1";
        assert_eq!(limit(media), Some(65_536));
    }

    #[test]
    fn the_message_limit_of_a_description_is_replaced() {
        let stated = format!("{BROWSER}a=max-message-size:9\r\n");
        let description = RemoteDescription::read(&stated).unwrap();
        assert_eq!((&description.sdp, description.candidates), (&stated, 1));
        let unlimited = "c=IN IP4 0.0.0.0\r\na=max-message-size:0\r\n";
        let expected = BROWSER.replace("c=IN IP4 0.0.0.0\r\n", unlimited);
        assert_eq!((with_limit(&stated, 0), with_limit(BROWSER, 0)), (expected.clone(), expected));
        assert_eq!(
            limit(with_limit(&stated, 1_200).rsplit_once("0.0.0.0\r\n").unwrap().1),
            Some(1_200)
        );
    }

    #[test]
    fn the_datagram_line_is_read_from_the_data_channel_section() {
        let read = |sdp: &str| RemoteDescription::read(sdp).unwrap();
        let plain = read(BROWSER);
        let mut with_datagrams = BROWSER.to_owned();
        add_datagrams(&mut with_datagrams);
        let description = read(&with_datagrams);
        assert_eq!((plain.datagrams, description.datagrams), (false, true));
        assert_eq!(description.sdp, plain.sdp, "the datagram line is removed");
        assert!(!read(&format!("{BROWSER}m=audio 9 X 0\r\n{DATAGRAMS}\r\n")).datagrams);
        let other = DATAGRAMS.replace("volatile", "other");
        assert!(!read(&format!("{BROWSER}{other}\r\n")).datagrams);
    }

    #[test]
    fn the_datagram_line_contains_its_stream_and_label() {
        assert!(DATAGRAMS.starts_with(&format!("a=dcmap:{DATAGRAMS_STREAM} ")));
        assert!(DATAGRAMS.contains(&format!("label=\"{DATAGRAMS_LABEL}\"")));
    }

    #[test]
    fn descriptions_with_bare_line_feeds_are_accepted() {
        let description = RemoteDescription::read(&BROWSER.replace("\r\n", "\n")).unwrap();
        assert_eq!(description.sdp, BROWSER);
    }
}
