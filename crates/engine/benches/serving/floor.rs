//! The floor: writes the same bytes to the same sockets, and does nothing else.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};

use valkka::frame::{Body, Frame};
use valkka::sink::Sink;

/// Cuts each access unit into pieces with the headers of RTP over TCP and writes it to each socket in one call, which
/// waits if it must.
pub(crate) struct Floor {
    listener: TcpListener,
    local_addr: SocketAddr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    viewers: Vec<TcpStream>,
    sequence: u16,
    framed: Vec<u8>,
}

impl Floor {
    pub(crate) fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self { local_addr: listener.local_addr()?, listener, state: Mutex::default() })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

impl Sink for Floor {
    fn put(&self, frame: Frame) {
        let Body::Packet(packet) = frame.body else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { viewers, sequence, framed } = &mut *state;
        if packet.keyframe {
            while let Ok((viewer, _)) = self.listener.accept() {
                if viewer.set_nonblocking(false).and_then(|()| viewer.set_nodelay(true)).is_ok() {
                    viewers.push(viewer);
                }
            }
        }
        framed.clear();
        let timestamp = frame.time.media.ticks() as u32;
        let mut pieces = packet.payload.chunks(PAYLOAD_BYTES).peekable();
        while let Some(piece) = pieces.next() {
            let marker = if pieces.peek().is_none() { 0x80 } else { 0 };
            framed.extend([b'$', 0]);
            framed.extend(((piece.len() + RTP_BYTES) as u16).to_be_bytes());
            framed.extend([0x80, 96 | marker]);
            framed.extend(sequence.to_be_bytes());
            framed.extend(timestamp.to_be_bytes());
            framed.extend([0; 4]);
            framed.extend(piece);
            *sequence = sequence.wrapping_add(1);
        }
        viewers.retain_mut(|viewer| viewer.write_all(framed).is_ok());
    }
}

/// As our server and GStreamer's fill packets, about.
const PAYLOAD_BYTES: usize = 1400;

const RTP_BYTES: usize = 12;
