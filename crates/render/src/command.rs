//! What a presenter's thread is told.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use valkka_core::bitmap::Bitmap;
use valkka_core::stats::StreamStats;
use valkka_core::stream::Slot;

use crate::capture::Capture;
use crate::error::Error;
use crate::layout::{Area, Fit, Rectangle};
use crate::scene::{ViewId, ViewOptions, WindowId};
use crate::window::{WindowChange, WindowOptions};

/// An order, and where the answer goes.
pub(crate) enum Command {
    CreateWindow(WindowOptions, Reply<WindowId>),
    AdoptWindow(u32, Reply<WindowId>),
    RemoveWindow(WindowId, Reply<()>),
    ChangeWindow(WindowId, WindowChange, Reply<()>),
    WindowSize(WindowId, Reply<(u32, u32)>),
    AddView(ViewOptions, Reply<ViewId>),
    RemoveView(ViewId, Reply<()>),
    PlaceView(ViewId, Option<Area>, Option<Fit>, Reply<()>),
    SetRectangles(ViewId, Vec<Rectangle>, Reply<()>),
    SetPlaceholder(Slot, Option<Bitmap>, Reply<()>),
    SetFallback(Option<Bitmap>, Reply<()>),
    SetStats(Slot, Arc<StreamStats>, Reply<()>),
    RemoveSlot(Slot, Reply<()>),
    CaptureWindow(WindowId, Reply<Capture>),
    CaptureView(ViewId, Reply<Capture>),
}

/// Takes the one answer to a command.
pub(crate) type Reply<T> = SyncSender<Result<T, Error>>;
