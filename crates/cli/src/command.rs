//! The commands, one module each.

pub(crate) mod archive;
pub(crate) mod camera;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod export;
pub(crate) mod fsck;
pub(crate) mod import;
pub(crate) mod man;
pub(crate) mod passwd;
pub(crate) mod play;
pub(crate) mod probe;
pub(crate) mod record;
pub(crate) mod serve;
pub(crate) mod view;
pub(crate) mod watch;
