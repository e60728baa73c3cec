//! A connection's socket: what is written is counted, and a peer that takes nothing is given up.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use valkka::stats::Counter;

use crate::tally::Admission;

/// A socket under HTTP, TLS and WebSocket alike, so that one place bounds how long each of them waits for a peer.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    /// Bytes written, of all connections together.
    sent: Arc<Counter>,
    /// How long a peer may take nothing of what is there for it.
    patience: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// The connection is counted until its socket closes, whatever is spoken over it by then.
    _admission: Admission<IpAddr>,
}

impl Wire {
    pub(crate) fn new(
        stream: TcpStream,
        admission: Admission<IpAddr>,
        sent: Arc<Counter>,
        patience: Duration,
    ) -> Self {
        Self { stream, sent, patience, stalled: None, _admission: admission }
    }

    /// Passes on what a write came to, unless the peer has taken nothing for too long.
    fn watched(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = written {
            self.stalled = None;
            self.sent.add(result.as_ref().map_or(0, |&length| length as u64));
            return Poll::Ready(result);
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        ready!(stalled.as_mut().poll(context));
        let message = format!("the peer took nothing for {:?}", self.patience);
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::runtime;

    use super::*;
    use crate::tally::Tally;

    async fn pair() -> (Wire, TcpStream, Arc<Counter>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let sent = Arc::new(Counter::default());
        let (stream, address) = listener.accept().await.unwrap();
        let admission = Arc::new(Tally::new(1, 1)).admit(address.ip(), true).unwrap();
        (Wire::new(stream, admission, sent.clone(), Duration::from_millis(50)), peer, sent)
    }

    #[test]
    fn a_peer_that_takes_nothing_is_given_up() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut wire, _peer, sent) = pair().await;
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
    fn one_that_reads_gets_everything() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut wire, mut peer, sent) = pair().await;
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
