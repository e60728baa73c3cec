//! Addresses of streams, which never show their credentials.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Where a stream is: an address such as `rtsp://user:password@host:554/path`, the path of a file, or a video capture
/// device of this machine: `/dev/video0`, or `v4l2:///dev/video0?width=1280&height=720`.
///
/// `Display` and `Debug` are for people: they leave the user name and the password out (only
/// [`Self::credentials`] tells them), and what a path or query calls a password. To connect, take
/// [`Self::url`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StreamUrl {
    location: Location,
    credentials: Option<Credentials>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Location {
    /// Without user name and password.
    Net(Url),
    File(String),
    Device(Device),
}

/// A video capture device of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    /// Its path, e.g. `/dev/video0`.
    pub path: String,
    /// Width and height of the pictures it is asked for; it may not have just these.
    pub size: Option<(u32, u32)>,
}

/// A user name and a password. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl StreamUrl {
    /// The scheme in lower case; `file` for a path, `v4l2` for a device.
    pub fn scheme(&self) -> &str {
        match &self.location {
            Location::Net(url) => url.scheme(),
            Location::File(_) => "file",
            Location::Device(_) => DEVICE_SCHEME,
        }
    }

    /// The address without user name and password, if it is one of the net. The path and query are as they were
    /// given: some cameras want a password there, so show people the `Display` form instead.
    pub fn url(&self) -> Option<&Url> {
        match &self.location {
            Location::Net(url) => Some(url),
            Location::File(_) | Location::Device(_) => None,
        }
    }

    /// The path, if it is that of a file.
    pub fn file(&self) -> Option<&str> {
        match &self.location {
            Location::File(path) => Some(path),
            Location::Net(_) | Location::Device(_) => None,
        }
    }

    /// The device, if it is one.
    pub fn device(&self) -> Option<&Device> {
        match &self.location {
            Location::Device(device) => Some(device),
            Location::Net(_) | Location::File(_) => None,
        }
    }

    /// `host:port`, with RTSP's default ports (554, and 322 with TLS), or the path of the file or device: the word
    /// by which errors name the peer.
    pub fn host(&self) -> String {
        match &self.location {
            Location::Net(url) => {
                format!("{}:{}", url.host_str().unwrap_or_default(), self.port().unwrap_or_default())
            }
            Location::File(path) | Location::Device(Device { path, .. }) => path.clone(),
        }
    }

    /// The name or the IP address of the host, an IPv6 address without brackets; `None` for a path.
    pub fn host_name(&self) -> Option<&str> {
        let host = self.url()?.host_str()?;
        Some(host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host))
    }

    /// The port, with RTSP's default ports; `None` for a path and for schemes without one.
    pub fn port(&self) -> Option<u16> {
        let url = self.url()?;
        url.port_or_known_default().or(match url.scheme() {
            "rtsp" => Some(554),
            "rtsps" => Some(322),
            _ => None,
        })
    }

    /// What to log in with.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The same address, with `credentials` to log in with.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// What people may be shown of `text`, whether it is an address or not: no credentials. Of what is none, that is
    /// what follows the last `@`, or nothing.
    pub fn shown(text: &str) -> String {
        match text.parse::<Self>() {
            Ok(url) => url.to_string(),
            Err(_) => {
                let scheme = text.find("://").map_or("", |end| &text[..end + 3]);
                text.rsplit_once('@')
                    .map_or_else(String::new, |(_, rest)| format!("{scheme}***@{}", without_secrets(rest)))
            }
        }
    }
}

impl Device {
    fn of(url: &Url) -> Result<Self, StreamUrlError> {
        let wrong = |reason: &str| Err(StreamUrlError { reason: reason.into() });
        if url.host_str().is_some_and(|host| !host.is_empty()) {
            return wrong("a device has no host: v4l2:///dev/video0 has three slashes");
        }
        let mut sides = [None; 2];
        for (key, value) in url.query_pairs() {
            let Some(side) = ["width", "height"].iter().position(|name| *name == key) else {
                return wrong("of a device, only width and height can be asked for");
            };
            sides[side] = value.parse().ok().filter(|&side: &u32| side > 0);
            if sides[side].is_none() {
                return wrong("width and height are positive numbers");
            }
        }
        let size = match sides {
            [Some(width), Some(height)] => Some((width, height)),
            [None, None] => None,
            _ => return wrong("width and height go together"),
        };
        Ok(Self { path: percent_decode(url.path()), size })
    }
}

impl From<Device> for StreamUrl {
    fn from(device: Device) -> Self {
        Self { location: Location::Device(device), credentials: None }
    }
}

impl FromStr for StreamUrl {
    type Err = StreamUrlError;

    fn from_str(text: &str) -> Result<Self, StreamUrlError> {
        if text.is_empty() {
            return Err(StreamUrlError { reason: "it is empty".into() });
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            if DEVICE_PATHS.iter().any(|start| text.starts_with(start)) {
                return Ok(Device { path: text.into(), size: None }.into());
            }
            if login(text).is_some_and(|(login, _)| login.contains(':')) {
                let reason = "it has a user and a password, but no scheme such as rtsp://";
                return Err(StreamUrlError { reason: reason.into() });
            }
            return Ok(Self { location: Location::File(text.into()), credentials: None });
        };
        // Passwords of cameras have characters that a proper URL would have to encode, and people write them as they
        // are: here all up to the last @ before the path.
        let login = login(rest).or_else(|| login_with_slash(rest)).filter(|_| is_rtsp(scheme));
        let parsed = match login {
            Some((_, address)) => Url::parse(&format!("{scheme}://{address}")),
            None => Url::parse(text),
        };
        let mut url = parsed.map_err(|error| StreamUrlError { reason: error.to_string() })?;
        if url.scheme() == "file" {
            return Ok(Self { location: Location::File(percent_decode(url.path())), credentials: None });
        }
        if url.scheme() == DEVICE_SCHEME {
            return Device::of(&url).map(Self::from);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(StreamUrlError { reason: "it names no host".into() });
        }
        let (username, password) = match login {
            Some((login, _)) => login.split_once(':').unwrap_or((login, "")),
            None => (url.username(), url.password().unwrap_or_default()),
        };
        let credentials = (!username.is_empty() || !password.is_empty())
            .then(|| Credentials { username: percent_decode(username), password: percent_decode(password) });
        // Both only fail for addresses without a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self { location: Location::Net(url), credentials })
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Net(url) => f.write_str(&without_secrets(&without_login(url))),
            Location::File(path) | Location::Device(Device { path, .. }) => f.write_str(path),
        }
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

/// Why a text is no address of a stream. It does not repeat the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address: {reason}")]
pub struct StreamUrlError {
    reason: String,
}

/// What comes before and after the last `@` of `text`, if that is before its path.
fn login(text: &str) -> Option<(&str, &str)> {
    let at = text[..text.find('/').unwrap_or(text.len())].rfind('@')?;
    Some((&text[..at], &text[at + 1..]))
}

/// What comes before and after the `@` that follows a password with a slash. There is one only if what stands between
/// the first `:` and the slash can be no port: `12/34@host` may be a port and a path.
fn login_with_slash(text: &str) -> Option<(&str, &str)> {
    let slash = text.find('/')?;
    let (_, port) = text[..slash].split_once(':').filter(|_| !text.starts_with('['))?;
    if port.is_empty() || port.parse::<u16>().is_ok() {
        return None;
    }
    let (_, address) = text[slash..].split_once('@')?;
    // The password may have an @ as well.
    let address = login(address).map_or(address, |(_, address)| address);
    Some((&text[..text.len() - address.len() - 1], address))
}

fn is_rtsp(scheme: &str) -> bool {
    ["rtsp", "rtsps"].iter().any(|one| scheme.eq_ignore_ascii_case(one))
}

/// Puts `***` for what precedes an `@` in the path: it may be another address with a password, or the rest of a password
/// with a slash.
fn without_login(url: &Url) -> String {
    let text = url.as_str();
    let path = text.len() - url[url::Position::BeforePath..].len();
    let end = text.len() - url[url::Position::AfterPath..].len();
    match text[path..end].rfind('@') {
        Some(at) => format!("{}/***{}", &text[..path], &text[path + at..]),
        None => text.to_owned(),
    }
}

/// Puts `***` for the values of parameters that are called a password, as some cameras have them
/// (`/live?user=a&password=b`, `/user=a_password=b_channel=1`).
fn without_secrets(url: &str) -> String {
    let mut shown = String::with_capacity(url.len());
    let mut rest = url;
    while let Some(value) = find_secret(rest) {
        let end = rest[value..].find(['&', '/', '?', ';', '#']).map_or(rest.len(), |length| value + length);
        shown.push_str(&rest[..value]);
        shown.push_str("***");
        rest = &rest[end..];
    }
    shown + rest
}

/// Where the value of the first such parameter starts.
fn find_secret(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    SECRETS.iter().filter_map(|name| lower.find(name).map(|at| at + name.len())).min()
}

const DEVICE_SCHEME: &str = "v4l2";

/// Where the kernel has its video devices, and names for them that stay.
const DEVICE_PATHS: [&str; 2] = ["/dev/video", "/dev/v4l/"];

/// How the names of such parameters end.
const SECRETS: [&str; 6] = ["password=", "passwd=", "pass=", "pwd=", "secret=", "token="];

/// Undoes percent-encoding; bytes that are no UTF-8 become U+FFFD.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digit = |i: usize| tail.get(i).and_then(|&c| char::from(c).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_told_only_when_asked() {
        let url: StreamUrl = "rtsp://admin:p%40ss%2fw@cam.local/live?channel=1".parse().unwrap();
        assert_eq!(url.to_string(), "rtsp://cam.local/live?channel=1");
        assert_eq!(format!("{url:?}"), "rtsp://cam.local/live?channel=1");
        let credentials = url.credentials().unwrap();
        assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("admin", "p@ss/w"));
        assert!(!format!("{credentials:?}").contains("p@ss"));
        assert_eq!(url.host(), "cam.local:554");
    }

    #[test]
    fn passwords_in_paths_and_queries_are_not_shown() {
        for (text, shown) in [
            ("rtsp://h/live?user=a&password=b&ch=1", "rtsp://h/live?user=a&password=***&ch=1"),
            ("rtsp://h/live?PWD=b", "rtsp://h/live?PWD=***"),
            ("rtsp://h/user=a_password=b_channel=1/x?token=c", "rtsp://h/user=a_password=***/x?token=***"),
            ("rtsp://h/live?password=&pass=", "rtsp://h/live?password=***&pass=***"),
            ("rtsp://h/bypass/pass", "rtsp://h/bypass/pass"),
        ] {
            let url: StreamUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.url().unwrap().as_str(), text);
        }
    }

    #[test]
    fn odd_percent_signs_are_taken_as_they_are() {
        let url: StreamUrl = "rtsp://u%:100%25%4@h/".parse().unwrap();
        let credentials = url.credentials().unwrap();
        assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("u%", "100%%4"));
        let url: StreamUrl = "rtsp://u:p@ss%ff@h/".parse().unwrap();
        assert_eq!(url.credentials().unwrap().password, "p@ss\u{fffd}");
        assert_eq!(url.host(), "h:554");
    }

    #[test]
    fn passwords_are_taken_as_people_write_them() {
        for password in ["pa#ss", "12#34", "a?b", "p:w", "p@w", "[x]", "a b"] {
            let url: StreamUrl = format!("rtsp://admin:{password}@h:8554/x?y=1").parse().unwrap();
            let credentials = url.credentials().unwrap();
            assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("admin", password));
            assert_eq!((url.to_string().as_str(), url.host().as_str()), ("rtsp://h:8554/x?y=1", "h:8554"));
        }
        let url: StreamUrl = "rtsp://h/a@b:c@d".parse().unwrap();
        assert_eq!((url.credentials(), url.to_string()), (None, "rtsp://h/***@d".into()));
        assert_eq!(url.url().unwrap().as_str(), "rtsp://h/a@b:c@d");
        assert_eq!("rtsp://@h/".parse::<StreamUrl>().unwrap().credentials(), None);
        assert_eq!("cam@2x.mkv".parse::<StreamUrl>().unwrap().file(), Some("cam@2x.mkv"));
        assert_eq!("./a:b@c.mkv".parse::<StreamUrl>().unwrap().file(), Some("./a:b@c.mkv"));
    }

    #[test]
    fn a_password_may_have_a_slash_unless_it_may_be_a_port() {
        let read = |text: &str| {
            let url = text.parse::<StreamUrl>().unwrap();
            let password = url.credentials().map(|credentials| credentials.password.clone());
            (password.unwrap_or_default(), url.url().unwrap().to_string(), url.to_string())
        };
        let found = |password: &str, url: &str| (password.into(), url.into(), url.into());
        assert_eq!(read("rtsp://u:pa/ss@h:8554/x"), found("pa/ss", "rtsp://h:8554/x"));
        assert_eq!(read("rtsp://u:p/a/s@s@h/x"), found("p/a/s@s", "rtsp://h/x"));
        assert_eq!(read("rtsp://u:99999/1@[::1]/x"), found("99999/1", "rtsp://[::1]/x"));
        assert_eq!(read("rtsp://u:p:w/q?r@h/x@y").0, "p:w/q?r");
        // It is an address as it stands; but what may be a password is not shown.
        let ambiguous = (String::new(), "rtsp://u:12/34@h/x".into(), "rtsp://u:12/***@h/x".into());
        assert_eq!(read("rtsp://u:12/34@h/x"), ambiguous);
        let proxy = "rtsp://proxy:8554/rtsp://u:secret@h/x?y=a@b";
        assert_eq!(read(proxy), (String::new(), proxy.into(), "rtsp://proxy:8554/***@h/x?y=a@b".into()));
        for text in ["rtsp://u:a/b", "rtsp://u:a/b@", "rtsp://u:a/b@h:c/d@e", "rtsp://[::1]:a/b@h"] {
            assert!(text.parse::<StreamUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_has_no_credentials() {
        for (text, shown) in [
            ("rtsp://u:secret@h/x", "rtsp://h/x"),
            ("u:secret@h/x", "***@h/x"),
            ("rtsp://u:secret@h:99999/x?pwd=secret", "rtsp://***@h:99999/x?pwd=***"),
            ("rtsp://u:s/secret@h/x", "rtsp://h/x"),
            ("rtsp://u:s/secret@h:99999/x", "rtsp://***@h:99999/x"),
            ("rtsp://u:secret", ""),
            ("/tmp/a.mkv", "/tmp/a.mkv"),
        ] {
            assert_eq!(StreamUrl::shown(text), shown);
        }
    }

    #[test]
    fn paths_are_files() {
        let url: StreamUrl = "/tmp/stream.sdp".parse().unwrap();
        assert_eq!((url.scheme(), url.file()), ("file", Some("/tmp/stream.sdp")));
        let url: StreamUrl = "file:///tmp/a.mkv".parse().unwrap();
        assert_eq!(url.file(), Some("/tmp/a.mkv"));
        let url: StreamUrl = "file:///tmp/two%20words.mkv".parse().unwrap();
        assert_eq!(url.file(), Some("/tmp/two words.mkv"));
    }

    #[test]
    fn devices() {
        let device = |text: &str| text.parse::<StreamUrl>().unwrap().device().cloned();
        let plain = |path: &str| Some(Device { path: path.into(), size: None });
        assert_eq!(device("/dev/video0"), plain("/dev/video0"));
        assert_eq!(device("/dev/v4l/by-id/usb-cam"), plain("/dev/v4l/by-id/usb-cam"));
        assert_eq!(device("v4l2:///dev/my%20webcam"), plain("/dev/my webcam"));
        let sized = Device { path: "/dev/video2".into(), size: Some((1280, 720)) };
        assert_eq!(device("v4l2:///dev/video2?width=1280&height=720"), Some(sized.clone()));
        assert_eq!(device("/dev/shm/a.sdp"), None);
        let url = StreamUrl::from(sized);
        assert_eq!((url.scheme(), url.url(), url.file(), url.port()), ("v4l2", None, None, None));
        assert_eq!((url.to_string(), url.host()), ("/dev/video2".into(), "/dev/video2".into()));
        for text in [
            "v4l2://dev/video0",
            "v4l2:///dev/video0?width=1280",
            "v4l2:///dev/video0?width=0&height=720",
            "v4l2:///dev/video0?width=a&height=720",
            "v4l2:///dev/video0?fps=5",
        ] {
            assert!(text.parse::<StreamUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in
            ["", "rtsp://", "rtsp://user:secret@", "rtsp://user:secret@host:99999/", "user:secret@host/x"]
        {
            let error = text.parse::<StreamUrl>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn ports_have_defaults() {
        let port = |text: &str| text.parse::<StreamUrl>().unwrap().port();
        assert_eq!(port("rtsp://h/"), Some(554));
        assert_eq!(port("rtsps://h/"), Some(322));
        assert_eq!(port("rtsp://h:8554/"), Some(8554));
        let url: StreamUrl = "rtsp://[::1]:8554/x".parse().unwrap();
        assert_eq!((url.host().as_str(), url.host_name()), ("[::1]:8554", Some("::1")));
        assert_eq!("rtsp://h:8554/".parse::<StreamUrl>().unwrap().host_name(), Some("h"));
    }
}
