"""AVThread and its like: when they decode, and what they say."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import Cameras, Poll, Printed, play
from valkka.core import (
    AVThread,
    BlockingFifoFrameFilter,
    BriefInfoFrameFilter,
    DecoderThread,
    FifoFrameFilter,
    FrameFifoContext,
    InfoFrameFilter,
    VAAPIThread,
)

SLOT = 2


PICTURE = rf"<AVBitmapFrame: timestamp=\d+ subsession_index=0 slot={SLOT} / h=240; w=320; l=\(\d+,\d+,\d+\); f=0>"


@pytest.mark.parametrize("kind", [AVThread, VAAPIThread, DecoderThread])
def test_pictures_come_while_it_decodes(camera: Cameras, printed: Printed, poll: Poll, kind: Any) -> None:
    decoder = kind("decoder", InfoFrameFilter("pictures"))
    received = DecoderThread("idle", BriefInfoFrameFilter("idle"))
    decoder.setNumberOfThreads(2)
    decoder.startCall()
    received.startCall()
    live = play(camera("--size", "320x240").url, decoder.getFrameFilter(), SLOT)
    idle = play(camera("--size", "320x240").url, received.getBlockingFrameFilter(), SLOT)
    decoder.decodingOnCall()
    poll(lambda: len(printed.find(rf"FRAME   : {PICTURE}$")) > 10)
    # What announces the stream ends at the decoder, and who was not told to decode does not.
    assert not printed.find("SetupFrame") and not printed.find("BasicFrame") and not printed.find(": idle :")
    assert bool(printed.find("VAAPIThread: decoder: .*software")) == (kind is VAAPIThread)
    decoder.decodingOffCall()
    for thread in (live, idle, decoder, received):
        thread.stopCall()
    printed.new()
    assert "AVBitmapFrame" not in printed.new()


def test_an_overflow_is_said(camera: Cameras, printed: Printed, poll: Poll) -> None:
    # Nobody takes what comes in.
    decoder = AVThread("full", InfoFrameFilter("none"), FrameFifoContext(1, 0, 0, 0, 20, 20, False))
    live = play(camera("--size", "320x240").url, decoder.getFrameFilter(), SLOT)
    overflow = r"^FrameFifo: full writeCopy: OVERFLOW! No more frames in stack\.  Frame=<BasicFrame: timestamp=\d+ "
    poll(lambda: printed.find(overflow))
    live.stopCall()

    decoder = AVThread("patient", InfoFrameFilter("none"))
    live = play(camera("--size", "320x240").url, decoder.getBlockingFrameFilter(), SLOT)
    poll(lambda: printed.find(r"^FrameFifo: patient writeCopy: waiting for stack frames\.  Frame=<BasicFrame: "))
    # Whoever waits is let go.
    decoder.startCall()
    decoder.stopCall()
    live.stopCall()


def test_inputs_are_filters_and_calls_take_any_order(camera: Cameras) -> None:
    decoder = AVThread(name="decoder", outfilter=BriefInfoFrameFilter("out"), fifo_ctx=FrameFifoContext())
    assert isinstance(decoder, DecoderThread)
    assert type(decoder.getFrameFilter()) is FifoFrameFilter
    assert isinstance(decoder.getBlockingFrameFilter(), (FifoFrameFilter, BlockingFifoFrameFilter))
    decoder.setNumberOfThreads(-1)
    decoder.setTimeTolerance(-1)
    decoder.setTimeCorrection(False)
    decoder.decodingOnCall()
    decoder.setAffinity(0)
    decoder.stopCall()
    decoder.startCall()
    with pytest.raises(RuntimeError, match="started once"):
        decoder.startCall()
    decoder.requestStopCall()
    decoder.waitStopCall()
    decoder.stopCall()
    decoder.decodingOffCall()
    decoder.cores = 3  # as any attribute
    assert decoder.cores == 3
