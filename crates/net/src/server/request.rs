//! Cuts what a connection brings into requests and interleaved packets.

use rtsp_types::{Message, ParseError, Request};

/// Collects bytes until they are a request or an interleaved packet. Holds at most [`MAX_HEAD`] +
/// [`MAX_BODY`] bytes.
#[derive(Debug, Default)]
pub(super) struct RequestReader {
    buffer: Vec<u8>,
    /// No head ends before this position.
    searched: usize,
}

/// What came.
#[derive(Debug)]
pub(super) enum Event {
    /// A request.
    Request(Request<Vec<u8>>),
    /// A packet on an interleaved channel.
    Packet {
        /// The channel.
        channel: u8,
        /// The packet.
        data: Vec<u8>,
    },
}

/// Why what came cannot be read. The position in the stream is lost then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    /// It does not follow the grammar.
    #[error("not an RTSP request")]
    Malformed,
    /// The head is too long.
    #[error("the head of a request is longer than {MAX_HEAD} bytes")]
    HeadTooLong,
    /// The body is too long.
    #[error("the body of a request is longer than {MAX_BODY} bytes")]
    BodyTooLong,
}

impl RequestReader {
    /// Takes what has come.
    pub(super) fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// Takes out the next event; `None` if it is not all there yet.
    pub(super) fn next(&mut self) -> Result<Option<Event>, RequestError> {
        loop {
            // Empty lines between messages are passed over (RFC 2326, section 4.1).
            let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.consume(blank);
            match self.buffer.first() {
                None => return Ok(None),
                Some(b'$') => return Ok(self.packet()),
                Some(_) => {}
            }
            let Some(head_end) = self.head_end() else {
                let long = self.buffer.len() > MAX_HEAD;
                return if long { Err(RequestError::HeadTooLong) } else { Ok(None) };
            };
            if head_end > MAX_HEAD {
                return Err(RequestError::HeadTooLong);
            }
            match Message::<Vec<u8>>::parse(&self.buffer) {
                Ok((message, consumed)) => {
                    self.consume(consumed);
                    match message {
                        Message::Request(request) => return Ok(Some(Event::Request(request))),
                        // We ask nothing, so there is nothing to answer.
                        Message::Response(_) | Message::Data(_) => {}
                    }
                }
                Err(ParseError::Incomplete(Some(missing))) if missing.get() <= MAX_BODY => {
                    let body = self.buffer.len() - head_end + missing.get();
                    return if body > MAX_BODY { Err(RequestError::BodyTooLong) } else { Ok(None) };
                }
                Err(ParseError::Incomplete(Some(_))) => return Err(RequestError::BodyTooLong),
                // The head is all there.
                Err(ParseError::Incomplete(None) | ParseError::Error) => return Err(RequestError::Malformed),
            }
        }
    }

    fn packet(&mut self) -> Option<Event> {
        let &[_, channel, high, low, ref rest @ ..] = &self.buffer[..] else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let data = rest.get(..length)?.to_vec();
        self.consume(4 + length);
        Some(Event::Packet { channel, data })
    }

    /// The position behind the empty line that ends the head of the first message.
    fn head_end(&mut self) -> Option<usize> {
        let from = self.searched.saturating_sub(HEAD_END.len() - 1);
        let found = self.buffer[from..].windows(HEAD_END.len()).position(|window| window == HEAD_END);
        // Found or not, it is not looked for again before here.
        self.searched = found.map_or(self.buffer.len(), |at| from + at);
        found.map(|at| from + at + HEAD_END.len())
    }

    fn consume(&mut self, bytes: usize) {
        if bytes > 0 {
            self.buffer.drain(..bytes);
            self.searched = 0;
        }
    }
}

/// Bytes of a request line and headers at most.
const MAX_HEAD: usize = 16 << 10;

/// Bytes of a body at most. Bodies of requests are not used.
const MAX_BODY: usize = 16 << 10;

const HEAD_END: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"OPTIONS rtsp://h/cam1 RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc";
    const PACKET: &[u8] = &[b'$', 1, 0, 2, 7, 8];

    /// Every event, `None` at the end for an error.
    fn read_all(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<Option<String>> {
        let mut reader = RequestReader::default();
        let mut events = Vec::new();
        for piece in pieces {
            reader.push(piece.as_ref());
            loop {
                match reader.next() {
                    Ok(None) => break,
                    Ok(Some(Event::Request(request))) => events.push(Some(format!("{:?}", request.method()))),
                    Ok(Some(Event::Packet { channel, data })) => {
                        events.push(Some(format!("{channel} {data:?}")))
                    }
                    Err(_) => {
                        events.push(None);
                        return events;
                    }
                }
            }
            assert!(reader.buffer.len() <= MAX_HEAD + MAX_BODY + (64 << 10));
        }
        events
    }

    #[test]
    fn messages_cut_anywhere_are_the_same_messages() {
        let stream = [REQUEST, b"\r\n", PACKET, PACKET, REQUEST].concat();
        let expected = read_all([&stream]);
        assert_eq!(expected.len(), 4);
        assert!(expected.iter().all(Option::is_some));
        assert_eq!(read_all(stream.chunks(1)), expected);
        for cut in 0..stream.len() {
            assert_eq!(read_all([&stream[..cut], &stream[cut..]]), expected);
        }
    }

    #[test]
    fn what_is_too_long_or_no_request_ends_it() {
        let long_head = [b"OPTIONS * RTSP/1.0\r\nX: ".to_vec(), vec![b'x'; 20_000]].concat();
        let long_body = b"OPTIONS * RTSP/1.0\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
        let absurd = b"OPTIONS * RTSP/1.0\r\nContent-Length: 99999999999999999999999\r\n\r\n".to_vec();
        let http = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
        let relative = b"DESCRIBE ../../etc/passwd RTSP/1.0\r\n\r\n".to_vec();
        for stream in [long_head, long_body, absurd, http, relative] {
            assert_eq!(read_all([&stream]), [None]);
        }
    }

    #[test]
    fn garbage_does_no_harm() {
        let mut random = fastrand::Rng::with_seed(2326);
        for _ in 0..5000 {
            let mut stream = [REQUEST, PACKET, REQUEST].concat();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..stream.len());
                match random.u8(..3) {
                    0 => stream[at] = random.u8(..),
                    1 => drop(stream.drain(..at)),
                    _ => stream.truncate(at),
                }
                if stream.is_empty() {
                    break;
                }
            }
            read_all(stream.chunks(random.usize(1..40)));
        }
    }
}
