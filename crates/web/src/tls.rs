//! HTTPS.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use valkka::lock::lock;
use valkka_site::Certificate;

/// What speaks TLS for a server, by a certificate that may be replaced meanwhile. Clones share it.
#[derive(Clone)]
pub(crate) struct Tls(Arc<Mutex<TlsAcceptor>>);

impl Tls {
    /// Shows `certificate`.
    ///
    /// # Errors
    /// If it cannot be used; the message names the file.
    pub(crate) fn new(certificate: &Certificate) -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(acceptor(certificate)?))))
    }

    /// Shows `certificate` from the next connection on.
    ///
    /// # Errors
    /// If it cannot be used; then the one before stays.
    pub(crate) fn renew(&self, certificate: &Certificate) -> io::Result<()> {
        *lock(&self.0) = acceptor(certificate)?;
        Ok(())
    }

    /// For a connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        lock(&self.0).clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// What speaks TLS for a server that shows `certificate`.
///
/// # Errors
/// If a file cannot be read, or certificate and key do not belong together; the message names the file.
fn acceptor(certificate: &Certificate) -> io::Result<TlsAcceptor> {
    let path = certificate.certificate();
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unusable(path, &error))?;
    if chain.is_empty() {
        return Err(unusable(path, &"there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_file(certificate.key());
    let key = key.map_err(|error| unusable(certificate.key(), &error))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = builder.with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|error| unusable(path, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config).into())
}

fn unusable(path: &Path, reason: &dyn fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{} cannot be used: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use valkka_testkit::temp::TempDir;

    use super::*;

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = TempDir::new().unwrap();
        let (certificate, key) = (folder.join("c.pem"), folder.join("k.pem"));
        for text in ["", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n", "no PEM"] {
            fs::write(&certificate, text).unwrap();
            fs::write(&key, text).unwrap();
            let error = acceptor(&Certificate::new(&certificate, &key).unwrap()).err().unwrap();
            assert!(error.to_string().contains("c.pem cannot be used: "), "{error}");
        }
    }
}
