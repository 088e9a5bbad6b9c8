"""Serves a clip in an endless loop by RTSP, with GStreamer's server.

``/usr/bin/python3 rtsp_server.py CLIP [PORT] [FPS] [WIDTH]`` needs Debian's packages ffmpeg, python3-gi,
gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-{base,good,ugly}, and so the system's Python. It prints the address once it
listens, and serves until it is stopped.
"""

import subprocess
import sys
import tempfile

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 (only once the versions are required)


def main() -> None:
    """Take the clip apart into pictures, and send them again and again, encoded as a camera would."""
    clip, *more = sys.argv[1:]
    port, fps, width = [*more, *("8554", "10", "640")[len(more) :]]
    with tempfile.TemporaryDirectory() as pictures:
        taken_apart = ["-vf", f"fps={fps},scale={width}:-2", "-q:v", "3", f"{pictures}/%05d.jpg"]
        subprocess.run(["ffmpeg", "-v", "error", "-i", clip, *taken_apart], check=True)
        Gst.init(None)
        server = GstRtspServer.RTSPServer()
        server.set_service(port)
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(
            f'( multifilesrc location={pictures}/%05d.jpg start-index=1 loop=true caps="image/jpeg,framerate={fps}/1"'
            f" ! jpegdec ! videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps}"
            " ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
        )
        factory.set_shared(True)
        server.get_mount_points().add_factory("/hall", factory)
        if not server.attach(None):
            sys.exit(f"port {port} is taken")
        print(f"rtsp://127.0.0.1:{port}/hall", flush=True)
        GLib.MainLoop().run()


if __name__ == "__main__":
    main()
