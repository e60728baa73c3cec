"""How the times of recordings are shown, and which partitions are set aside for recordings."""

import contextlib
import json
import logging
import os
import re
import shutil
import subprocess
import time
from typing import Any, Optional, SupportsInt

__all__ = ["findBlockDevices", "formatMstimeTuple", "formatMstimestamp"]

# The type of partition that recordings are kept on: Linux swap. Nothing mounts such a partition by itself.
SWAP = "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"

# Whole disks: sda, nvme0n1; not their partitions.
DISK = re.compile(r"sd[a-z]+|nvme\d+n\d+")

# Where `sfdisk` is on systems that have it on the path of the administrator only.
SBIN = "/usr/sbin:/sbin"

# How long `sfdisk` may take for one disk, and to end when it is told to: a disk that fails may answer never.
SFDISK_SECONDS = 5.0
KILL_SECONDS = 1.0

# How large a sector is, if `sfdisk` is too old to say so: those versions count in these.
SECTOR_BYTES = 512

logger = logging.getLogger(__name__)


def formatMstimestamp(mstimestamp: SupportsInt) -> str:
    """Returns ``day.month / hour:minute``, in local time, of a time in milliseconds since 1970.

    OverflowError, OSError or ValueError if that is not in any year of the calendar.
    """
    at = time.localtime(int(mstimestamp) // 1000)
    return f"{at.tm_mday}.{at.tm_mon} / {at.tm_hour}:{at.tm_min}"


def formatMstimeTuple(mstimes: Optional[tuple[SupportsInt, SupportsInt]]) -> str:
    """Returns both times of ``(first, last)`` as :func:`formatMstimestamp` does; ``<NONE>`` for None."""
    if mstimes is None:
        return "<NONE>"
    first, last = mstimes
    return f"({formatMstimestamp(first)} ==> {formatMstimestamp(last)})"


def findBlockDevices() -> dict[str, tuple[str, int]]:
    """Returns the partitions of this machine that are of the type *Linux swap*: the device and its bytes, by its UUID.

    These are the partitions of GUID partition tables, as ``sfdisk`` tells them; their UUIDs are in lower case. A disk
    that may not be read, as mostly by others than root, has none. Takes up to six seconds for a disk that hangs.
    """
    sfdisk = shutil.which("sfdisk", path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
    if sfdisk is None:
        logger.debug("sfdisk is not there: no partitions are found")
        return {}
    found: dict[str, tuple[str, int]] = {}
    for disk in disks():
        found.update(swap_partitions(sfdisk_json(sfdisk, disk)))
    return found


def disks() -> list[str]:
    """Returns the device files of this machine's disks."""
    try:
        return sorted(f"/dev/{name}" for name in os.listdir("/dev") if DISK.fullmatch(name))
    except OSError:
        return []


def sfdisk_json(sfdisk: str, disk: str) -> str:
    """Returns what ``sfdisk`` prints of a disk; nothing if it fails."""
    command = [sfdisk, "--json", disk]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        logger.debug("%s: %s", disk, error)
        return ""
    try:
        printed, complaint = process.communicate(timeout=SFDISK_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        # It cannot be killed while the kernel waits for the disk: it is left behind.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=KILL_SECONDS)
        logger.warning("%s: sfdisk has not answered for %g s", disk, SFDISK_SECONDS)
        return ""
    if process.returncode != 0:
        logger.debug("%s: sfdisk: %s", disk, complaint.strip())
        return ""
    return printed


def swap_partitions(printed: str) -> dict[str, tuple[str, int]]:
    """Returns what :func:`findBlockDevices` does, of one disk; what is not as ``sfdisk`` prints it is left out."""
    try:
        table = json.loads(printed)["partitiontable"]
        sector_bytes = int(table.get("sectorsize", SECTOR_BYTES))
        partitions = list(table.get("partitions", []))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    found = {}
    for partition in partitions:
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
            if partition["type"].lower() == SWAP:
                node: Any = partition["node"]
                found[partition["uuid"].lower()] = (str(node), int(partition["size"]) * sector_bytes)
    return found
