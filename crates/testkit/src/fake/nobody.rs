//! The absence of a server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

/// An address of the loopback interface that refuses connections until this is dropped.
///
/// A port that was free a moment ago may be another test's by now; this one is held, and nobody listens on it.
#[derive(Debug)]
pub struct Nobody {
    /// Bound, and never made to listen.
    _socket: OwnedFd,
    address: SocketAddr,
}

impl Nobody {
    /// Takes a free port.
    ///
    /// # Errors
    /// If there is none.
    pub fn new() -> io::Result<Self> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        let address = SocketAddrV4::try_from(getsockname(&socket)?)?.into();
        Ok(Self { _socket: socket, address })
    }

    /// Its host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a stream that is not there.
    pub fn url(&self) -> String {
        format!("rtsp://{}/stream", self.address)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn it_refuses() {
        let nobody = Nobody::new().unwrap();
        for _ in 0..3 {
            let error = TcpStream::connect(nobody.address()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
    }
}
