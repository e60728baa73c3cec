#!/bin/sh
# Makes the fixtures beside it with ffmpeg (libx264, libx265 and its own AAC and MJPEG encoders).
# The names say what is in a file; `../tests/real_streams.rs` holds what its parsers must find.
set -eu
cd "$(dirname "$0")"

run() { ffmpeg -hide_banner -loglevel error -y "$@"; }

# picture SIZE RATE FRAMES: a test picture that compresses well.
picture() { echo "-f lavfi -i testsrc=size=$1:rate=$2 -frames:v $3"; }

# x264 FILE SIZE RATE FRAMES OPTION…
x264() {
    file=$1; size=$2; rate=$3; frames=$4; shift 4
    # shellcheck disable=SC2046
    run $(picture "$size" "$rate" "$frames") -c:v libx264 -preset veryfast -qp 48 "$@" -f h264 "$file"
}

x265() {
    file=$1; size=$2; rate=$3; frames=$4; params=$5; shift 5
    # shellcheck disable=SC2046
    run $(picture "$size" "$rate" "$frames") -c:v libx265 -preset ultrafast \
        -x265-params "log-level=none:qp=48:$params" "$@" -f hevc "$file"
}

x264 high_1920x1080_25.h264       1920x1080 25         2 -pix_fmt yuv420p -colorspace bt709 -color_range tv
x264 baseline_352x288_12.5.h264   352x288   25/2       3 -pix_fmt yuv420p -profile:v baseline
x264 crop_638x358_29.97.h264      638x358   30000/1001 3 -pix_fmt yuv420p
x264 high444_641x359_24.h264      641x359   24         2 -pix_fmt yuv444p
x264 high422_640x362_50.h264      640x362   50         2 -pix_fmt yuv422p
x264 high10_640x360_60.h264       640x360   60         2 -pix_fmt yuv420p10le
x264 interlaced_720x576_25.h264   720x576   25         3 -pix_fmt yuv420p -flags +ilme+ildct -x264-params tff=1
x264 full_range_320x240_30.h264   320x240   30         2 -pix_fmt yuvj420p -colorspace bt470bg
x264 open_gop_320x240_25.h264     320x240   25        40 -pix_fmt yuv420p -x264-params keyint=10:min-keyint=10:scenecut=0:open-gop=1:bframes=2:b-adapt=0
x264 refresh_320x240_25.h264      320x240   25        40 -pix_fmt yuv420p -x264-params keyint=10:intra-refresh=1:bframes=0
x264 slices_320x240_25.h264       320x240   25         3 -pix_fmt yuv420p -x264-params slices=4:aud=1

x265 main_1920x1080_25.h265       1920x1080 25         2 colormatrix=bt709:range=limited -pix_fmt yuv420p
x265 crop_638x358_29.97.h265      638x358   30000/1001 3 bframes=2 -pix_fmt yuv420p
x265 main10_1280x720_50.h265      1280x720  50         2 colormatrix=bt2020nc -pix_fmt yuv420p10le
x265 rext422_640x362_24.h265      640x362   24         2 aud=0 -pix_fmt yuv422p10le
x265 rext444_641x359_60.h265      641x359   60         2 aud=0 -pix_fmt yuv444p
x265 open_gop_320x240_25.h265     320x240   25        40 keyint=10:min-keyint=10:scenecut=0:open-gop=1:bframes=2:b-adapt=0:repeat-headers=1 -pix_fmt yuv420p
x265 scaling_320x240_15.h265      320x240   15         9 scaling-list=default:slices=2:aud=1:temporal-layers=1:bframes=3:b-pyramid=1:b-adapt=0 -pix_fmt yuv420p

# sound FILE RATE CHANNELS
sound() { run -f lavfi -i "sine=frequency=440:sample_rate=$2:duration=0.3" -ac "$3" -c:a aac -b:a "$((8 * $3))k" -f adts "$1"; }
sound 48000_stereo.aac 48000 2
sound 44100_mono.aac   44100 1
sound 8000_mono.aac    8000  1
sound 32000_5.1.aac    32000 6

# jpeg FILE SIZE FORMAT
jpeg() { run -f lavfi -i "testsrc=size=$2:rate=1" -frames:v 1 -pix_fmt "$3" -c:v mjpeg -q:v 31 -f mjpeg "$1"; }
jpeg 640x480.jpg 640x480 yuvj420p
jpeg 321x241.jpg 321x241 yuvj422p

# The configuration records that a muxer nobody here wrote makes of the same streams.
# record BOX FROM TO: the body of the box of that name in an MP4 file.
record() {
    python3 - "$1" "$2" "$3" <<'PYTHON'
import sys
name, source, target = sys.argv[1:]
data = open(source, "rb").read()
at = data.index(name.encode())
size = int.from_bytes(data[at - 4:at], "big")
open(target, "wb").write(data[at + 4:at - 4 + size])
PYTHON
}
mp4=$(mktemp --suffix=.mp4)
trap 'rm -f "$mp4"' EXIT
for name in high_1920x1080_25 baseline_352x288_12.5 high444_641x359_24 high10_640x360_60; do
    run -i $name.h264 -c copy "$mp4"
    record avcC "$mp4" $name.avcc
done
for name in main_1920x1080_25 main10_1280x720_50 rext444_641x359_60 scaling_320x240_15; do
    run -i $name.h265 -c copy -tag:v hvc1 "$mp4"
    record hvcC "$mp4" $name.hvcc
done
