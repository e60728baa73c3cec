//! Which transport is tried next.

use valkka_core::source::{SourceError, Transport};

/// Turns [`Transport::Auto`] into transports to try: UDP first, and TCP when UDP was refused or brought
/// nothing. What brought frames is tried first from then on; when it brings nothing any more, the order starts
/// over. Any other transport is the only one tried.
#[derive(Debug)]
pub(crate) struct TransportPlan {
    asked: Transport,
    /// What brought frames last.
    proven: Option<Transport>,
}

impl TransportPlan {
    pub(crate) fn new(asked: Transport) -> Self {
        Self { asked, proven: None }
    }

    /// What a new try begins with.
    pub(crate) fn first(&self) -> Transport {
        match self.asked {
            Transport::Auto => self.proven.unwrap_or(Transport::Udp),
            fixed => fixed,
        }
    }

    /// Whether `transport` has to bring a frame within a second of the connection.
    pub(crate) fn is_on_trial(&self, transport: Transport) -> bool {
        self.asked == Transport::Auto && transport == Transport::Udp && self.proven.is_none()
    }

    /// Takes note of how `transport` did, and says what to try at once instead of waiting.
    pub(crate) fn next(
        &mut self,
        transport: Transport,
        frames: u64,
        error: &SourceError,
    ) -> Option<Transport> {
        if self.asked != Transport::Auto {
            return None;
        }
        if frames > 0 {
            self.proven = Some(transport);
            return None;
        }
        if !depends_on_transport(error) {
            return None;
        }
        self.proven = None;
        (transport == Transport::Udp).then_some(Transport::Tcp)
    }
}

/// Whether another transport may do better.
fn depends_on_transport(error: &SourceError) -> bool {
    match error {
        SourceError::Silent { .. } | SourceError::Unsupported { .. } | SourceError::Ended { .. } => true,
        // The description does not depend on the transport; SETUP and PLAY do. 461 is "unsupported transport".
        SourceError::Status { method, code, .. } => *code == 461 || method == "SETUP" || method == "PLAY",
        SourceError::Protocol { .. } | SourceError::Io { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn silent() -> SourceError {
        SourceError::Silent { host: "h".into(), silence: Duration::from_secs(1) }
    }

    #[test]
    fn auto_is_udp_then_tcp_and_remembers() {
        let mut plan = TransportPlan::new(Transport::Auto);
        assert_eq!(plan.first(), Transport::Udp);
        assert!(plan.is_on_trial(Transport::Udp));
        assert_eq!(plan.next(Transport::Udp, 0, &silent()), Some(Transport::Tcp));
        assert!(!plan.is_on_trial(Transport::Tcp));
        // TCP brought frames until it ended: it comes first.
        assert_eq!(plan.next(Transport::Tcp, 9, &SourceError::Ended { host: "h".into() }), None);
        assert_eq!(plan.first(), Transport::Tcp);
        // While the camera is away, nothing is learnt.
        assert_eq!(plan.next(Transport::Tcp, 0, &SourceError::Resolve { host: "h".into() }), None);
        assert_eq!(plan.first(), Transport::Tcp);
        // TCP brings nothing any more: the order starts over.
        assert_eq!(plan.next(Transport::Tcp, 0, &silent()), None);
        assert_eq!(plan.first(), Transport::Udp);
    }

    #[test]
    fn refused_transports_are_left_and_wrong_passwords_are_not_tried_twice() {
        let mut plan = TransportPlan::new(Transport::Auto);
        let status = |method: &str, code| SourceError::Status {
            host: "h".into(),
            method: method.into(),
            code,
            reason: String::new(),
        };
        assert_eq!(plan.next(Transport::Udp, 0, &status("SETUP", 461)), Some(Transport::Tcp));
        assert_eq!(plan.next(Transport::Udp, 0, &status("DESCRIBE", 404)), None);
        assert_eq!(
            plan.next(Transport::Udp, 0, &SourceError::Unauthorized { host: "h".into(), given: true }),
            None
        );
    }

    #[test]
    fn what_was_asked_for_is_all_that_is_tried() {
        let mut plan = TransportPlan::new(Transport::Udp);
        assert_eq!(plan.first(), Transport::Udp);
        assert!(!plan.is_on_trial(Transport::Udp));
        assert_eq!(plan.next(Transport::Udp, 0, &silent()), None);
    }
}
