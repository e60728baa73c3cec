/* Plays a camera of Video4Linux to the process it is loaded into (LD_PRELOAD), for machines without one.
 *
 * VALKKA_DEVICE   the path at which it appears
 * VALKKA_PICTURES a file of encoded pictures, each after its length (32 bits, little endian); played in a loop, one
 *                 every 10 ms
 * VALKKA_FORMAT   the four characters of its format, e.g. H264; "none" for none at all
 * VALKKA_FAULT    "" or one of: busy (the format cannot be set), memory (no buffers), start (it does not start);
 *                 unplugged:N, torn:N, silent:N after N pictures. What is unplugged is not there for the next two tries.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BUFFERS 4
#define BUFFER_SIZE (1 << 20)

/* The file descriptor is a timer that can be read whenever a picture is there; all else is here. */
static int device = -1;
static FILE *pictures;
static void *buffers[BUFFERS];
static int queued[BUFFERS], streaming, absent;
static unsigned taken;

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static int fault(const char *name)
{
    return strcmp(setting("VALKKA_FAULT"), name) == 0;
}

/* Whether the fault `name:N` has come: N pictures were taken. */
static int fault_after(const char *name)
{
    const char *value = setting("VALKKA_FAULT");
    size_t length = strlen(name);
    return strncmp(value, name, length) == 0 && value[length] == ':' &&
           taken >= (unsigned)atoi(value + length + 1);
}

static uint32_t format(void)
{
    const char *name = setting("VALKKA_FORMAT");
    return v4l2_fourcc(name[0], name[1], name[2], name[3]);
}

static int failed(int error)
{
    errno = error;
    return -1;
}

static int open_device(void)
{
    if (absent > 0 && absent-- > 0)
        return failed(ENOENT);
    if (device >= 0)
        return failed(EBUSY);
    device = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    pictures = fopen(setting("VALKKA_PICTURES"), "rb");
    taken = 0;
    return device;
}

static int open_as(const char *name, const char *path, int flags, mode_t mode)
{
    if (strcmp(path, setting("VALKKA_DEVICE")) == 0)
        return open_device();
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name);
    return real(path, flags, mode);
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_as("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_as("open64", path, flags, mode);
}

int close(int fd)
{
    if (fd == device && device >= 0) {
        device = -1;
        if (pictures)
            fclose(pictures);
        pictures = NULL;
        streaming = 0;
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");
    return real(fd);
}

static void *map(const char *name, void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
    void *(*real)(void *, size_t, int, int, int, off64_t) =
        (void *(*)(void *, size_t, int, int, int, off64_t))dlsym(RTLD_NEXT, name);
    if (fd < 0 || fd != device)
        return real(address, length, protection, flags, fd, offset);
    void *memory = real(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    buffers[offset / BUFFER_SIZE] = memory;
    return memory;
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    return map("mmap", address, length, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
    return map("mmap64", address, length, protection, flags, fd, offset);
}

static int query(struct v4l2_capability *capability)
{
    memset(capability, 0, sizeof *capability);
    strcpy((char *)capability->card, "Valkka's test camera");
    capability->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    capability->capabilities = capability->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int enumerate(struct v4l2_fmtdesc *description)
{
    /* A raw format too, as real ones have. */
    if (strcmp(setting("VALKKA_FORMAT"), "none") == 0 || description->index > 1)
        return failed(EINVAL);
    int raw = description->index == 0;
    description->pixelformat = raw ? V4L2_PIX_FMT_YUYV : format();
    strcpy((char *)description->description, raw ? "YUYV 4:2:2" : setting("VALKKA_FORMAT"));
    return 0;
}

static int set_format(struct v4l2_format *wanted)
{
    if (fault("busy"))
        return failed(EBUSY);
    /* It has one size, whatever is asked for. */
    wanted->fmt.pix.width = 640;
    wanted->fmt.pix.height = 360;
    wanted->fmt.pix.pixelformat = format();
    return 0;
}

static int start(void)
{
    if (fault("start"))
        return failed(EIO);
    struct itimerspec every = {{0, 10000000}, {0, 10000000}};
    streaming = 1;
    return timerfd_settime(device, 0, &every, NULL);
}

static int dequeue(struct v4l2_buffer *buffer)
{
    uint64_t expirations;
    if (fault_after("unplugged")) {
        absent = 2;
        return failed(ENODEV);
    }
    if (!streaming || !pictures)
        return failed(EINVAL);
    if (read(device, &expirations, sizeof expirations) < 0 || fault_after("silent"))
        return failed(EAGAIN);
    unsigned index = 0;
    while (index < BUFFERS && !queued[index])
        index++;
    if (index == BUFFERS)
        return failed(EAGAIN);
    uint32_t length = 0;
    if (fread(&length, 4, 1, pictures) != 1) {
        rewind(pictures);
        if (fread(&length, 4, 1, pictures) != 1)
            return failed(EIO);
    }
    if (length > BUFFER_SIZE || fread(buffers[index], 1, length, pictures) != length)
        return failed(EIO);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    queued[index] = 0;
    buffer->index = index;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | (fault_after("torn") ? V4L2_BUF_FLAG_ERROR : 0);
    buffer->timestamp = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    buffer->bytesused = length;
    buffer->sequence = taken++;
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (fd < 0 || fd != device) {
        int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
        return real(fd, request, argument);
    }
    struct v4l2_buffer *buffer = argument;
    switch (request) {
    case VIDIOC_QUERYCAP:
        return query(argument);
    case VIDIOC_ENUM_FMT:
        return enumerate(argument);
    case VIDIOC_S_FMT:
        return set_format(argument);
    case VIDIOC_G_PARM:
        ((struct v4l2_streamparm *)argument)->parm.capture.timeperframe = (struct v4l2_fract){1, 100};
        return 0;
    case VIDIOC_REQBUFS:
        if (fault("memory"))
            return failed(ENOMEM);
        ((struct v4l2_requestbuffers *)argument)->count = BUFFERS;
        return 0;
    case VIDIOC_QUERYBUF:
        buffer->length = BUFFER_SIZE;
        buffer->m.offset = buffer->index * BUFFER_SIZE;
        return 0;
    case VIDIOC_QBUF:
        queued[buffer->index % BUFFERS] = 1;
        return 0;
    case VIDIOC_DQBUF:
        return dequeue(buffer);
    case VIDIOC_STREAMON:
        return start();
    case VIDIOC_STREAMOFF:
        streaming = 0;
        return 0;
    default:
        return failed(ENOTTY);
    }
}
