//! Certificates with their keys.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use valkka::net::server::{TlsError, TlsIdentity};

use super::read::read_bounded;

/// A certificate and its private key, in PEM files. It equals another one if the files had the same content when they
/// were looked at, so that a renewed certificate is a change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    /// Of the content; not against forgers.
    fingerprint: u64,
}

impl Certificate {
    /// Looks at the files, but not whether they are fit for use.
    ///
    /// # Errors
    /// If one of them cannot be read; the message names it.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> io::Result<Self> {
        let (certificate, key) = (certificate.into(), key.into());
        let mut hasher = DefaultHasher::new();
        for path in [&certificate, &key] {
            read(path)?.hash(&mut hasher);
        }
        Ok(Self { certificate, key, fingerprint: hasher.finish() })
    }

    /// What servers need to use it, as the files are now.
    ///
    /// # Errors
    /// If they are not fit for use.
    pub fn identity(&self) -> Result<TlsIdentity, TlsError> {
        TlsIdentity::load(&self.certificate, &self.key)
    }

    /// The file with the certificate, and those that it depends on.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// The file with the private key.
    pub fn key(&self) -> &Path {
        &self.key
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_bounded(path, MAX_BYTES)
        .map_err(|error| io::Error::other(format!("cannot read {}: {error}", path.display())))
}

/// A certificate with all that it depends on has some kilobytes.
const MAX_BYTES: u64 = 1 << 20;
