"""Lesson 10: a USB camera.

    USB camera ──▶ USBDeviceThread ──▶ AVThread ──▶ OpenGLThread ──▶ window

Many USB cameras compress their video themselves, as H.264 or MJPEG: it is taken as it is and goes through the same
graph as that of any other camera. `v4l2-ctl --list-devices` tells which there are.

    python3 lesson_10_usb.py [DEVICE [SECONDS]]
"""

import sys
import time

from valkka.core import AVThread, OpenGLThread, USBCameraConnectionContext, USBDeviceThread

device = sys.argv[1] if len(sys.argv) > 1 else "/dev/video2"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10

glthread = OpenGLThread("screen")
avthread = AVThread("decoder", glthread.getFrameFilter())
usbthread = USBDeviceThread("usb")

context = USBCameraConnectionContext(device, 1, avthread.getFrameFilter())
context.width = 1280
context.height = 720

glthread.startCall()
avthread.startCall()
usbthread.startCall()

usbthread.playCameraStreamCall(context)
avthread.decodingOnCall()

window = glthread.createWindow()
glthread.newRenderGroupCall(window)
mapping = glthread.newRenderContextCall(1, window, 0)

time.sleep(seconds)

usbthread.stopCameraStreamCall(context)
avthread.decodingOffCall()
usbthread.stopCall()
avthread.stopCall()
glthread.stopCall()
print("bye")
