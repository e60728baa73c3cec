//! What a new configuration changes.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::{CameraConfig, Config};

/// What differs between two configurations. `Display` says it in one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Names of cameras that are new.
    pub added: Vec<String>,
    /// Names of cameras that are otherwise now.
    pub changed: Vec<String>,
    /// Names of cameras that are gone.
    pub removed: Vec<String>,
    /// Whether there are other users, or they may do other things.
    pub users: bool,
    /// Whether the RTSP server is otherwise.
    pub rtsp: bool,
    /// Whether recordings go elsewhere.
    pub record: bool,
    /// Whether the web server is otherwise. Whoever runs it must look to it.
    pub web: bool,
}

impl Changes {
    pub(super) fn between(old: &Config, new: &Config) -> Self {
        let missing = |from: &BTreeMap<String, CameraConfig>, of: &BTreeMap<String, CameraConfig>| {
            of.keys().filter(|name| !from.contains_key(*name)).cloned().collect()
        };
        let is_changed = |(name, camera): &(&String, &CameraConfig)| {
            old.cameras.get(*name).is_some_and(|old| old != *camera)
        };
        Self {
            added: missing(&old.cameras, &new.cameras),
            changed: new.cameras.iter().filter(is_changed).map(|(name, _)| name.clone()).collect(),
            removed: missing(&new.cameras, &old.cameras),
            users: old.users != new.users,
            rtsp: old.rtsp != new.rtsp,
            record: old.record != new.record,
            web: old.web != new.web,
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (what, names) in [("added", &self.added), ("changed", &self.changed), ("removed", &self.removed)]
        {
            if !names.is_empty() {
                let shown: Vec<_> = names.iter().take(MAX_NAMED).map(String::as_str).collect();
                let more = names.len() - shown.len();
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                parts.push(format!("{what} {}{more}", shown.join(", ")));
            }
        }
        let others = [
            ("users", self.users),
            ("RTSP server", self.rtsp),
            ("store of recordings", self.record),
            ("web server", self.web),
        ];
        for (what, differs) in others {
            if differs {
                parts.push(format!("{what} changed"));
            }
        }
        f.write_str(if parts.is_empty() { "nothing has changed" } else { "" })?;
        f.write_str(&parts.join("; "))
    }
}

const MAX_NAMED: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WebConfig;

    fn config(cameras: &[(&str, &str)]) -> Config {
        let camera = |&(name, url): &(&str, &str)| (name.to_owned(), CameraConfig::new(url.parse().unwrap()));
        Config { cameras: cameras.iter().map(camera).collect(), ..Config::default() }
    }

    #[test]
    fn only_what_differs_is_told() {
        let old = config(&[("a", "rtsp://h/1"), ("b", "rtsp://h/2"), ("c", "rtsp://h/3")]);
        let mut new = config(&[("a", "rtsp://h/1"), ("b", "rtsp://h/x"), ("d", "rtsp://h/3")]);
        assert!(Changes::between(&old, &old).is_empty());
        assert_eq!(Changes::between(&old, &old).to_string(), "nothing has changed");
        new.web = Some(WebConfig::default());
        let changes = Changes::between(&old, &new);
        assert_eq!(changes.to_string(), "added d; changed b; removed c; web server changed");
        let many: Vec<_> = (0..12).map(|number| format!("c{number}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "rtsp://h/1")).collect();
        let text = Changes::between(&Config::default(), &config(&many)).to_string();
        assert!(text.ends_with(" and 2 more"), "{text}");
    }
}
