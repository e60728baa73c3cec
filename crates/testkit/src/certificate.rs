//! Certificates for servers of tests, made by the `openssl` program.

use std::io;
use std::path::PathBuf;

use crate::{media, process, temp::TempDir};

/// Whether certificates can be made.
///
/// # Errors
/// That `openssl` is not there, in words.
pub fn available() -> Result<(), String> {
    process::available("openssl")
}

/// A certificate for 127.0.0.1 and localhost that is its own authority, with its key, both in PEM files that go when
/// this is dropped.
#[derive(Debug)]
pub struct Certificate {
    directory: TempDir,
}

impl Certificate {
    /// Makes one, with a key of its own.
    ///
    /// # Errors
    /// If `openssl` cannot be run, or fails.
    pub fn make() -> io::Result<Self> {
        let this = Self { directory: TempDir::new()? };
        let mut openssl = process::command("openssl")?;
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "2", "-subj", "/CN=localhost"]);
        openssl.args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.arg("-keyout").arg(this.key()).arg("-out").arg(this.path());
        media::run(openssl)?;
        Ok(this)
    }

    /// The file with the certificate.
    pub fn path(&self) -> PathBuf {
        self.directory.join("certificate.pem")
    }

    /// The file with its private key.
    pub fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }
}
