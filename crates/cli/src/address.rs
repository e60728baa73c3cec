//! Addresses on the command line.

use std::convert::Infallible;
use std::str::FromStr;

use valkka::url::{StreamUrl, StreamUrlError};

/// An argument that should be the address of a stream.
///
/// Complaints about an argument repeat it, and an address may hold a password; so this one is always taken, and
/// what is wrong with it comes out later, without it.
#[derive(Clone, Debug)]
pub(crate) struct Address(Result<StreamUrl, StreamUrlError>);

impl Address {
    /// The address, if it is one.
    pub(crate) fn parsed(self) -> Result<StreamUrl, StreamUrlError> {
        self.0
    }
}

impl FromStr for Address {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.parse()))
    }
}
