//! Which backend receives what.

use valkka_av::{AvSource, Capture};
use valkka_core::source::{SourceError, SourceRequest, Transport};
use valkka_net::{Opened, Opener, RtspTcp};

/// Opens sources by scheme and transport. A new kind of source is a line in the table below.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backends;

impl Opener for Backends {
    fn open(&self, request: &SourceRequest) -> Result<Opened, SourceError> {
        let unsupported = |detail: String| SourceError::Unsupported { what: request.url.to_string(), detail };
        let scheme = request.url.scheme();
        let of_scheme = || BACKENDS.iter().filter(|backend| backend.scheme == scheme);
        if of_scheme().next().is_none() {
            let mut known: Vec<_> = BACKENDS.iter().map(|backend| backend.scheme).collect();
            known.dedup();
            return Err(unsupported(format!("its scheme is none of {}", known.join(", "))));
        }
        let transport = request.options.transport;
        let backend = of_scheme().find(|backend| backend.transports.contains(&transport));
        let Some(backend) = backend else {
            return Err(unsupported(format!("no {transport} for {scheme}")));
        };
        (backend.open)(request)
    }
}

/// What can receive a scheme over some transports.
struct Backend {
    scheme: &'static str,
    transports: &'static [Transport],
    open: fn(&SourceRequest) -> Result<Opened, SourceError>,
}

/// The first line that fits is taken.
const BACKENDS: &[Backend] = &[
    Backend { scheme: "rtsp", transports: &[Transport::Tcp], open: retina },
    Backend { scheme: "rtsp", transports: &[Transport::Udp, Transport::Multicast], open: libavformat },
    Backend { scheme: "rtsps", transports: ALL, open: libavformat },
    Backend { scheme: "file", transports: ALL, open: sdp },
    Backend { scheme: "v4l2", transports: ALL, open: capture },
];

const ALL: &[Transport] = &[Transport::Auto, Transport::Udp, Transport::Tcp, Transport::Multicast];

fn retina(request: &SourceRequest) -> Result<Opened, SourceError> {
    Ok(Opened::Task(Box::new(RtspTcp::new(request.clone()))))
}

fn libavformat(request: &SourceRequest) -> Result<Opened, SourceError> {
    Ok(Opened::Thread(Box::new(AvSource::new(request.clone()))))
}

fn capture(request: &SourceRequest) -> Result<Opened, SourceError> {
    Ok(Opened::Thread(Box::new(Capture::new(request.clone()))))
}

/// Of files, only session descriptions are live.
fn sdp(request: &SourceRequest) -> Result<Opened, SourceError> {
    let is_sdp = request.url.file().is_some_and(|path| path.to_ascii_lowercase().ends_with(".sdp"));
    if !is_sdp {
        let detail = "of files, only session descriptions (.sdp) can be received".into();
        return Err(SourceError::Unsupported { what: request.url.to_string(), detail });
    }
    libavformat(request)
}

#[cfg(test)]
mod tests {
    use valkka_core::source::SourceOptions;
    use valkka_core::stream::Slot;

    use super::*;

    fn open(url: &str, transport: Transport) -> Result<Opened, SourceError> {
        let options = SourceOptions { transport, ..SourceOptions::default() };
        Backends.open(&SourceRequest { slot: Slot::new(1), url: url.parse().unwrap(), options })
    }

    #[test]
    fn each_address_finds_its_backend() {
        assert!(matches!(open("rtsp://h/1", Transport::Tcp), Ok(Opened::Task(_))));
        assert!(matches!(open("rtsp://h/1", Transport::Udp), Ok(Opened::Thread(_))));
        assert!(matches!(open("rtsp://h/1", Transport::Multicast), Ok(Opened::Thread(_))));
        assert!(matches!(open("rtsps://h/1", Transport::Tcp), Ok(Opened::Thread(_))));
        assert!(matches!(open("/tmp/a.SDP", Transport::Udp), Ok(Opened::Thread(_))));
        assert!(matches!(open("/dev/video0", Transport::Auto), Ok(Opened::Thread(_))));
    }

    #[test]
    fn what_nothing_receives_is_said() {
        let message = |url| open(url, Transport::Udp).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            message("http://u:p@h/1"),
            "cannot receive http://h/1: its scheme is none of rtsp, rtsps, file, v4l2"
        );
        assert!(message("/tmp/a.mp4").starts_with("cannot receive /tmp/a.mp4: of files, only"));
    }
}
