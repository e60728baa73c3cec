//! What people and programs are told of a camera.

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::RecordMode;

/// How a camera stands. It holds no credentials.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CameraStatus {
    /// Its name.
    pub name: String,
    /// What people read.
    pub title: String,
    /// Whether it is connected.
    pub state: CameraState,
    /// Why it is not connected, in words.
    pub reason: Option<String>,
    /// The codec of its video, e.g. `H.264`; `None` before the first packet.
    pub codec: Option<String>,
    /// Width of its pictures in pixels; 0 if it is not known.
    pub width: u32,
    /// Height of its pictures in pixels; 0 if it is not known.
    pub height: u32,
    /// Pictures per second over the last five seconds.
    pub fps: f64,
    /// Kilobits (of 1000) per second over the last five seconds, audio included.
    pub kbit_s: f64,
    /// Pictures that came, since the service started or the camera was added.
    pub frames: u64,
    /// Network packets that were lost, since then.
    pub lost: u64,
    /// Connections after the first, since then.
    pub reconnects: u64,
    /// Who watches.
    pub viewers: Viewers,
    /// Whether it is being recorded.
    pub recording: RecordingStatus,
    /// The camera's address, without credentials.
    pub url: String,
    /// Where it is served over RTSP; `None` if it is not.
    pub rtsp: Option<String>,
}

/// Whether a camera is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// A connection is being made.
    Connecting,
    /// It is connected.
    Online,
    /// The last connection failed or ended; the next one is made by and by.
    Offline,
    /// No more connections are made.
    Failed,
}

/// Whether a camera is being recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RecordingStatus {
    /// How it stands.
    pub state: RecordingState,
    /// Why it is not being recorded, in words; `None` if it is, or is not to be.
    pub reason: Option<String>,
    /// When it is to be recorded.
    pub mode: RecordMode,
}

/// How the recording of a camera stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordingState {
    /// It is not to be recorded.
    #[default]
    Off,
    /// It is to be, once there is something: the camera is connected, or something happens.
    Waiting,
    /// It is being recorded.
    Recording,
    /// It should be, and cannot.
    Failing,
}

/// How many watch a camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Viewers {
    /// Over RTSP.
    pub rtsp: u64,
    /// Live in a browser.
    pub web: u64,
}
