//! How RTP travels.

use std::fmt;
use std::str::FromStr;

/// How RTP travels from the camera to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP, and TCP when UDP brings nothing within a second.
    Auto,
    /// One UDP port pair per track.
    #[default]
    Udp,
    /// Interleaved in the RTSP connection (RFC 2326, section 10.12).
    Tcp,
    /// UDP to a multicast group named by the server.
    Multicast,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Multicast => "multicast",
        })
    }
}

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(word: &str) -> Result<Self, UnknownTransport> {
        [Self::Auto, Self::Udp, Self::Tcp, Self::Multicast]
            .into_iter()
            .find(|transport| transport.to_string() == word)
            .ok_or_else(|| UnknownTransport(word.to_owned()))
    }
}

/// A word that names no [`Transport`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not one of auto, udp, tcp, multicast")]
pub struct UnknownTransport(String);
