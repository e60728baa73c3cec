//! The frame filters: each a file, and a line here.

mod alert;
mod brief_info;
mod cache;
mod caching_gate;
mod count;
mod double_gate;
mod dummy;
mod dummy_timestamp;
mod dump;
mod dump_bitmap;
pub(crate) mod fifo;
mod fork;
mod fork3;
mod fork_n;
mod fps_count;
mod frag_mp4_shmem;
mod gate;
mod info;
mod init_stream;
mod movement;
mod pass_slot;
mod repeat_pars;
mod rgb_shmem;
mod set_slot;
mod shmem;
mod slot;
mod sw_scale;
mod switch;
mod switch_filter;
mod thread_safe;
mod time_interval;
mod timestamp;
mod timestamp2;

use pyo3::prelude::*;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<alert::AlertFrameFilter>()?;
    module.add_class::<brief_info::BriefInfoFrameFilter>()?;
    module.add_class::<cache::CacheFrameFilter>()?;
    module.add_class::<caching_gate::CachingGateFrameFilter>()?;
    module.add_class::<count::CountFrameFilter>()?;
    module.add_class::<double_gate::DoubleGate>()?;
    module.add_class::<dummy::DummyFrameFilter>()?;
    module.add_class::<dummy_timestamp::DummyTimestampFrameFilter>()?;
    module.add_class::<dump::DumpFrameFilter>()?;
    module.add_class::<dump_bitmap::DumpAVBitmapFrameFilter>()?;
    module.add_class::<fifo::FifoFrameFilter>()?;
    module.add_class::<fifo::BlockingFifoFrameFilter>()?;
    module.add_class::<fork::ForkFrameFilter>()?;
    module.add_class::<fork3::ForkFrameFilter3>()?;
    module.add_class::<fork_n::ForkFrameFilterN>()?;
    module.add_class::<fps_count::FPSCountFrameFilter>()?;
    module.add_class::<gate::GateFrameFilter>()?;
    module.add_class::<info::InfoFrameFilter>()?;
    module.add_class::<init_stream::InitStreamFrameFilter>()?;
    module.add_class::<movement::MovementFrameFilter>()?;
    module.add_class::<pass_slot::PassSlotFrameFilter>()?;
    module.add_class::<repeat_pars::RepeatH264ParsFrameFilter>()?;
    module.add_class::<set_slot::SetSlotFrameFilter>()?;
    module.add_class::<slot::SlotFrameFilter>()?;
    module.add_class::<sw_scale::SwScaleFrameFilter>()?;
    module.add_class::<switch::Switch>()?;
    module.add_class::<switch_filter::SwitchFrameFilter>()?;
    module.add_class::<thread_safe::ThreadSafeFrameFilter>()?;
    module.add_class::<time_interval::TimeIntervalFrameFilter>()?;
    module.add_class::<timestamp::TimestampFrameFilter>()?;
    module.add_class::<timestamp2::TimestampFrameFilter2>()?;
    module.add_class::<frag_mp4_shmem::FragMP4ShmemFrameFilter>()?;
    module.add_class::<rgb_shmem::RGBShmemFrameFilter>()?;
    module.add_class::<shmem::ShmemFrameFilter>()?;
    Ok(())
}
