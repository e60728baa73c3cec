//! What goes over an RTSP connection, read and changed only as far as a proxy must.

use std::io::{self, BufRead, Read as _};

/// One unit of an RTSP connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// An interleaved packet with its header, as it came.
    Interleaved(Vec<u8>),
    /// A request or an answer.
    Message(Message),
}

/// A request or an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The first line and the header lines, without line ends.
    lines: Vec<String>,
    body: Vec<u8>,
}

/// A pair of ports, of RTP and RTCP.
pub(super) type Ports = (u16, u16);

impl Unit {
    /// Reads the next unit; `None` at the end of the connection.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        match reader.fill_buf()? {
            [] => Ok(None),
            [b'$', ..] => {
                let mut data = vec![0; 4];
                reader.read_exact(&mut data)?;
                let length = usize::from(u16::from_be_bytes([data[2], data[3]]));
                data.resize(4 + length, 0);
                reader.read_exact(&mut data[4..])?;
                Ok(Some(Self::Interleaved(data)))
            }
            _ => Message::read(reader).map(|message| message.map(Self::Message)),
        }
    }
}

impl Message {
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') || lines.len() == MAX_LINES {
                return Ok(None);
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let mut message = Self { lines, body: Vec::new() };
        let length = message.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        if length > MAX_BODY {
            return Ok(None);
        }
        message.body.resize(length, 0);
        reader.read_exact(&mut message.body)?;
        Ok(Some(message))
    }

    /// Whether it is a request for `method`.
    pub(super) fn is_request(&self, method: &str) -> bool {
        self.lines.first().is_some_and(|line| line.split_ascii_whitespace().next() == Some(method))
    }

    /// Whether it is an answer that grants what was asked.
    pub(super) fn is_success(&self) -> bool {
        self.lines.first().is_some_and(|line| line.starts_with("RTSP/1.0 2"))
    }

    /// The value of a header line; `name` in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().skip(1).find_map(|line| {
            let (candidate, value) = line.split_once(':')?;
            candidate.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The ports that the Transport header gives under `name`, e.g. `client_port` (RFC 2326, section 12.39).
    pub(super) fn ports(&self, name: &str) -> Option<Ports> {
        let parameters = self.header("transport")?.split([';', ',']);
        let value =
            parameters.filter_map(|parameter| parameter.split_once('=')).find(|(key, _)| *key == name)?.1;
        let (rtp, rtcp) = value.split_once('-')?;
        Some((rtp.parse().ok()?, rtcp.parse().ok()?))
    }

    /// Replaces these ports.
    pub(super) fn set_ports(&mut self, name: &str, (rtp, rtcp): Ports) {
        let Some((old_rtp, old_rtcp)) = self.ports(name) else { return };
        let (old, new) = (format!("{name}={old_rtp}-{old_rtcp}"), format!("{name}={rtp}-{rtcp}"));
        for line in self.lines.iter_mut().filter(|line| line.to_ascii_lowercase().starts_with("transport")) {
            *line = line.replace(&old, &new);
        }
    }

    /// Replaces `old` by `new`, e.g. the address of a server, everywhere but in the first line.
    pub(super) fn replace(&mut self, old: &str, new: &str) {
        if let Ok(body) = std::str::from_utf8(&self.body) {
            self.body = body.replace(old, new).into_bytes();
        }
        let length = self.body.len();
        for line in self.lines.iter_mut().skip(1) {
            *line = if line.to_ascii_lowercase().starts_with("content-length:") {
                format!("Content-Length: {length}")
            } else {
                line.replace(old, new)
            };
        }
    }

    /// As it goes over the connection.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.lines.iter().fold(String::new(), |text, line| text + line + "\r\n").into_bytes();
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

const MAX_LINE: u64 = 16 * 1024;

const MAX_LINES: usize = 200;

const MAX_BODY: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_come_out_as_they_went_in() {
        let text = b"$\x01\x00\x02ab\
            OPTIONS rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\n\r\n\
            RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-length: 3\r\n\r\nabc";
        let mut reader = &text[..];
        let mut out = Vec::new();
        let mut units = 0;
        while let Some(unit) = Unit::read(&mut reader).unwrap() {
            units += 1;
            match unit {
                Unit::Interleaved(data) => out.extend(data),
                Unit::Message(message) => out.extend(message.to_bytes()),
            }
        }
        assert_eq!((units, out.as_slice()), (3, &text[..]));
    }

    #[test]
    fn what_is_cut_short_or_has_no_end_is_the_end() {
        assert_eq!(Unit::read(&mut &b"OPTIONS rtsp://h/ RT"[..]).unwrap(), None);
        assert_eq!(Unit::read(&mut &[b'x'; 100_000][..]).unwrap(), None);
        assert_eq!(
            Unit::read(&mut &b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n"[..]).unwrap(),
            None
        );
        assert!(Unit::read(&mut &b"$\x00\x00\x09ab"[..]).is_err());
    }

    #[test]
    fn ports_and_addresses_are_replaced() {
        let text = "RTSP/1.0 200 OK\r\nContent-Base: rtsp://1.2.3.4:5/x\r\nContent-Length: 12\r\n\
            Transport: RTP/AVP;unicast;client_port=10-11;server_port=20-21\r\n\r\na=rtsp://1.2.3.4:5/x";
        let Some(Unit::Message(mut message)) = Unit::read(&mut text.as_bytes()).unwrap() else {
            panic!("it is a message")
        };
        assert!(message.is_success() && !message.is_request("SETUP"));
        assert_eq!(message.ports("client_port"), Some((10, 11)));
        message.set_ports("server_port", (7000, 7001));
        message.replace("1.2.3.4:5", "1.2.3.4:55555");
        let text = String::from_utf8(message.to_bytes()).unwrap();
        assert!(text.contains("client_port=10-11;server_port=7000-7001"), "{text}");
        assert!(text.contains("Content-Base: rtsp://1.2.3.4:55555/x\r\n"), "{text}");
        // 12 bytes of the body were read: "a=rtsp://1.2", which holds no address.
        assert!(text.ends_with("a=rtsp://1.2"), "{text}");
        message.replace("1.2", "localhost");
        assert_eq!(message.header("content-length"), Some("18"));
    }
}
