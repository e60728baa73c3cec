//! The defined load: one file, served as often as needed.

use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};

use valkka_testkit::gst::{Launch, RtspServer};
use valkka_testkit::media::Clip;
use valkka_testkit::xvfb::Display;

/// The file, the server that plays it, and a screen when one is needed.
pub(crate) struct Load {
    file: PathBuf,
    server: RtspServer,
    display: OnceCell<Display>,
}

/// Paths of the server; each plays the file on its own.
const PATHS: usize = 16;

impl Load {
    pub(crate) fn start() -> io::Result<Self> {
        let file = Clip::bench().file()?;
        let mut server = RtspServer::builder();
        for path in 0..PATHS {
            server = server.mount(&format!("/{path}"), Launch::file(&file)?);
        }
        Ok(Self { file, server: server.spawn()?, display: OnceCell::new() })
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn urls(&self, count: usize) -> Vec<String> {
        (0..count.min(PATHS)).map(|path| self.server.url(&format!("/{path}"))).collect()
    }

    /// The name of the screen, which is started when it is first asked for.
    pub(crate) fn display(&self) -> io::Result<String> {
        if self.display.get().is_none() {
            let _ = self.display.set(Display::spawn()?);
        }
        self.display
            .get()
            .map(|display| display.name().to_owned())
            .ok_or_else(|| io::Error::other("no screen"))
    }
}

/// Serves `count` streams to whoever asks for them: prints their addresses, and ends when the standard input is closed.
pub(crate) fn serve(count: usize) -> io::Result<()> {
    let load = Load::start()?;
    for url in load.urls(count) {
        println!("{url}");
    }
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
