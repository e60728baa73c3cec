"""The interface that programs written for the C++ libValkka use, as data; `test_completeness.py` walks it.

Arguments are written as in a `lambda`. A default of `...` is one of the module's own choosing; an argument called `_`
may have any name.
"""

from __future__ import annotations

from typing import NamedTuple

ANY = "*args, **kwargs"


class Class(NamedTuple):
    """A class of `valkka.core`."""

    base: str
    # What its constructor takes; None if it cannot be constructed, ANY if it has several forms.
    arguments: str | None
    methods: dict[str, str] = {}


INPUT = {"getFrameFilter": ""}
STREAMS = {"registerStreamCall": "ctx", "deregisterStreamCall": "ctx"}
SLOTS = {"clearSlotIdCall": "", "reportSlotIdCall": ""}
GATE = {"set": "", "unSet": ""}
CHANNELS = {"setChannel": "i", "getCurrentChannel": "", "getInputChannel": "i"}
EVENT = {"useFd": "event_fd"}

CLASSES = {
    # Threads.
    "Thread": Class(
        "object",
        None,
        {
            "setAffinity": "i",
            "startCall": "",
            "stopCall": "",
            "requestStopCall": "",
            "waitStopCall": "",
            "waitReady": "",
        },
    ),
    "LiveThread": Class(
        "Thread",
        "name, fifo_ctx=...",
        {
            **INPUT,
            **STREAMS,
            "playStreamCall": "ctx",
            "stopStreamCall": "ctx",
            "registerOutboundCall": "ctx",
            "deregisterOutboundCall": "ctx",
            "setRTSPServer": "portnum=8554",
        },
    ),
    "FileThread": Class(
        "Thread",
        "name, fifo_ctx=...",
        {
            **INPUT,
            "openFileStreamCall": "ctx",
            "closeFileStreamCall": "ctx",
            "seekFileStreamCall": "ctx",
            "playFileStreamCall": "ctx",
            "stopFileStreamCall": "ctx",
        },
    ),
    "DecoderThread": Class(
        "Thread",
        "name, outfilter, fifo_ctx=...",
        {
            **INPUT,
            "getBlockingFrameFilter": "",
            "decodingOnCall": "",
            "decodingOffCall": "",
            "setNumberOfThreads": "n",
            "setTimeTolerance": "mstol",
            "setTimeCorrection": "_",
        },
    ),
    "AVThread": Class("DecoderThread", "name, outfilter, fifo_ctx=..."),
    "VAAPIThread": Class("DecoderThread", "name, outfilter, fifo_ctx=..."),
    "OpenGLThread": Class(
        "Thread",
        'name, fifo_ctx=..., msbuftime=300, x_connection=""',
        {
            **INPUT,
            "createWindow": "map=True, show=False",
            "makeCurrent": "window_id",
            "setStaticTexFile": "fname",
            "getVsyncAtStartup": "",
            "newRenderGroupCall": "window_id",
            "delRenderGroupCall": "window_id",
            "newRenderContextCall": "slot, window_id, z",
            "delRenderContextCall": "id",
            "addRectangleCall": "id, left, right, top, bottom",
            "clearObjectsCall": "id",
            "infoCall": "",
        },
    ),
    "USBDeviceThread": Class("Thread", "name", {"playCameraStreamCall": "ctx", "stopCameraStreamCall": "ctx"}),
    # It is connected to signals of buttons, which bring arguments of their own.
    "TestThread": Class("Thread", "name", {"setCallback": "callable", "addCall": "*_"}),
    "AbstractFileThread": Class("Thread", None),
    "FileCacheThread": Class(
        "AbstractFileThread",
        "name",
        {
            **INPUT,
            **STREAMS,
            "setPyCallback": "cb",
            "setPyCallback2": "cb",
            "seekStreamsCall": "mstimestamp, clear=False",
            "playStreamsCall": "",
            "stopStreamsCall": "",
            "clearCall": "",
            "dumpCache": "",
        },
    ),
    "FDWriteThread": Class("Thread", "name, fifo_ctx=...", {**INPUT, **STREAMS}),
    "AbstractFileStream": Class("object", None),
    # ValkkaFS.
    "ValkkaFS": Class(
        "object",
        "device_file, block_file, blocksize, n_blocks, init=False",
        {
            "getBlockSize": "",
            "get_n_blocks": "",
            "get_n_cols": "",
            "getDevice": "",
            "getDeviceSize": "",
            "maxFrameSize": "",
            "dumpTable": "",
            "readTable": "",
            "clearTable": "",
            "clearDevice": "writethrough=False, verbose=False",
            # The first one is called `from`, which nothing written in Python can be.
            "reportTable": "from_=0, to=0, show_all=False, /",
            "setCurrentBlock": "i",
            "updateTable": "disk_write=False",
            "setBlockCallback": "cb",
            "setArrayCall": "arr",
        },
    ),
    "ValkkaFS2": Class("ValkkaFS", "device_file, block_file, blocksize, n_blocks, init=False"),
    "ValkkaFSTool": Class("object", "valkkafs", {"dumpBlock": "i"}),
    "ValkkaFSWriterThread": Class(
        "Thread",
        "name, valkkafs, fifo_ctx=..., o_direct=False",
        {
            **INPUT,
            **SLOTS,
            "getBlockingFrameFilter": "",
            "setSlotIdCall": "slot, id",
            "unSetSlotIdCall": "slot",
            "seekCall": "n_block",
        },
    ),
    "ValkkaFSReaderThread": Class(
        "Thread",
        "name, valkkafs, outfilter, fifo_ctx=..., o_direct=False",
        {**INPUT, **SLOTS, "setSlotIdCall": "slot, id", "unSetSlotIdCall": "id", "pullBlocksPyCall": "_"},
    ),
    # Filters.
    "FrameFilter": Class("object", None),
    "MuxFrameFilter": Class("FrameFilter", None, {"activate": "zerotime=0", "deActivate": ""}),
    "DummyFrameFilter": Class("FrameFilter", "name, verbose=True, next=None"),
    "InfoFrameFilter": Class("FrameFilter", "name, next=None"),
    "BriefInfoFrameFilter": Class("FrameFilter", "name, next=None"),
    "ThreadSafeFrameFilter": Class("FrameFilter", "name, next=None"),
    "ForkFrameFilter": Class("FrameFilter", "name, next=None, next2=None"),
    "ForkFrameFilter3": Class("FrameFilter", "name, next=None, next2=None, next3=None"),
    "ForkFrameFilterN": Class("FrameFilter", "name", {"connect": "tag, filter", "disconnect": "tag"}),
    "SlotFrameFilter": Class("FrameFilter", "name, n_slot, next=None"),
    "PassSlotFrameFilter": Class("FrameFilter", "name, n_slot, next=None"),
    "SetSlotFrameFilter": Class("FrameFilter", "name, next=None", {"setSlot": "n=0"}),
    "DumpFrameFilter": Class("FrameFilter", "name, next=None"),
    "CountFrameFilter": Class("FrameFilter", "name, next=None"),
    "TimestampFrameFilter": Class("FrameFilter", "name, next=None, msdiff_max=2000"),
    "TimestampFrameFilter2": Class("FrameFilter", "name, next=None, msdiff_max=2000"),
    "DummyTimestampFrameFilter": Class("FrameFilter", "name, next=None"),
    "RepeatH264ParsFrameFilter": Class("FrameFilter", "name, next=None"),
    "GateFrameFilter": Class("FrameFilter", "name, next=None", {**GATE, "passConfigFrames": "", "noConfigFrames": ""}),
    "SwitchFrameFilter": Class("FrameFilter", "name, next1=None, next2=None", {"set1": "", "set2": ""}),
    "CachingGateFrameFilter": Class("FrameFilter", "name, next=None", GATE),
    "TimeIntervalFrameFilter": Class("FrameFilter", "name, mstimedelta, next=None"),
    # No class of inputs can be constructed, so neither can what would write into one.
    "FifoFrameFilter": Class("FrameFilter", None),
    "BlockingFifoFrameFilter": Class("FrameFilter", None),
    "CacheFrameFilter": Class("FrameFilter", None),
    "SwScaleFrameFilter": Class("FrameFilter", "name, target_width, target_height, next=None"),
    "InitStreamFrameFilter": Class("FrameFilter", "name, next=None"),
    "FileFrameFilter": Class("FrameFilter", "name, next=None", {"activate": "fname, zerotime=0", "deActivate": ""}),
    "ShmemFrameFilter": Class("FrameFilter", "name, n_cells, n_bytes, mstimeout=0", EVENT),
    "RGBShmemFrameFilter": Class("FrameFilter", "name, n_cells, width, height, mstimeout=0", EVENT),
    "FragMP4MuxFrameFilter": Class("MuxFrameFilter", "name, next=None", {"sendMeta": ""}),
    "FragMP4ShmemFrameFilter": Class("FrameFilter", "name, n_cells, n_size, mstimeout=0", EVENT),
    "MovementFrameFilter": Class(
        "FrameFilter", "name, interval, treshold, duration, next=None", {"setCallback": "callable", "reset": ""}
    ),
    "AlertFrameFilter": Class("FrameFilter", "name, pycallback, next=None"),
    "DumpAVBitmapFrameFilter": Class("FrameFilter", "name, next=None"),
    "FPSCountFrameFilter": Class("FrameFilter", "name, msinterval, next=None"),
    "Switch": Class("object", "name, next=None", CHANNELS),
    "DoubleGate": Class("object", "name, next=None, next2=None", CHANNELS),
    # Parameters.
    "FrameFifoContext": Class("object", ANY),
    "OpenGLFrameFifoContext": Class("object", ""),
    "LiveConnectionContext": Class("object", ANY),
    "LiveOutboundContext": Class("object", ANY),
    "FileContext": Class("object", ANY),
    "FileStreamContext": Class("object", ANY),
    "USBCameraConnectionContext": Class("object", ANY),
    "FDWriteContext": Class("object", ANY),
    # Shared memory.
    "EventFd": Class("object", "", {"getFd": "", "set": "", "clear": ""}),
    "RGB24Meta": Class("object", ""),
    "FragMP4Meta": Class("object", ""),
    "SharedMemRingBufferBase": Class(
        "object",
        "name, n_cells, n_bytes, mstimeout=0, is_server=False",
        {
            "serverUseFd": "eventfd",
            "clientUseFd": "eventfd",
            "getBufferListPy": "",
            "clientPull": "index_p, meta",
            "clientPullThread": "index_p, meta",
        },
    ),
    "SharedMemRingBuffer": Class(
        "SharedMemRingBufferBase",
        "name, n_cells, n_bytes, mstimeout=0, is_server=False",
        {"serverPushPy": "_", "clientPull": "index_p, size_p"},
    ),
    "SharedMemRingBufferRGB": Class(
        "SharedMemRingBufferBase",
        "name, n_cells, width, height, mstimeout=0, is_server=False",
        {
            "serverPushPyRGB": "_, slot, mstimestamp",
            "clientPull": "index_p, size_p",
            "clientPullFrame": "index_p, meta",
            "clientPullFrameThread": "index_p, meta",
            "clientPullPy": "",
        },
    ),
    "FragMP4SharedMemRingBuffer": Class(
        "SharedMemRingBufferBase",
        "name, n_cells, n_size, mstimeout=0, is_server=False",
        {"clientPullPy": ""},
    ),
}

LOGGERS = [
    "framelogger",
    "filterlogger",
    "livelogger",
    "threadlogger",
    "livethreadlogger",
    "avthreadlogger",
    "decoderlogger",
    "fifologger",
    "opengllogger",
    "filelogger",
    "filethreadlogger",
    "usblogger",
    "valkkafslogger",
]

FUNCTIONS = {
    "new_intp": "",
    "copy_intp": "value",
    "delete_intp": "obj",
    "intp_assign": "obj, value",
    "intp_value": "obj",
    "getNumpyShmem": "rb, i",
    "numpy_version_ok": "",
    "get_numpy_version": "",
    "ValkkaXInitThreads": "",
    "setLiveOutPacketBuffermaxSize": "i",
    **{f"setLogLevel_{logger}": "level" for logger in LOGGERS},
    "crazy_log_all": "",
    "debug_log_all": "",
    "normal_log_all": "",
    "fatal_log_all": "",
    "quiet_log_all": "",
    "ffmpeg_av_register_all": "",
    "ffmpeg_av_log_set_level": "level",
}

CONSTANTS = {
    "VERSION_MAJOR": 1,
    "VERSION_MINOR": 6,
    "VERSION_PATCH": 1,
    "TimeCorrectionType_none": 0,
    "TimeCorrectionType_smart": 1,
    "TimeCorrectionType_dummy": 2,
    "LiveConnectionType_none": 0,
    "LiveConnectionType_rtsp": 1,
    "LiveConnectionType_sdp": 2,
    "FileState_none": 0,
    "FileState_error": 1,
    "FileState_seek": 2,
    "FileState_stop": 3,
    "FileState_play": 4,
    "DEFAULT_OPENGLTHREAD_BUFFERING_TIME": 300,
    "DEFAULT_FRAMEFIFO_FLUSH_WHEN_FULL": False,
    "DEFAULT_OPENGLFRAMEFIFO_FLUSH_WHEN_FULL": False,
    "DEFAULT_TIMESTAMP_RESET_TIME": 60000,
    "TIMESTAMP_CORRECT_TRESHOLD": 2000,
    "FS_GRAIN_SIZE": 4096,
}

# The fields of parameters: for each way of making one, what it must then say. `filter` stands for a filter.
FIELDS = [
    (
        "FrameFifoContext()",
        "n_basic=50, n_avpkt=0, n_avframe=0, n_yuvpbo=0, n_setup=20, n_signal=20, n_marker=20, flush_when_full=False",
    ),
    (
        "FrameFifoContext(1, 2, 3, 4, 5, 6, True)",
        "n_basic=1, n_avpkt=2, n_avframe=3, n_yuvpbo=4, n_setup=5, n_signal=6, n_marker=6, flush_when_full=True",
    ),
    (
        "FrameFifoContext(7)",
        "n_basic=0, n_avpkt=0, n_avframe=0, n_yuvpbo=0, n_setup=0, n_signal=7, n_marker=7, flush_when_full=False",
    ),
    (
        "OpenGLFrameFifoContext()",
        "n_720p=20, n_1080p=20, n_1440p=20, n_4K=20, n_setup=20, n_signal=20, flush_when_full=False",
    ),
    (
        "LiveConnectionContext()",
        "connection_type=0, address='', slot=0, framefilter=None, msreconnect=10000, request_multicast=False, "
        "request_tcp=False, recv_buffer_size=0, reordering_time=0, time_correction=1",
    ),
    (
        "LiveConnectionContext(1, 'rtsp://h/s', 3, filter)",
        "connection_type=1, address='rtsp://h/s', slot=3, framefilter=filter, msreconnect=10000, "
        "request_multicast=False, request_tcp=False, recv_buffer_size=0, reordering_time=0, time_correction=1",
    ),
    ("LiveOutboundContext()", "connection_type=0, address='', slot=0, portnum=0, ttl=255"),
    ("LiveOutboundContext(2, '224.1.2.3', 3, 5000)", "connection_type=2, address='224.1.2.3', slot=3, portnum=5000"),
    ("FileContext()", "filename='', slot=0, framefilter=None, seektime_=0, duration=0, mstimestamp=0, status=0"),
    (
        "FileContext('a.mkv', 3, filter)",
        "filename='a.mkv', slot=3, framefilter=filter, seektime_=0, duration=0, mstimestamp=0, status=0",
    ),
    ("FileContext('a.mkv', 3, filter, 2000)", "filename='a.mkv', slot=3, framefilter=filter, seektime_=2000"),
    ("FileStreamContext()", "slot=0, framefilter=None"),
    ("FileStreamContext(3, filter)", "slot=3, framefilter=filter"),
    (
        "USBCameraConnectionContext()",
        "device='', slot=0, framefilter=None, width=1280, height=720, time_correction=1",
    ),
    (
        "USBCameraConnectionContext('/dev/video2', 3, filter)",
        "device='/dev/video2', slot=3, framefilter=filter, width=1280, height=720, time_correction=1",
    ),
    ("FDWriteContext()", "slot=0"),
    ("FDWriteContext(1, 3)", "fd=1, slot=3"),
    ("RGB24Meta()", "size=0, width=0, height=0, slot=0, mstimestamp=0"),
    ("FragMP4Meta()", "is_first=False, size=0, slot=0, mstimestamp=0"),
]

# What the pure Python packages export.
API2 = {
    "valkka.api2": [
        "LiveThread",
        "USBDeviceThread",
        "FileThread",
        "OpenGLThread",
        "Namespace",
        "ShmemClient",
        "ShmemRGBClient",
        "FragMP4ShmemClient",
        "ShmemServer",
        "ShmemRGBServer",
        "BasicFilterchain",
        "ShmemFilterchain",
        "BasicFilterchain1",
        "ShmemFilterchain1",
        "OpenFilterchain",
        "ManagedFilterchain",
        "ManagedFilterchain2",
        "ManagedFilterchain3",
        "LiveManagedFilterchain",
        "USBManagedFilterchain",
        "BitmapPort",
        "ViewPort",
        "ValkkaProcess",
        "ValkkaShmemRGBProcess",
        "ValkkaFSLoadError",
        "safe_select",
        "core",
        "getLogger",
        "setLogger",
        "import_file",
        "get_system_numpy",
        "getModulePath",
        "getDataPath",
        "getDataFile",
        "getTestDataPath",
        "getTestDataFile",
        "typeCheck",
        "dictionaryCheck",
        "objectCheck",
        "parameterInitCheck",
        "noCheck",
        "gen_getter",
        "generateGetters",
        "getH264V4l2",
        "is_py3",
        "loggers",
        "loglevel_silent",
        "loglevel_normal",
        "loglevel_debug",
        "loglevel_crazy",
        "loglevel_nuts",
        "setFFmpegLogLevel",
        "setValkkaLogLevel",
        "get_numpy_version",
        "numpy_version_ok",
        "raise_numpy_version",
        "warn_numpy_version",
        *["ValkkaFS", "ValkkaFSManager", "ValkkaFSWriterThread", "findBlockDevices", "formatMstimestamp"],
        *["ValkkaFSLiveFilterchain", "ValkkaFSFileFilterchain"],
    ],
    "valkka.api2.tools": ["getLogger", "setLogger", "parameterInitCheck", "typeCheck", "generateGetters"],
    "valkka.api2.logging": [
        "setValkkaLogLevel",
        "setFFmpegLogLevel",
        *[f"setLogLevel_{logger}" for logger in LOGGERS],
    ],
    "valkka.api2.threads": ["LiveThread", "USBDeviceThread", "FileThread", "OpenGLThread", "Namespace"],
    "valkka.api2.shmem": ["ShmemClient", "ShmemRGBClient", "FragMP4ShmemClient", "ShmemServer", "ShmemRGBServer"],
    "valkka.api2.exceptions": ["ValkkaFSLoadError"],
    "valkka.api2.valkkafs": [
        *["ValkkaFS", "ValkkaFSManager", "ValkkaFSWriterThread", "findBlockDevices", "formatMstimestamp"],
    ],
    "valkka.api2.multiprocess": ["safe_select", "ValkkaProcess", "ValkkaShmemRGBProcess"],
    "valkka.api2.quicktests": [],
    "valkka.api2.chains": ["BasicFilterchain", "ManagedFilterchain", "ViewPort"],
    "valkka.api2.chains.basic": ["BasicFilterchain", "ShmemFilterchain"],
    "valkka.api2.chains.basic1": ["BasicFilterchain1", "ShmemFilterchain1"],
    "valkka.api2.chains.basic2": ["OpenFilterchain"],
    "valkka.api2.chains.manager": ["ManagedFilterchain", "ManagedFilterchain2"],
    "valkka.api2.chains.manager3": ["ManagedFilterchain3", "LiveManagedFilterchain", "USBManagedFilterchain"],
    "valkka.api2.chains.port": ["BitmapPort", "ViewPort"],
    "valkka.api2.chains.valkkafs": ["ValkkaFSLiveFilterchain", "ValkkaFSFileFilterchain"],
    "valkka.fs": [
        *["findBlockDevices", "formatMstimestamp", "formatMstimeTuple", "ValkkaFSLoadError"],
        *["FSGroup", "ValkkaFSManager", "ValkkaMultiFS", "ValkkaSingleFS"],
    ],
    "valkka.fs.base": ["ValkkaFS"],
    "valkka.fs.single": ["ValkkaSingleFS"],
    "valkka.fs.multi": ["ValkkaMultiFS"],
    "valkka.fs.group": ["FSGroup", "SlotMapping"],
    "valkka.fs.manager": ["ValkkaFSManager"],
    "valkka.fs.thread": ["ValkkaFSWriterThread"],
    "valkka.fs.tools": ["findBlockDevices", "formatMstimestamp", "formatMstimeTuple"],
    "valkka.multiprocess": [
        "MessageObject",
        "MessageProcess",
        "AsyncBackMessageProcess",
        "Duplex",
        "MainContext",
        "EventGroup",
        "SyncIndex",
        "NotEnoughEvents",
        "safe_select",
        "getPipes",
        "to8ByteMessage",
        "exclog",
        "exclogmsg",
        "__version__",
    ],
    "valkka.multiprocess.base": ["MessageObject", "MessageProcess"],
    "valkka.multiprocess.sync": ["EventGroup", "SyncIndex", "NotEnoughEvents"],
}

PYTHON_BASES = [
    ("valkka.api2", "ShmemFilterchain", "BasicFilterchain"),
    ("valkka.api2", "ShmemFilterchain1", "BasicFilterchain1"),
    ("valkka.api2", "ManagedFilterchain2", "ManagedFilterchain"),
    ("valkka.api2", "LiveManagedFilterchain", "ManagedFilterchain3"),
    ("valkka.api2", "USBManagedFilterchain", "ManagedFilterchain3"),
    ("valkka.api2", "ViewPort", "BitmapPort"),
]

_CHAIN = [
    "close",
    "decodingOn",
    "decodingOff",
    "makeChain",
    "createContext",
    "closeContext",
    "startThreads",
    "stopThreads",
]
_MANAGED = [
    *_CHAIN,
    *["addViewPort", "delViewPort", "setBoundingBoxes", "getNumXscreenPorts", "getParDic"],
    *["requestClose", "waitClose", "report"],
]
_THREAD = ["close", "requestClose", "waitClose"]
_RECORDING = [
    *["loadFromDirectory", "newFromDirectory", "checkDirectory", "getName", "report", "getPars", "writeJson"],
    *["getBlockTable", "getTimeRange", "getInd", "getIndNeigh", "setBlockCallback", "update", "new_block_cb__"],
    *["is_same", "reinit", "reload_", "setLogLevel"],
]
_FORKED = ["connect_to_stream", "connect_to_yuv", "disconnect_from_stream", "disconnect_from_yuv"]
_CLIENT = ["setDebug", "useEventFd"]

PYTHON_METHODS = {
    "valkka.api2": {
        "LiveThread": [*_THREAD, "getInput", "registerStream", "deregisterStream", "playStream", "stopStream"],
        "USBDeviceThread": [*_THREAD, "playStream", "stopStream"],
        "FileThread": [
            *_THREAD,
            *["getInput", "openStream", "closeStream", "seekStream", "playStream", "stopStream"],
        ],
        "OpenGLThread": [
            *_THREAD,
            *["getInput", "createWindow", "newRenderGroup", "delRenderGroup", "newRenderContext"],
            *["newRenderContextCall", "delRenderContext", "connect", "disconnect", "hadVsync"],
        ],
        "ShmemClient": [*_CLIENT, "pull", "pullArray", "pullBytes", "pullObject"],
        "ShmemRGBClient": [*_CLIENT, "pull", "pullFrame", "pullFrameThread", "metaToString"],
        "FragMP4ShmemClient": [*_CLIENT, "pullFrame"],
        "ShmemServer": [*_CLIENT, "pushArray", "pushBytes", "pushObject"],
        "ShmemRGBServer": [*_CLIENT, "pushFrame"],
        "BasicFilterchain": _CHAIN,
        "ShmemFilterchain": [*_CHAIN, "getShmemPars"],
        "BasicFilterchain1": ["setLiveContext", "setFileContext", "fileStatusOk", "close", "decodingOn", "decodingOff"],
        "ShmemFilterchain1": ["getShmemPars"],
        "OpenFilterchain": [*_CHAIN, "connect", "disconnect"],
        "ManagedFilterchain": _MANAGED,
        "ManagedFilterchain2": [*_MANAGED, "getShmem", "releaseShmem"],
        "ManagedFilterchain3": [*_MANAGED, "getShmem", "releaseShmem"],
        "ViewPort": ["getWindowId", "setWindowId", "getXScreenNum", "setXScreenNum", "getWidth", "getHeight"],
        "ValkkaProcess": [
            *["getPipe", "sendSignal", "handleSignal", "stop", "test", "startAsThread", "run"],
            *["preRun_", "cycle_", "postRun_", "handleSignal_", "sendSignal_", "stop_", "test_"],
        ],
        "ValkkaShmemRGBProcess": ["ping"],
        "ValkkaFS": _RECORDING,
        "ValkkaFSWriterThread": [*_THREAD, "getInput"],
        "ValkkaFSManager": [
            *[*_THREAD, "setTimeCallback", "setTimeLimitsCallback", "setBlockCallback", "setOutput", "clearOutput"],
            *["setOutput_", "setInput", "clearInput", "getInputFrameFilter", "getFrameFilter", "play", "stop", "seek"],
            *["smartSeek", "reqBlocks", "getTimeRange", "getCurrentTime", "timeOK", "currentTimeOK", "hasFrames"],
            *["clearTime", "readBlockTable", "readBlockTableIf"],
        ],
        "ValkkaFSLiveFilterchain": [*_CHAIN, *_FORKED],
        "ValkkaFSFileFilterchain": [*_CHAIN, *_FORKED],
    },
    "valkka.fs": {
        "ValkkaSingleFS": _RECORDING,
        "ValkkaMultiFS": _RECORDING,
        "FSGroup": [
            *["start", "requestStop", "waitStop", "getInputFilter", "map_", "unmap", "play", "stop", "seek"],
            *["clearTime", "update", "readBlockTable", "readBlockTableIf", "reqBlocksIf", "withinRange"],
            *["withinCached", "setBlockCallback", "setTimeCallback", "setTimeLimitsCallback", "getCurrentTime"],
            *["getTimerange", "getCurrentTimerange", "setLogLevel"],
        ],
        "ValkkaFSManager": [
            *[*_THREAD, "start", "update", "getInputFilter", "iterateFsInput", "map_", "unmap"],
            *["setTimeCallback", "setTimeLimitsCallback", "setBlockCallback", "getTimeRange", "getTimerange"],
            *["getTimeRangeByValkkaFS", "getCurrentTime", "getCurrentTimerange", "play", "stop", "seek"],
            "setLogLevel",
        ],
    },
    "valkka.fs.thread": {"ValkkaFSWriterThread": [*_THREAD, "getInput"]},
    "valkka.multiprocess": {
        "MessageProcess": [
            *["ignoreSIGINT", "go", "getPipe", "sendMessageToBack", "returnFromBack", "requestStop", "waitStop"],
            *["stop", "sendPing", "setDebug", "formatLogger", "run", "preRun__", "postRun__", "readPipes__"],
            *["handleBackPipe__", "routeMainPipe__", "send_out__", "return_out__", "c__ping"],
        ],
        "AsyncBackMessageProcess": [
            *["getPipe", "getReadFd", "getWriteFd", "async_run__", "asyncPre__", "asyncPost__", "routeMainPipe__"],
            "send_out__",
        ],
        "Duplex": ["fileno", "getReadIO", "getWriteIO", "getReadFd", "getWriteFd", "recv", "send"],
        "MainContext": [
            *["startProcesses", "startThreads", "close", "__call__", "runAsThread", "stopThread"],
            *["formatLogger", "setDebug"],
        ],
        "EventGroup": ["set", "reserve", "release", "release_ind", "fromIndex", "asIndex", "__len__"],
        "SyncIndex": ["__enter__", "__exit__"],
    },
}

# The keywords of level 2, as in a call; what has no default must be given.
_FRAMES = "n_basic=20, n_setup=20, n_signal=20, flush_when_full=False, affinity=-1, verbose=False"
_COMMON = f"{_FRAMES}, msreconnect=0"
_TUNING = "time_correction=None, recv_buffer_size=0, reordering_mstime=0"
_SHARED = "shmem_image_dimensions=(480, 270), shmem_image_interval=1000, shmem_ringbuffer_size=10, shmem_name=None"
_ON_DEMAND = "shmem_image_dimensions=(480, 270), shmem_n_buffer=10, shmem_image_interval=1000"

KEYWORDS = {
    "LiveThread": f"name='live_thread', {_FRAMES}, rtsp_server=-1",
    "FileThread": f"name='file_thread', {_FRAMES}",
    "OpenGLThread": "name='gl_thread', n_720p=20, n_1080p=20, n_1440p=0, n_4K=0, n_setup=20, n_signal=20, "
    "flush_when_full=False, msbuftime=100, affinity=-1, verbose=False, background=..., x_connection=''",
    "USBDeviceThread": "name=..., affinity=-1, verbose=False",
    "ShmemClient": "name, n_bytes, n_ringbuffer=10, mstimeout=0, verbose=False",
    "ShmemRGBClient": "name, width, height, n_ringbuffer=10, mstimeout=0, verbose=False",
    "FragMP4ShmemClient": "name, n_ringbuffer=10, n_size=1048576, mstimeout=0, verbose=False",
    "ShmemServer": "name, n_bytes, n_ringbuffer=10, verbose=False",
    "ShmemRGBServer": "name, width, height, n_ringbuffer=10, verbose=False",
    "BasicFilterchain": f"livethread, openglthread, address, slot, {_COMMON}, {_TUNING}, n_threads=1, vaapi=False",
    "ShmemFilterchain": "livethread, openglthread, address, slot, "
    f"{_COMMON}, {_TUNING}, n_threads=1, vaapi=False, {_SHARED}",
    "BasicFilterchain1": f"openglthread, slot, {_COMMON}",
    "ShmemFilterchain1": f"openglthread, slot, {_COMMON}, {_SHARED}",
    "OpenFilterchain": f"livethread, address, slot, {_COMMON}, {_TUNING}",
    "ManagedFilterchain": f"livethread, openglthreads, address, slot, _id=0, {_COMMON}, {_TUNING}",
    "ManagedFilterchain2": f"livethread, openglthreads, address, slot, _id=0, {_COMMON}, {_TUNING}, {_ON_DEMAND}",
    "ManagedFilterchain3": f"openglthreads, address, slot, _id=0, {_COMMON}, time_correction=None, {_ON_DEMAND}",
    "LiveManagedFilterchain": f"livethread, openglthreads, address, slot, _id=0, {_COMMON}, {_TUNING}, {_ON_DEMAND}",
    "USBManagedFilterchain": "usbthread, openglthreads, address, slot, _id=0, "
    f"{_COMMON}, time_correction=None, {_ON_DEMAND}",
    "ViewPort": "window_id=0, x_screen_num=0",
    "ValkkaFS": "blockfile, blocksize, n_blocks, jsonfile, dumpfile=None, partition_uuid=None, current_block=0, "
    "verbose=False",
    "ValkkaFSWriterThread": "valkkafs, name='writer_thread', affinity=-1, verbose=False",
    "ValkkaFSLiveFilterchain": f"livethread, valkkafsmanager, address, slot, id_rec, {_COMMON}, {_TUNING}",
    "ValkkaFSFileFilterchain": f"valkkafsmanager, slot, id_rec, {_COMMON}",
}

PYTHON_FUNCTIONS = {
    "valkka.api2.tools": {
        "getLogger": "_, level=None",
        "setLogger": "_, level",
        "import_file": "full_name, path",
        "get_system_numpy": "",
        "getModulePath": "",
        "getDataPath": "",
        "getDataFile": "fname",
        "getTestDataPath": "",
        "getTestDataFile": "fname",
        "typeCheck": "obj, typ",
        "dictionaryCheck": "definitions, dic",
        "objectCheck": "definitions, obj",
        "parameterInitCheck": "definitions, parameters, obj, undefined_ok=False",
        "noCheck": "obj",
        "gen_getter": "obj, key",
        "generateGetters": "definitions, obj",
        "getH264V4l2": "verbose=False",
    },
    "valkka.api2.logging": {"setFFmpegLogLevel": "i", "setValkkaLogLevel": "i=1"},
    "valkka.api2.multiprocess": {"safe_select": "l1, l2, l3, timeout=0"},
    "valkka.api2.valkkafs": {
        "formatMstimestamp": "_",
        "ValkkaFSManager": "valkkafs, write=True, read=True, cache=True",
    },
    "valkka.fs.group": {"FSGroup": "valkkafs, *, write=True, play=True"},
    "valkka.fs.manager": {"ValkkaFSManager": "valkkafs_list, name='manager'"},
    "valkka.fs.tools": {"findBlockDevices": "", "formatMstimestamp": "_", "formatMstimeTuple": "_"},
    "valkka.multiprocess": {
        "MessageObject": "command, **kwargs",
        "MessageProcess": "name='MessageProcess'",
        "AsyncBackMessageProcess": "name='AsyncMessageProcess'",
        "Duplex": "read_fd, write_fd",
        "EventGroup": "n=10, event_class=...",
        "SyncIndex": "event_group, timeout=...",
        "safe_select": "l1, l2, l3, timeout=None",
        "getPipes": "block_A=False, block_B=False",
        "to8ByteMessage": "obj",
    },
}
