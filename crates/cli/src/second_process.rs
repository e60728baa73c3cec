//! A second process that sees the pictures of all cameras.

use std::collections::HashMap;
use std::process;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use anyhow::Context;
use valkka::graph::SharedPictures;
use valkka::{Camera, PictureBranch};

use crate::command::watch::Report;
use crate::companion::Companion;

/// Shares the pictures of cameras, and has another process read them.
///
/// It is what machine vision would be: pictures scaled to what a model takes, in shared memory.
pub(crate) struct SecondProcess {
    // Dropped in this order: the reader ends, then nothing is shared any more.
    _reader: Companion,
    lines: Receiver<String>,
    frames: HashMap<String, u64>,
    /// Under which name the pictures of each camera are shared.
    names: Vec<String>,
    _branches: Vec<PictureBranch>,
}

impl SecondProcess {
    pub(crate) fn start(cameras: &[Arc<Camera>]) -> anyhow::Result<Self> {
        let mut names = Vec::new();
        let mut branches = Vec::new();
        for camera in cameras {
            let name = format!("demo-{}-{}", process::id(), camera.name());
            let shared = SharedPictures::create(&name, CELLS, WIDTH, HEIGHT)
                .with_context(|| format!("cannot share the pictures of {}", camera.name()))?;
            branches.push(camera.pictures("second process", shared.scaled())?);
            names.push(name);
        }
        let arguments = ["watch", "--json", "--until-stdin-closes"].map(str::to_owned);
        let (reader, lines) = Companion::start(&[&arguments[..], &names].concat())?;
        Ok(Self { _reader: reader, lines, frames: HashMap::new(), names, _branches: branches })
    }

    /// How many pictures of each camera the other process has seen.
    pub(crate) fn frames(&mut self) -> Vec<u64> {
        for line in self.lines.try_iter() {
            if let Ok(Report { name, frames, .. }) = serde_json::from_str(&line) {
                self.frames.insert(name, frames);
            }
        }
        self.names.iter().map(|name| self.frames.get(name).copied().unwrap_or_default()).collect()
    }
}

/// What the other process gets.
const WIDTH: u32 = 480;
const HEIGHT: u32 = 270;
const CELLS: usize = 10;
