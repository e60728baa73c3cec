//! The text messages of the WebSocket.

use serde::{Deserialize, Serialize};
use valkka_site::Event;

use crate::pulse::Pulse;

/// What a browser says.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum FromBrowser {
    /// Send the pictures of `camera`, under the number `id`.
    Watch { id: u32, camera: String },
    /// No longer.
    Unwatch { id: u32 },
}

/// What a browser is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum ToBrowser<'a> {
    /// First of all; `user` is `null` where nobody was asked.
    Hello { user: Option<&'a str> },
    /// Video begins, or begins anew with other parameters; the initialisation segment follows.
    Begin { id: u32, mime: &'a str },
    /// The video cannot be carried to browsers.
    Unplayable { id: u32, codec: &'a str, reason: &'a str },
    /// The camera is not connected at this moment; the watch goes on.
    Offline { id: u32 },
    /// The watch is over.
    End { id: u32, reason: &'a str },
    /// Something happened.
    Event { event: &'a Event },
}

impl ToBrowser<'_> {
    pub(super) fn to_json(&self) -> String {
        // Only maps with keys that are no text cannot be written, and there are none here.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The message that tells how those cameras are that `sees` says yes to; in full, or as it is for those who do not operate the
/// service.
pub(super) fn cameras(pulse: &Pulse, full: bool, sees: impl Fn(&str) -> bool) -> String {
    let seen = pulse.cameras.iter().filter(|camera| sees(&camera.name));
    let seen = seen.map(|camera| match &camera.brief {
        Some(brief) if !full => brief.as_str(),
        _ => camera.full.as_str(),
    });
    format!("{{\"type\":\"cameras\",\"cameras\":[{}]}}", seen.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pulse::Written;

    #[test]
    fn messages_of_browsers_are_read_and_others_refused() {
        let read = |text: &str| serde_json::from_str::<FromBrowser>(text).ok();
        let watch = read(r#"{"type":"watch","id":4294967295,"camera":"front"}"#);
        assert_eq!(watch, Some(FromBrowser::Watch { id: u32::MAX, camera: "front".into() }));
        assert_eq!(read(r#"{"type":"unwatch","id":0}"#), Some(FromBrowser::Unwatch { id: 0 }));
        for wrong in [
            "",
            "[]",
            r#"{"type":"watch","id":4294967296,"camera":"front"}"#,
            r#"{"type":"watch","id":-1,"camera":"front"}"#,
            r#"{"type":"watch","id":1}"#,
            r#"{"type":"end","id":1}"#,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn messages_are_told_by_their_type() {
        let told = |message: ToBrowser<'_>| serde_json::from_str::<Value>(&message.to_json()).unwrap();
        assert_eq!(told(ToBrowser::Hello { user: None }), json!({ "type": "hello", "user": null }));
        let begin = ToBrowser::Begin { id: 1, mime: "video/mp4; codecs=\"avc1.64001f\"" };
        assert_eq!(told(begin)["mime"], "video/mp4; codecs=\"avc1.64001f\"");
        assert_eq!(told(ToBrowser::Offline { id: 7 }), json!({ "type": "offline", "id": 7 }));
        let written = |name: &str, brief: Option<&str>| Written {
            name: name.to_owned(),
            full: format!("{{\"name\":\"{name}\"}}"),
            brief: brief.map(str::to_owned),
        };
        let pulse = Pulse { cameras: [written("a", None), written("b", Some("{}"))].into() };
        let list = |full, seen: &str| {
            let list: Value =
                serde_json::from_str(&cameras(&pulse, full, |name| seen.contains(name))).unwrap();
            assert_eq!(list["type"], "cameras");
            list["cameras"].clone()
        };
        assert_eq!(list(true, "b"), json!([{ "name": "b" }]));
        assert_eq!(list(false, "ab"), json!([{ "name": "a" }, {}]));
    }
}
