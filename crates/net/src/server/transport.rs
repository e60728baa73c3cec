//! The Transport header (RFC 2326, section 12.39).

/// How a viewer wants a track, of the kinds that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// In the RTSP connection, on these channels for RTP and RTCP if it has a wish.
    Interleaved(Option<(u8, u8)>),
    /// By UDP to these ports of the viewer.
    Udp {
        /// For RTP.
        rtp: u16,
        /// For RTCP.
        rtcp: u16,
    },
    /// By the group of the stream; where it may say which, it is not heard.
    Multicast,
}

impl Wanted {
    /// Takes the first alternative of `header` that `served` says is served; `None` if there is none.
    pub(super) fn choose(header: &str, served: impl Fn(&Self) -> bool) -> Option<Self> {
        header.split(',').take(MAX_ALTERNATIVES).filter_map(Self::parse).find(served)
    }

    fn parse(alternative: &str) -> Option<Self> {
        let mut parts = alternative.split(';').map(str::trim);
        let protocol = parts.next()?;
        let tcp = protocol.eq_ignore_ascii_case("RTP/AVP/TCP");
        let udp = ["RTP/AVP", "RTP/AVP/UDP"].iter().any(|name| protocol.eq_ignore_ascii_case(name));
        if !tcp && !udp {
            return None;
        }
        let (mut channels, mut ports, mut multicast) = (None, None, false);
        for part in parts {
            let (name, value) = part.split_once('=').map_or((part, ""), |(name, value)| (name.trim(), value));
            match name.to_ascii_lowercase().as_str() {
                "interleaved" => channels = Some(pair::<u8>(value)?),
                "client_port" => ports = Some(pair::<u16>(value)?),
                "multicast" => multicast = true,
                "mode" if !value.trim_matches('"').eq_ignore_ascii_case("play") => return None,
                // `destination` is not followed: packets go to who asks for them, and to nobody else.
                _ => {}
            }
        }
        match (tcp, multicast) {
            (true, true) => return None,
            (true, false) => return Some(Self::Interleaved(channels)),
            (false, true) => return Some(Self::Multicast),
            (false, false) => {}
        }
        let (rtp, rtcp) = ports?;
        (rtp != 0 && rtcp != 0).then_some(Self::Udp { rtp, rtcp })
    }
}

/// `4588-4589`, or `4588`, which means the same. The two must differ.
fn pair<T>(value: &str) -> Option<(T, T)>
where
    T: std::str::FromStr + Copy + PartialEq + Into<u32> + TryFrom<u32>,
{
    let (first, second) = value.split_once('-').unwrap_or((value, ""));
    let first: T = first.trim().parse().ok()?;
    let second = match second.trim() {
        "" => T::try_from(first.into() + 1).ok()?,
        second => second.parse().ok()?,
    };
    (first != second).then_some((first, second))
}

/// Alternatives looked at.
const MAX_ALTERNATIVES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_alternative_that_is_served_is_taken() {
        let cases = [
            ("RTP/AVP/TCP;unicast;interleaved=0-1", Some(Wanted::Interleaved(Some((0, 1))))),
            ("RTP/AVP/TCP;unicast", Some(Wanted::Interleaved(None))),
            ("rtp/avp;unicast;client_port=4588-4589;mode=\"PLAY\"", Some(udp(4588, 4589))),
            ("RTP/AVP/UDP; unicast; Client_Port=4588", Some(udp(4588, 4589))),
            ("RTP/AVP;multicast,RTP/AVP;unicast;client_port=6-7,RTP/AVP/TCP", Some(udp(6, 7))),
            (
                "RTP/SAVP;unicast;client_port=1-2, RTP/AVP/TCP;interleaved=4-5",
                Some(Wanted::Interleaved(Some((4, 5)))),
            ),
            ("RTP/AVP;unicast;client_port=1-2;destination=10.0.0.1", Some(udp(1, 2))),
            ("RTP/AVP;multicast", None),
            ("RTP/AVP;unicast", None),
            ("RTP/AVP;unicast;client_port=0-1", None),
            ("RTP/AVP;unicast;client_port=65535", None),
            ("RTP/AVP;unicast;client_port=65536-65537", None),
            ("RTP/AVP;unicast;client_port=-1", None),
            ("RTP/AVP/TCP;interleaved=255", None),
            ("RTP/AVP/TCP;interleaved=256-257", None),
            ("RTP/AVP/TCP;interleaved=3-3", None),
            ("RTP/AVP/TCP;mode=record", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(Wanted::choose(header, in_the_clear(false)), expected, "{header}");
        }
    }

    #[test]
    fn multicast_is_taken_where_it_is_served() {
        let asked = "RTP/AVP;multicast;destination=224.2.0.1;port=3456-3457;ttl=16,RTP/AVP;client_port=6-7";
        assert_eq!(Wanted::choose(asked, in_the_clear(true)), Some(Wanted::Multicast));
        assert_eq!(Wanted::choose(asked, in_the_clear(false)), Some(udp(6, 7)));
        assert_eq!(
            Wanted::choose("RTP/AVP;client_port=6-7,RTP/AVP;multicast", in_the_clear(true)),
            Some(udp(6, 7))
        );
        assert_eq!(
            Wanted::choose("RTP/AVP/UDP;Multicast;mode=PLAY", in_the_clear(true)),
            Some(Wanted::Multicast)
        );
        assert_eq!(Wanted::choose("RTP/AVP/TCP;multicast", in_the_clear(true)), None);
        assert_eq!(Wanted::choose("RTP/AVP;multicast;mode=record", in_the_clear(true)), None);
    }

    #[test]
    fn what_is_not_served_is_passed_over() {
        let inside = |wanted: &Wanted| matches!(wanted, Wanted::Interleaved(_));
        let header = "RTP/AVP;unicast;client_port=6-7,RTP/AVP/TCP";
        assert_eq!(Wanted::choose(header, inside), Some(Wanted::Interleaved(None)));
        assert_eq!(Wanted::choose("RTP/AVP;unicast;client_port=6-7", inside), None);
    }

    fn in_the_clear(multicast: bool) -> impl Fn(&Wanted) -> bool {
        move |wanted| multicast || *wanted != Wanted::Multicast
    }

    fn udp(rtp: u16, rtcp: u16) -> Wanted {
        Wanted::Udp { rtp, rtcp }
    }

    #[test]
    fn garbage_does_no_harm() {
        let mut random = fastrand::Rng::with_seed(39);
        let words = [
            "RTP/AVP",
            "/TCP",
            ";",
            ",",
            "=",
            "-",
            "client_port",
            "multicast",
            "interleaved",
            "0",
            "65535",
            "ü",
            "\"",
            " ",
        ];
        for _ in 0..20_000 {
            let header: String =
                (0..random.usize(..12)).map(|_| words[random.usize(..words.len())]).collect();
            let _ = Wanted::choose(&header, in_the_clear(true));
        }
    }
}
