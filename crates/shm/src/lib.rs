//! Frames between processes.
#![deny(unsafe_code)]
