//! Who we are to those who connect by TLS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its private key, which a server shows to those who connect by TLS (1.2 and 1.3). Cloning it
/// counts references.
#[derive(Clone, Debug)]
pub struct TlsIdentity {
    config: Arc<ServerConfig>,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// A file is damaged.
    #[error("{} is not in PEM format: {reason}", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no certificate in the file for it.
    #[error("there is no certificate (BEGIN CERTIFICATE) in {}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// There is no private key in the file for it.
    #[error("there is no private key without a password (BEGIN PRIVATE KEY) in {}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// They are not fit for use, or not for each other.
    #[error("cannot use {} with the key in {}: {cause}", certificate.display(), key.display())]
    Unusable {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// What is wrong with them.
        cause: rustls::Error,
    },
}

impl TlsIdentity {
    /// Reads a certificate, followed by those between it and its root if there are any, and its private key (PKCS #8,
    /// PKCS #1 or SEC 1, without a password), both in PEM format. They may be in the same file.
    ///
    /// # Errors
    /// If a file cannot be read, holds something else, or the two do not belong together.
    pub fn load(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let chain =
            CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(|error| not_read(certificate, error))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate { path: certificate.to_owned() });
        }
        let secret = match PrivateKeyDer::from_pem_file(key) {
            Ok(secret) => secret,
            Err(pem::Error::NoItemsFound) => return Err(TlsError::NoKey { path: key.to_owned() }),
            Err(error) => return Err(not_read(key, error)),
        };
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
            .map_err(|cause| TlsError::Unusable {
                certificate: certificate.into(),
                key: key.into(),
                cause,
            })?;
        Ok(Self { config: Arc::new(config) })
    }

    /// What rustls needs to serve with it.
    pub fn server_config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

fn not_read(path: &Path, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(cause) => TlsError::Unreadable { path: path.to_owned(), cause },
        error => TlsError::NotPem { path: path.to_owned(), reason: error.to_string() },
    }
}
