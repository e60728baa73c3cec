//! The `ffmpeg` program as a camera that sends RTP without being asked.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::ffmpeg;
use crate::process::Child;
use crate::temp::TempDir;

/// Sends the video of a file again and again at its real pace; stops when this is dropped.
#[derive(Debug)]
pub struct Sender {
    child: Child,
    /// Holds the description of the session.
    directory: TempDir,
}

impl Sender {
    /// Sends RTP to a UDP port (and RTCP to the next one), or to a multicast group, and writes an SDP file.
    ///
    /// # Errors
    /// If `ffmpeg` cannot be started or does not describe what it sends.
    pub fn rtp(file: &Path, destination: SocketAddr) -> io::Result<Self> {
        let directory = TempDir::new()?;
        let mut command = ffmpeg()?;
        command.args(["-re", "-stream_loop", "-1", "-i"]).arg(file).args(["-map", "0:v:0", "-c", "copy"]);
        command.arg("-sdp_file").arg(directory.join(SDP));
        // Packets that fit into an Ethernet frame, and multicast that stays on this machine.
        let output = format!("rtp://{destination}?pkt_size=1400&ttl=0");
        command.args(["-f", "rtp", &output]);
        let mut sender = Self { child: Child::spawn(command)?, directory };
        sender.wait_for_sdp()?;
        Ok(sender)
    }

    /// The description of what [`Self::rtp`] sends: an SDP file.
    pub fn sdp(&self) -> PathBuf {
        self.directory.join(SDP)
    }

    /// The sender's process, to freeze it or to kill it.
    pub fn process(&mut self) -> &mut Child {
        &mut self.child
    }

    fn wait_for_sdp(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + STARTUP;
        loop {
            // Complete once the last line of the only track is there.
            let text = fs::read_to_string(self.sdp()).unwrap_or_default();
            if text.contains("m=video") && text.ends_with('\n') && !text.ends_with("m=video") {
                return Ok(());
            }
            if !self.child.is_running() || Instant::now() >= deadline {
                let said = self.child.output();
                return Err(io::Error::other(format!("ffmpeg did not describe what it sends:\n{said}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

const SDP: &str = "stream.sdp";

const STARTUP: Duration = Duration::from_secs(60);
