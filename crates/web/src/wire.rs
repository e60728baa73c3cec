//! A connection's socket: what is written is counted, and a peer that takes nothing, or next to nothing, is given up.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use valkka::stats::Counter;

use crate::tally::Admission;

/// A socket under HTTP, TLS and WebSocket alike, so that one place bounds how long each of them waits for a peer.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    /// Bytes written, of all connections together.
    sent: Arc<Counter>,
    /// How long the peer may be waited for until it has taken [`LEAST_BYTES`].
    patience: Duration,
    /// How long it was, before this moment, since it had taken so many.
    waited: Duration,
    /// What it has taken since.
    taken: usize,
    /// Runs while the peer takes nothing.
    stalled: Option<Stall>,
    /// The connection is counted until its socket closes, whatever is spoken over it by then.
    _admission: Admission<IpAddr>,
}

#[derive(Debug)]
struct Stall {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl Wire {
    pub(crate) fn new(
        stream: TcpStream,
        admission: Admission<IpAddr>,
        sent: Arc<Counter>,
        patience: Duration,
    ) -> Self {
        Self {
            stream,
            sent,
            patience,
            waited: Duration::ZERO,
            taken: 0,
            stalled: None,
            _admission: admission,
        }
    }

    /// Passes on what a write came to, unless the peer was waited for too long.
    fn watched(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = written {
            let length = *result.as_ref().unwrap_or(&0);
            self.waited += self.stalled.take().map_or(Duration::ZERO, |stall| stall.since.elapsed());
            self.taken += length;
            if self.taken >= LEAST_BYTES {
                (self.taken, self.waited) = (0, Duration::ZERO);
            }
            self.sent.add(length as u64);
            return Poll::Ready(result);
        }
        let left = self.patience.saturating_sub(self.waited);
        let begin = || Stall { since: Instant::now(), end: Box::pin(sleep(left)) };
        let stall = self.stalled.get_or_insert_with(begin);
        // Even the shortest sleep takes a while.
        if !left.is_zero() {
            ready!(stall.end.as_mut().poll(context));
        }
        let message = format!("the peer took {} bytes in {:?}", self.taken, self.patience);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watched(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Less than so much is no progress: who takes a byte now and then is not there to see anything.
const LEAST_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::future;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::runtime;

    use super::*;
    use crate::tally::Tally;

    async fn pair(patience: Duration) -> (Wire, TcpStream, Arc<Counter>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let sent = Arc::new(Counter::default());
        let (stream, address) = listener.accept().await.unwrap();
        let admission = Arc::new(Tally::new(1, 1)).admit(address.ip(), true).unwrap();
        (Wire::new(stream, admission, sent.clone(), patience), peer, sent)
    }

    const LITTLE: Duration = Duration::from_millis(50);

    #[test]
    fn a_peer_that_takes_nothing_is_given_up() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut wire, _peer, sent) = pair(LITTLE).await;
            let block = vec![0; 1 << 20];
            let error = loop {
                if let Err(error) = wire.write_all(&block).await {
                    break error;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(sent.get() > 0);
        });
    }

    #[test]
    fn one_that_takes_a_byte_now_and_then_is_given_up_too() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut wire, _peer, _sent) = pair(LITTLE).await;
            for _ in 0..LEAST_BYTES - 1 {
                let waits = future::poll_fn(|context| Poll::Ready(wire.watched(context, Poll::Pending)));
                if let Poll::Ready(Err(error)) = waits.await {
                    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                    return;
                }
                sleep(Duration::from_millis(1)).await;
                let takes = future::poll_fn(|context| Poll::Ready(wire.watched(context, Poll::Ready(Ok(1)))));
                assert!(takes.await.is_ready());
            }
            panic!("it is waited for without end");
        });
    }

    #[test]
    fn one_that_reads_gets_everything() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut wire, mut peer, sent) = pair(Duration::from_secs(60)).await;
            let reader = tokio::spawn(async move {
                let mut all = Vec::new();
                peer.read_to_end(&mut all).await.map(|_| all.len())
            });
            wire.write_all(&vec![0; 8 << 20]).await.unwrap();
            wire.shutdown().await.unwrap();
            assert_eq!(reader.await.unwrap().unwrap(), 8 << 20);
            assert_eq!(sent.get(), 8 << 20);
        });
    }
}
