/* Capturing from video devices of the kernel (Video4Linux), by buffers that are mapped. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

/* As many as a camera fills in a quarter of a second. */
#define VK_BUFFERS 8

struct vk_capture {
    int fd;
    int streaming;
    /* The buffer that is lent out, or -1. */
    int lent;
    unsigned count;
    struct {
        void *start;
        size_t length;
    } buffers[VK_BUFFERS];
};

static int control(int fd, unsigned long request, void *argument)
{
    int ret;
    do
        ret = ioctl(fd, request, argument);
    while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

/* Encoded formats, best first. */
static const struct {
    uint32_t format;
    int codec;
} formats[] = {
    {V4L2_PIX_FMT_H264, VK_CODEC_H264},
    {V4L2_PIX_FMT_HEVC, VK_CODEC_H265},
    {V4L2_PIX_FMT_MJPEG, VK_CODEC_MJPEG},
    {V4L2_PIX_FMT_JPEG, VK_CODEC_MJPEG},
};
#define FORMATS (sizeof formats / sizeof formats[0])

/* Which of the formats there are, as bits; writes the names of all into `offered`. */
static unsigned offered_formats(int fd, char *offered, size_t size)
{
    unsigned found = 0;
    size_t length = 0;
    offered[0] = 0;
    /* A driver that never says that there are no more must not keep us. */
    for (unsigned index = 0; index < 64; index++) {
        struct v4l2_fmtdesc description = {.index = index, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
        if (control(fd, VIDIOC_ENUM_FMT, &description) < 0)
            break;
        for (unsigned i = 0; i < FORMATS; i++)
            if (description.pixelformat == formats[i].format)
                found |= 1u << i;
        int written = snprintf(offered + length, size - length, "%s%.31s", length ? ", " : "",
                               (const char *)description.description);
        if (written < 0 || (size_t)written >= size - length)
            break;
        length += (size_t)written;
    }
    return found;
}

static int set_format(int fd, unsigned found, int width, int height, struct vk_device_info *info)
{
    int ret = -EINVAL;
    for (unsigned i = 0; i < FORMATS; i++) {
        if (!(found & 1u << i))
            continue;
        struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
        format.fmt.pix.width = (uint32_t)width;
        format.fmt.pix.height = (uint32_t)height;
        format.fmt.pix.pixelformat = formats[i].format;
        format.fmt.pix.field = V4L2_FIELD_ANY;
        ret = control(fd, VIDIOC_S_FMT, &format);
        /* Drivers that cannot do what is asked do something else, and say so. */
        if (ret == 0 && format.fmt.pix.pixelformat != formats[i].format)
            ret = -EINVAL;
        if (ret < 0)
            continue;
        info->codec = formats[i].codec;
        info->width = format.fmt.pix.width <= INT32_MAX ? (int32_t)format.fmt.pix.width : 0;
        info->height = format.fmt.pix.height <= INT32_MAX ? (int32_t)format.fmt.pix.height : 0;
        return 0;
    }
    return ret;
}

static void read_rate(int fd, struct vk_device_info *info)
{
    struct v4l2_streamparm parameters = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
    if (control(fd, VIDIOC_G_PARM, &parameters) < 0)
        return;
    const struct v4l2_fract *time = &parameters.parm.capture.timeperframe;
    if (time->numerator <= INT32_MAX && time->denominator <= INT32_MAX) {
        info->rate_num = (int32_t)time->denominator;
        info->rate_den = (int32_t)time->numerator;
    }
}

static int enqueue(struct vk_capture *capture, unsigned index)
{
    struct v4l2_buffer buffer = {
        .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP, .index = index};
    return control(capture->fd, VIDIOC_QBUF, &buffer);
}

static int map_buffers(struct vk_capture *capture)
{
    struct v4l2_requestbuffers request = {
        .count = VK_BUFFERS, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
    int ret = control(capture->fd, VIDIOC_REQBUFS, &request);
    if (ret < 0)
        return ret;
    unsigned count = request.count < VK_BUFFERS ? request.count : VK_BUFFERS;
    if (count == 0)
        return -ENOMEM;
    for (unsigned index = 0; index < count; index++) {
        struct v4l2_buffer buffer = {
            .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP, .index = index};
        if ((ret = control(capture->fd, VIDIOC_QUERYBUF, &buffer)) < 0)
            return ret;
        void *start = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, capture->fd, (off_t)buffer.m.offset);
        if (start == MAP_FAILED)
            return -errno;
        capture->buffers[index].start = start;
        capture->buffers[index].length = buffer.length;
        capture->count = index + 1;
        if ((ret = enqueue(capture, index)) < 0)
            return ret;
    }
    return 0;
}

int vk_capture_open(vk_capture **out, const char *path, int width, int height, struct vk_device_info *info,
                    int *step)
{
    *out = NULL;
    memset(info, 0, sizeof *info);
    *step = VK_STEP_OPEN;
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct vk_capture *capture = calloc(1, sizeof *capture);
    if (!capture) {
        close(fd);
        return -ENOMEM;
    }
    capture->fd = fd;
    capture->lent = -1;

    *step = VK_STEP_QUERY;
    struct v4l2_capability capability = {0};
    int ret = control(fd, VIDIOC_QUERYCAP, &capability);
    uint32_t can = capability.capabilities & V4L2_CAP_DEVICE_CAPS ? capability.device_caps
                                                                  : capability.capabilities;
    if (ret == 0 && (!(can & V4L2_CAP_VIDEO_CAPTURE) || !(can & V4L2_CAP_STREAMING)))
        ret = -ENOTTY;
    if (ret < 0)
        goto failed;
    snprintf(info->name, sizeof info->name, "%.32s", (const char *)capability.card);

    *step = VK_STEP_FORMAT;
    unsigned found = offered_formats(fd, info->offered, sizeof info->offered);
    if (!found)
        *step = VK_STEP_CHOOSE;
    ret = set_format(fd, found, width, height, info);
    if (ret < 0)
        goto failed;
    read_rate(fd, info);
    if (info->codec != VK_CODEC_MJPEG) {
        /* Who joins late needs the parameter sets. Not every driver has this control, and none needs it. */
        struct v4l2_control repeat = {.id = V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, .value = 1};
        control(fd, VIDIOC_S_CTRL, &repeat);
    }

    *step = VK_STEP_BUFFERS;
    if ((ret = map_buffers(capture)) < 0)
        goto failed;

    *step = VK_STEP_START;
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if ((ret = control(fd, VIDIOC_STREAMON, &type)) < 0)
        goto failed;
    capture->streaming = 1;
    *out = capture;
    return 0;

failed:
    vk_capture_close(capture);
    return ret;
}

void vk_capture_close(vk_capture *capture)
{
    if (!capture)
        return;
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (capture->streaming)
        control(capture->fd, VIDIOC_STREAMOFF, &type);
    for (unsigned index = 0; index < capture->count; index++)
        munmap(capture->buffers[index].start, capture->buffers[index].length);
    close(capture->fd);
    free(capture);
}

static int64_t micros(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

int vk_capture_read(vk_capture *capture, int wake, int timeout_ms, struct vk_shot *shot)
{
    if (capture->lent >= 0) {
        int ret = enqueue(capture, (unsigned)capture->lent);
        capture->lent = -1;
        if (ret < 0)
            return ret;
    }
    struct pollfd wait[] = {{.fd = capture->fd, .events = POLLIN}, {.fd = wake, .events = POLLIN}};
    int ready = poll(wait, 2, timeout_ms);
    if (ready < 0)
        return errno == EINTR ? 0 : -errno;
    if (wait[1].revents || !wait[0].revents)
        return 0;
    struct v4l2_buffer buffer = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
    int ret = control(capture->fd, VIDIOC_DQBUF, &buffer);
    if (ret == -EAGAIN)
        /* An error is all that it was woken for. */
        return wait[0].revents & POLLIN ? 0 : -EIO;
    if (ret < 0)
        return ret;
    if (buffer.index >= capture->count)
        return -EIO;
    capture->lent = (int)buffer.index;
    size_t length = capture->buffers[buffer.index].length;
    int monotonic = (buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    *shot = (struct vk_shot){
        .data = capture->buffers[buffer.index].start,
        .size = buffer.bytesused < length ? buffer.bytesused : length,
        .micros = monotonic ? micros(&buffer.timestamp) : now(),
        .age = monotonic ? now() - micros(&buffer.timestamp) : INT64_MIN,
        .sequence = buffer.sequence,
        .damaged = (buffer.flags & V4L2_BUF_FLAG_ERROR) != 0,
    };
    return 1;
}

int vk_descriptor(int number)
{
    int fd = fcntl(number, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}
