//! Writes a connection: answers, and media interleaved with them.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::activity::Activity;
use super::viewer::Viewer;
use crate::rtp::Unit;

/// What the writer of a connection is told, in this order.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Write an answer.
    Response(Vec<u8>),
    /// From now on, write what the viewer gets, on these channels.
    Play(Viewer, Channels),
    /// Write no more media.
    Pause,
    /// End the connection.
    Close,
}

/// The channels for RTP and RTCP by track.
#[derive(Clone, Debug, Default)]
pub(super) struct Channels(pub(super) Vec<(u8, (u8, u8))>);

impl Channels {
    fn framed(&self, unit: &Unit) -> Option<Bytes> {
        let (_, channels) = self.0.iter().find(|(track, _)| *track == unit.track)?;
        Some(unit.interleaved(*channels))
    }
}

/// Writes until the connection is to end. A peer that takes nothing for `patience` is given up.
pub(super) async fn write(
    mut stream: impl AsyncWrite + Unpin,
    mut commands: mpsc::Receiver<Outgoing>,
    activity: Arc<Activity>,
    patience: Duration,
) -> io::Result<()> {
    let mut writer = Writer { stream: &mut stream, activity: &activity, patience };
    let mut playing: Option<(Viewer, Channels)> = None;
    loop {
        let command = if let Some((viewer, channels)) = &mut playing {
            let units = tokio::select! {
                biased;
                command = commands.recv() => Err(command),
                units = viewer.next() => Ok(units),
            };
            match units {
                Ok(Some(units)) => {
                    writer.units(&units, channels).await?;
                    viewer.sent(&units);
                    continue;
                }
                Ok(None) => {
                    writer.units(&viewer.goodbye(), channels).await?;
                    break;
                }
                Err(command) => command,
            }
        } else {
            commands.recv().await
        };
        match command {
            Some(Outgoing::Response(response)) => writer.all(&mut [IoSlice::new(&response)]).await?,
            Some(Outgoing::Play(viewer, channels)) => playing = Some((viewer, channels)),
            Some(Outgoing::Pause) => playing = None,
            Some(Outgoing::Close) => {
                if let Some((viewer, channels)) = &playing {
                    writer.units(&viewer.goodbye(), channels).await?;
                }
                break;
            }
            None => break,
        }
    }
    timeout(patience, stream.shutdown()).await?
}

struct Writer<'a, S> {
    stream: &'a mut S,
    activity: &'a Activity,
    patience: Duration,
}

impl<S: AsyncWrite + Unpin> Writer<'_, S> {
    async fn units(&mut self, units: &[Arc<Unit>], channels: &Channels) -> io::Result<()> {
        let framed: Vec<Bytes> = units.iter().filter_map(|unit| channels.framed(unit)).collect();
        let mut slices: Vec<IoSlice<'_>> = framed.iter().map(|bytes| IoSlice::new(bytes)).collect();
        self.all(&mut slices).await
    }

    /// Writes everything. Whatever the peer takes is a sign of its life.
    async fn all(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        // Takes empty slices off the front.
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let written = timeout(self.patience, self.stream.write_vectored(slices)).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.activity.touch();
            IoSlice::advance_slices(&mut slices, written);
        }
        // TLS holds on to what the kernel did not take at once.
        timeout(self.patience, self.stream.flush()).await?
    }
}
