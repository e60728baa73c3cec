//! An RTSP server with synthetic cameras behind it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use valkka_av::{EncodeError, FileReader};
use valkka_core::codec::Codec;
use valkka_core::source::SourceError;
use valkka_core::url::Credentials;
use valkka_net::server::{Gatekeeper, MountError, Open, Server, ServerOptions};

use super::{Clip, Player, SceneOptions};

/// What synthetic cameras show and where they listen.
#[derive(Clone, Debug)]
pub struct SyntheticOptions {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many cameras, served as `/cam1`, `/cam2` ….
    pub count: u16,
    /// What they show.
    pub footage: Footage,
    /// Who may watch; anyone if `None`.
    pub credentials: Option<Credentials>,
}

/// What a synthetic camera shows.
#[derive(Clone, Debug)]
pub enum Footage {
    /// A generated scene.
    Scene {
        /// Its look; each camera's own name takes the place of the name.
        scene: SceneOptions,
        /// Its codec.
        codec: Codec,
        /// About so many bits per second.
        bitrate_bps: u32,
    },
    /// A file, the same for each camera; its packets are served as they are.
    File(PathBuf),
}

/// Synthetic cameras behind an RTSP server of their own, on threads of their own. Dropping it ends them.
#[derive(Debug)]
pub struct SyntheticCameras {
    // Dropped in this order: nothing more is played, then the server closes.
    _players: Vec<Player>,
    server: Server,
    count: u16,
}

/// Why synthetic cameras could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyntheticError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        cause: io::Error,
    },
    /// The scene cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] SourceError),
    /// The system gave no thread.
    #[error("cannot start a player")]
    Thread(#[source] io::Error),
    /// The path cannot be served.
    #[error(transparent)]
    Path(#[from] MountError),
}

impl SyntheticCameras {
    /// Prepares the footage, binds the address and starts to serve. Scenes take some 5 ms of one CPU per
    /// picture to encode.
    ///
    /// # Errors
    /// If the address is taken, the file cannot be read, or there is no encoder.
    pub fn start(options: &SyntheticOptions) -> Result<Self, SyntheticError> {
        let access: Arc<dyn Gatekeeper> = match &options.credentials {
            Some(credentials) => Arc::new(credentials.clone()),
            None => Arc::new(Open),
        };
        let server_options = ServerOptions { access, ..ServerOptions::default() };
        let server = Server::bind(options.listen, server_options)
            .map_err(|cause| SyntheticError::Listen { address: options.listen, cause })?;
        let mut shared = None;
        let mut players = Vec::new();
        for number in 1..=options.count {
            let name = format!("cam{number}");
            let mount = server.mount(&name)?;
            let player = match &options.footage {
                Footage::File(path) => Player::spawn(&name, FileReader::open(path)?, Arc::new(mount)),
                Footage::Scene { scene, codec, bitrate_bps } => {
                    let clip = match &shared {
                        Some(clip) => Clip::clone(clip),
                        None if options.count <= MAX_NAMED => Clip::generate(
                            SceneOptions { name: name.clone(), ..scene.clone() },
                            *codec,
                            *bitrate_bps,
                        )?,
                        None => {
                            let clip = Clip::generate(scene.clone(), *codec, *bitrate_bps)?;
                            shared.insert(clip).clone()
                        }
                    };
                    Player::spawn(&name, clip, Arc::new(mount))
                }
            };
            players.push(player.map_err(SyntheticError::Thread)?);
        }
        Ok(Self { _players: players, server, count: options.count })
    }

    /// Where the cameras are served.
    pub fn urls(&self) -> Vec<String> {
        let address = self.server.local_addr();
        (1..=self.count).map(|number| format!("rtsp://{address}/cam{number}")).collect()
    }
}

/// Up to so many cameras show their own name; more share one clip, so that the start takes no minutes.
const MAX_NAMED: u16 = 16;
