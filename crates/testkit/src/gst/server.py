"""An RTSP server of GStreamer for the tests, driven by its arguments and by lines on its standard input.

Arguments, in the order given:
    --address A            listen there (default 127.0.0.1)
    --port N               listen there (default: a free port)
    --digest USER PASS     ask for these credentials by the Digest scheme (--basic: by the Basic scheme)
    --protocols LIST       of udp, tcp; for the mounts that follow
    --frames DIRECTORY N/D feed the files of this directory, in the order of their names, one frame each, at
                           N/D frames per second, again and again, to the "frames" (an appsrc) of the next mount
    --mount PATH LAUNCH    serve this pipeline, whose payloaders are named pay0, pay1 and so on

Lines of input:
    size PATH W H          changes the caps of the element "size" of a running pipeline
    drop                   closes every connection
    cpu N                  prints "cpu N S", where S is the CPU time of the process so far, in seconds

Prints "port N" when it listens; ends when its input does.
"""
import pathlib
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PROTOCOLS = {
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
}


class Feeder:
    """Feeds frames on a timeline that never ends."""

    def __init__(self, data, numerator, denominator):
        self.data = data
        self.numerator = numerator
        self.denominator = denominator
        self.count = 0

    def feed(self, source, _length):
        buffer = Gst.Buffer.new_wrapped(self.data[self.count % len(self.data)])
        buffer.pts = buffer.dts = self.time(self.count)
        self.count += 1
        buffer.duration = self.time(self.count) - buffer.pts
        source.emit("push-buffer", buffer)

    def time(self, count):
        return count * self.denominator * Gst.SECOND // self.numerator


class Server:
    def __init__(self):
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address("127.0.0.1")
        self.server.set_service("0")
        self.mounts = self.server.get_mount_points()
        self.protocols = PROTOCOLS["udp"] | PROTOCOLS["tcp"]
        self.locked = False
        self.frames = None
        self.running = {}

    def lock(self, scheme, user, password):
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        if scheme == "--digest":
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(user, password, token)
        else:
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        self.server.set_auth(auth)
        self.locked = True

    def load(self, directory, rate):
        numerator, denominator = (int(part) for part in rate.split("/"))
        data = [file.read_bytes() for file in sorted(pathlib.Path(directory).iterdir())]
        self.frames = data, numerator, denominator

    def mount(self, path, launch):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        factory.set_protocols(self.protocols)
        factory.set_latency(0)
        if self.locked:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role("viewer", "media.factory.access", True)
            permissions.add_permission_for_role("viewer", "media.factory.construct", True)
            factory.set_permissions(permissions)
        factory.connect("media-configure", self.configured, path, self.frames)
        self.frames = None
        self.mounts.add_factory(path, factory)

    def configured(self, _factory, media, path, frames):
        self.running[path] = media.get_element()
        if frames:
            source = media.get_element().get_by_name("frames")
            source.connect("need-data", Feeder(*frames).feed)

    def size(self, path, width, height):
        element = self.running[path].get_by_name("size")
        caps = element.get_property("caps").copy()
        caps.set_value("width", int(width))
        caps.set_value("height", int(height))
        element.set_property("caps", caps)

    def drop(self):
        self.server.client_filter(lambda _server, _client: GstRtspServer.RTSPFilterResult.REMOVE)

    def cpu(self, number):
        print("cpu", number, time.process_time(), flush=True)

    def command(self, line):
        verb, *words = line.split()
        {"size": self.size, "drop": self.drop, "cpu": self.cpu}[verb](*words)
        print("done", line, flush=True)


def main(words):
    Gst.init(None)
    loop = GLib.MainLoop()
    server = Server()
    words = iter(words)
    for word in words:
        if word == "--address":
            server.server.set_address(next(words))
        elif word == "--port":
            server.server.set_service(next(words))
        elif word in ("--digest", "--basic"):
            server.lock(word, next(words), next(words))
        elif word == "--protocols":
            server.protocols = GstRtsp.RTSPLowerTrans(0)
            for name in next(words).split(","):
                server.protocols |= PROTOCOLS[name]
        elif word == "--frames":
            server.load(next(words), next(words))
        elif word == "--mount":
            server.mount(next(words), next(words))
        else:
            sys.exit("unknown argument " + word)
    if server.server.attach(None) == 0:
        sys.exit("cannot listen")

    def on_input(_source, _condition):
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        server.command(line.strip())
        return True

    GLib.io_add_watch(0, GLib.IO_IN | GLib.IO_HUP, on_input)
    print("port", server.server.get_bound_port(), flush=True)
    loop.run()


main(sys.argv[1:])
