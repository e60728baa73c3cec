//! Cameras to have sites of.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use valkka::codec::{Codec, FrameRate};
use valkka::synthetic::{Footage, SceneOptions, SyntheticCameras, SyntheticOptions};

/// Long enough for anything.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Any port of this machine.
pub(crate) const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Cameras of 320 × 240 with a key frame every second.
pub(crate) fn cameras(count: u16) -> SyntheticCameras {
    let scene = SceneOptions {
        width: 320,
        height: 240,
        frame_rate: FrameRate::new(25, 1).unwrap(),
        frames: 25,
        ..SceneOptions::new("test")
    };
    let footage = Footage::Scene { scene, codec: Codec::H264, bitrate_bps: 300_000 };
    SyntheticCameras::start(&SyntheticOptions { listen: ANY, count, footage, credentials: None }).unwrap()
}
