"""USBDeviceThread, with a camera that is played by a library in a process of its own, for there may be none."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from conftest import DEVICE


def run(program: str, environment: dict[str, str], until: str = "", times: int = 0) -> str:
    """What a Python program prints in a process of its own. Its input ends when it has printed `until` so often."""
    arguments = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(arguments, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        text = ""
        while text.count(until) < times and (line := process.stdout.readline()):
            text += line.decode()
        process.stdin.close()
        text += process.stdout.read().decode()
    assert process.returncode == 0, text
    return text


def test_frames_come_until_it_is_stopped(device: dict[str, str]) -> None:
    text = run(
        f"""
        import threading
        from valkka.core import *

        moved = threading.Event()
        movement = MovementFrameFilter("move", 10, 0.0001, 100000)
        movement.setCallback(lambda event: moved.set())
        decoder = AVThread("decoder", movement)
        usb = USBDeviceThread("usb")
        fork = ForkFrameFilter("fork", BriefInfoFrameFilter("frames"), decoder.getFrameFilter())
        context = USBCameraConnectionContext({DEVICE!r}, 3, fork)
        context.width, context.height = 320, 240
        # Before the start, and once too often.
        usb.playCameraStreamCall(context)
        usb.playCameraStreamCall(context)
        decoder.startCall()
        decoder.decodingOnCall()
        usb.startCall()
        assert moved.wait(60)
        usb.stopCameraStreamCall(context)
        usb.stopCameraStreamCall(context)
        context.slot = 4
        usb.playCameraStreamCall(context)
        # And left running to the end of the interpreter.
        """,
        device,
    )
    lines = [line for line in text.splitlines() if line.startswith("BriefInfo")]
    assert "<SetupFrame:" in lines[0] and "slot=3 / media_type=0 codec_id=27" in lines[0]
    kinds = [line.split("slice_type=")[1].split(">")[0] for line in lines if "slice_type" in line]
    assert {"7", "8", "5", "1"} <= set(kinds) and "payload size=" in lines[1]
    assert text.count("USBDeviceThread: slot 3 is reserved") == 1
    assert text.count("USBDeviceThread: there is nothing at slot 3") == 1


def test_a_camera_that_is_unplugged_is_found_again(device: dict[str, str]) -> None:
    device["VALKKA_FAULT"] = "unplugged:20"
    gone = f"{DEVICE} is gone: reading {DEVICE} failed: No such device"
    text = run(
        f"""
        import sys
        from valkka.core import *

        usb = USBDeviceThread("usb")
        usb.startCall()
        usb.playCameraStreamCall(USBCameraConnectionContext({DEVICE!r}, 9, BriefInfoFrameFilter("frames")))
        sys.stdin.read()
        usb.stopCall()
        """,
        device,
        gone,
        2,
    )
    # It may be found once more before it is told to end.
    assert [part.count("<SetupFrame") for part in text.split(gone)[:2]] == [1, 1]
    assert f"{DEVICE} cannot be received: cannot connect to {DEVICE}: No such file or directory" in text


def test_a_device_that_is_none_is_named(device: dict[str, str]) -> None:
    text = run(
        """
        import threading
        from valkka.core import *

        alerts = []
        told = threading.Event()
        def alert(event):
            alerts.append(event)
            if len(alerts) == 2:
                told.set()

        usb = USBDeviceThread("usb")
        usb.startCall()
        for slot, path in enumerate(["/dev/null", "/dev/video-that-is-not-there"], 1):
            usb.playCameraStreamCall(USBCameraConnectionContext(path, slot, AlertFrameFilter("alert", alert)))
        usb.playCameraStreamCall(USBCameraConnectionContext("/dev/null", -1, None))
        assert told.wait(60)
        usb.stopCall()
        """,
        device,
    )
    assert "slot 1: /dev/null cannot be received: /dev/null has no track that can be used" in text
    assert "slot 2: /dev/video-that-is-not-there cannot be received:" in text
    assert "slot -1 is not from 0 to 255" in text
