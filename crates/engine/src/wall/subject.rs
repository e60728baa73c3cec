//! What a tile shows.

use std::sync::Arc;

use valkka_net::StreamState;

use super::feed::Feed;
use crate::camera::Camera;
use crate::decoding::PictureBranch;

/// Where the pictures of a tile come from.
pub(super) enum Subject {
    /// A camera.
    Camera {
        camera: Arc<Camera>,
        /// Pictures come as long as it is there.
        _pictures: PictureBranch,
    },
    /// Somebody who puts them there.
    Feed(Arc<Feed>),
}

impl Subject {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Camera { camera, .. } => camera.name(),
            Self::Feed(feed) => feed.name(),
        }
    }

    /// What is the matter while there is no picture.
    pub(super) fn message(&self) -> Arc<str> {
        match self {
            Self::Camera { camera, .. } => message(&camera.state()),
            Self::Feed(feed) => feed.message(),
        }
    }
}

fn message(state: &StreamState) -> Arc<str> {
    match state {
        StreamState::Connecting => "connecting".into(),
        StreamState::Online(_) => "waiting for a picture".into(),
        StreamState::Waiting { reason, .. } | StreamState::Failed { reason } => reason.clone(),
    }
}
