"""The processes that programs used before `valkka.multiprocess`."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from valkka.api2 import ValkkaProcess, safe_select


class Echo(ValkkaProcess):
    """Answers."""

    incoming_signal_defs = {**ValkkaProcess.incoming_signal_defs, "say": {"text": str}, "fail": {}}
    outgoing_signal_defs = {**ValkkaProcess.outgoing_signal_defs, "said": {"text": str}}

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.heard: list[str] = []

    def said(self, text: str) -> None:
        self.heard.append(text)

    def say_(self, text: str) -> None:
        self.sendSignal_(name="said", text=text.upper())

    def fail_(self) -> None:
        raise RuntimeError("told to")


@pytest.fixture
def echo() -> Any:
    process = Echo("echo")
    process.start()
    yield process
    process.kill()
    process.join()


def test_signals(echo: Echo) -> None:
    for text in ("a", "b"):
        echo.sendSignal(name="say", text=text)
        # A signal that was sent has been handled: the answer is there.
        assert safe_select([echo.getPipe()], [], [])[0]
        echo.handleSignal(echo.getPipe().recv())
    assert echo.heard == ["A", "B"]
    echo.stop()
    assert echo.exitcode == 0


def test_the_signal_test(echo: Echo, capfd: pytest.CaptureFixture[str]) -> None:
    echo.test(test_int=3, test_str="x")
    echo.handleSignal(echo.getPipe().recv())
    assert "test_o 3 x" in capfd.readouterr().out


def test_signals_are_checked(echo: Echo) -> None:
    for wrong in ({"name": "nothing"}, {}, {"name": "say"}, {"name": "say", "text": 1}, {"name": "stop", "x": 1}):
        with pytest.raises(AttributeError):
            echo.sendSignal(**wrong)
    with pytest.raises(AttributeError):
        echo.handleSignal({"name": "say", "text": "a"})


def test_nobody_waits_for_a_process_that_has_died(echo: Echo) -> None:
    echo.sendSignal(name="fail")
    echo.sendSignal(name="say", text="a")
    echo.stop()
    assert echo.exitcode == 1


def test_nobody_waits_for_a_process_that_is_killed(echo: Echo) -> None:
    assert echo.pid is not None
    os.kill(echo.pid, signal.SIGKILL)
    echo.sendSignal(name="say", text="a")
    echo.stop()


def test_as_a_thread() -> None:
    process = Echo("echo")
    process.startAsThread()
    process.sendSignal(name="say", text="a")
    process.handleSignal(process.getPipe().recv())
    assert process.heard == ["A"]
    process.stop()
    assert process.thread is not None
    assert not process.thread.is_alive()
