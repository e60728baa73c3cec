//! The RTSP connection through the proxy.

use std::collections::HashMap;
use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Network;
use super::message::{Message, Ports, Unit};
use super::relay::Relay;
use crate::accept::{self, Connections};

/// Passes on what client and server say until both are gone.
pub(super) fn run(
    index: usize,
    client: TcpStream,
    server: SocketAddr,
    connections: &Connections,
    network: &Network,
) -> io::Result<()> {
    network.wait_for_light(connections)?;
    let from = client.local_addr()?;
    let upstream = TcpStream::connect(server)?;
    connections.note(&upstream)?;
    let session = Session {
        client: client.peer_addr()?,
        server,
        proxy: from,
        seed: index as u64,
        network: network.clone(),
        setups: Arc::default(),
    };
    let (client_writer, server_writer) = (client.try_clone()?, upstream.try_clone()?);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = pass(&client, &server_writer, connections, network, |message| session.request(message));
            // The end of a connection is no news in the dark either.
            let _ = network.wait_for_light(connections);
            accept::close(&server_writer);
        });
        let _ = pass(&upstream, &client_writer, connections, network, |message| session.answer(message));
        let _ = network.wait_for_light(connections);
        accept::close(&client_writer);
    });
    Ok(())
}

/// Passes on what comes from `from` until its end.
fn pass(
    from: &TcpStream,
    mut to: &TcpStream,
    connections: &Connections,
    network: &Network,
    mut change: impl FnMut(&mut Message) -> io::Result<()>,
) -> io::Result<()> {
    let mut reader = BufReader::new(from);
    while let Some(unit) = Unit::read(&mut reader)? {
        // What came in the dark is sent once it is light, as TCP does.
        network.wait_for_light(connections)?;
        match unit {
            Unit::Interleaved(data) => to.write_all(&data)?,
            Unit::Message(mut message) => {
                change(&mut message)?;
                to.write_all(&message.to_bytes())?;
            }
        }
    }
    Ok(())
}

/// What one connection has set up.
struct Session {
    client: SocketAddr,
    server: SocketAddr,
    proxy: SocketAddr,
    seed: u64,
    network: Network,
    setups: Arc<Mutex<Setups>>,
}

#[derive(Default)]
struct Setups {
    /// Requests without an answer yet, by their sequence numbers, with the ports that the client named.
    open: HashMap<String, (Relay, Ports)>,
    /// They end with the connection.
    running: Vec<Relay>,
}

impl Session {
    /// Gives the server our ports in place of the client's.
    fn request(&self, message: &mut Message) -> io::Result<()> {
        let (true, Some(ports)) = (message.is_request("SETUP"), message.ports("client_port")) else {
            return Ok(());
        };
        let mut setups = self.setups.lock().unwrap_or_else(PoisonError::into_inner);
        if setups.open.len() + setups.running.len() >= MAX_TRACKS {
            return Err(io::Error::other("more tracks than any camera has"));
        }
        let seed = self.seed << 8 | setups.running.len() as u64;
        let relay = Relay::spawn(self.client.ip(), ports, seed, &self.network)?;
        message.set_ports("client_port", relay.ports_for_server());
        let cseq = message.header("cseq").unwrap_or_default().to_owned();
        setups.open.insert(cseq, (relay, ports));
        Ok(())
    }

    /// Gives the client our ports in place of the server's, and our address in place of the server's.
    fn answer(&self, message: &mut Message) -> io::Result<()> {
        let mut setups = self.setups.lock().unwrap_or_else(PoisonError::into_inner);
        let setup = setups.open.remove(message.header("cseq").unwrap_or_default());
        if let (Some((relay, client_ports)), true) = (setup, message.is_success()) {
            if let Some(ports) = message.ports("server_port") {
                relay.set_server(self.server.ip(), ports);
            }
            message.set_ports("client_port", client_ports);
            message.set_ports("server_port", relay.ports_for_client());
            setups.running.push(relay);
        }
        message.replace(&self.server.to_string(), &self.proxy.to_string());
        Ok(())
    }
}

const MAX_TRACKS: usize = 16;
