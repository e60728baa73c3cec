//! The handlers of the API, one file for each thing that it is about.

pub(crate) mod cameras;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod login;
pub(crate) mod snapshot;
pub(crate) mod viewers;
