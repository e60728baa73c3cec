//! Cameras on the command line.

use std::convert::Infallible;
use std::str::FromStr;

use anyhow::{Context, Error, bail, ensure};
use valkka::url::StreamUrl;
use valkka_site::check_camera_name;

use crate::address::Address;

/// An argument that should be `NAME=URL`.
///
/// As with [`Address`], it is always taken, and what is wrong with it comes out later, without what it holds.
#[derive(Clone, Debug)]
pub(crate) struct NamedAddress {
    /// `None` if there is no `=`.
    name: Option<String>,
    address: Address,
}

impl NamedAddress {
    /// The name and the address.
    pub(crate) fn parsed(self) -> anyhow::Result<(String, StreamUrl)> {
        let Some(name) = self.name.filter(|name| !name.contains("://")) else {
            bail!("a camera is given as NAME=URL");
        };
        check_camera_name(&name).map_err(Error::msg)?;
        let url = self.address.parsed().with_context(|| format!("camera {name}"))?;
        Ok((name, url))
    }
}

impl FromStr for NamedAddress {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (name, address) = match text.split_once('=') {
            Some((name, address)) => (Some(name.to_owned()), address),
            None => (None, text),
        };
        Ok(Self { name, address: address.parse()? })
    }
}

/// The names and addresses of all, none of which has another's name.
pub(crate) fn parse_all(cameras: Vec<NamedAddress>) -> anyhow::Result<Vec<(String, StreamUrl)>> {
    let mut parsed: Vec<(String, StreamUrl)> = Vec::new();
    for (index, camera) in cameras.into_iter().enumerate() {
        let (name, url) = camera.parsed().with_context(|| format!("camera {}", index + 1))?;
        ensure!(parsed.iter().all(|(other, _)| *other != name), "there are two cameras called {name}");
        parsed.push((name, url));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<(String, StreamUrl)> {
        text.parse::<NamedAddress>().unwrap().parsed()
    }

    #[test]
    fn names_stand_before_the_first_equals_sign() {
        let (name, url) = parse("front=rtsp://a:b@h/x?y=z").unwrap();
        assert_eq!((name.as_str(), url.to_string().as_str()), ("front", "rtsp://h/x?y=z"));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_address() {
        for text in [
            "rtsp://a:secret@h/x",
            "rtsp://a:secret@h/x?y=z",
            "a/b=rtsp://a:secret@h/",
            "=rtsp://a:secret@h/",
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(format!("{:#}", parse("front=rtsp://").unwrap_err()).starts_with("camera front: "));
        let twice = ["a=rtsp://h/", "a=rtsp://i/"].map(|text| text.parse().unwrap());
        assert_eq!(parse_all(twice.into()).unwrap_err().to_string(), "there are two cameras called a");
    }
}
