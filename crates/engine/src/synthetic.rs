//! Cameras without hardware: a generated scene or a file, served over RTSP in a loop at its real pace.

mod clip;
mod player;
mod scene;
mod server;

pub use clip::{Clip, Reel};
pub use player::Player;
pub use scene::{BARS_RGB, Scene, SceneOptions};
pub use server::{Footage, SyntheticCameras, SyntheticError, SyntheticOptions};
