/* FFmpeg's log: handed on, and read for what its libraries say in no other way. */

#include <stdio.h>
#include <string.h>

#include "internal.h"

static int (*log_wanted)(int level);
static void (*log_write)(int level, const char *line);
static _Thread_local struct vk_notes *thread_notes;

static int starts(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

/* What decoders say when they go on without something they needed, and do not mark the picture (h264_slice.c,
 * h264_refs.c, hevc_refs.c and hevcdec.c of FFmpeg 5.1). tests/loss.rs would notice other words. */
static int misses_reference(const char *format)
{
    return starts(format, "Frame num gap") || starts(format, "Missing reference picture") ||
           starts(format, "reference picture missing during reorder") ||
           starts(format, "Could not find ref with POC") || starts(format, "Zero refs for a frame");
}

static int breaks_off(const char *format)
{
    return starts(format, "error while decoding MB") || starts(format, "Error parsing NAL unit") ||
           starts(format, "CABAC_MAX_BIN") || starts(format, "First slice in a frame missing");
}

static void note_decoder(void *source, const char *format)
{
    if (!source || *(const AVClass **)source != avcodec_get_class())
        return;
    vk_decoder *decoder = ((AVCodecContext *)source)->opaque;
    if (!decoder)
        return;
    if (misses_reference(format))
        atomic_fetch_add(&decoder->missing, 1);
    else if (breaks_off(format))
        atomic_fetch_add(&decoder->broken, 1);
}

/* What rtpdec.c, rtsp.c, tcp.c and network.c say (FFmpeg 5.1). tests/loss.rs and tests/faults.rs would notice other
 * words. */
static void note_thread(struct vk_notes *notes, const char *format, va_list arguments)
{
    if (starts(format, "RTP: missed %d packets")) {
        va_list copy;
        va_copy(copy, arguments);
        int missed = va_arg(copy, int);
        va_end(copy);
        notes->lost += missed > 0 ? (uint32_t)missed : 1;
    } else if (starts(format, "RTP: PT=%02x: bad cseq")) {
        notes->lost++;
    } else if (starts(format, "Successfully connected to")) {
        notes->connected = 1;
    } else if (starts(format, "Failed to resolve hostname")) {
        notes->unresolved = 1;
    } else if (starts(format, "method %s failed: %d")) {
        va_list copy;
        va_copy(copy, arguments);
        const char *method = va_arg(copy, const char *);
        int status = va_arg(copy, int);
        const char *reason = va_arg(copy, const char *);
        snprintf(notes->method, sizeof notes->method, "%s", method ? method : "");
        snprintf(notes->reason, sizeof notes->reason, "%s", reason ? reason : "");
        notes->status = status;
        va_end(copy);
    }
}

static void callback(void *source, int level, const char *format, va_list arguments)
{
    /* Deeper levels speak several times per packet. */
    if (level > AV_LOG_DEBUG)
        return;
    note_decoder(source, format);
    if (thread_notes)
        note_thread(thread_notes, format, arguments);
    int depth = level <= AV_LOG_WARNING ? 1 : 2;
    if (level > AV_LOG_VERBOSE || !log_wanted(depth))
        return;
    char line[4096];
    int prefix = 1;
    va_list copy;
    va_copy(copy, arguments);
    int length = av_log_format_line2(source, level, format, copy, line, sizeof line, &prefix);
    va_end(copy);
    /* Of an address cut short nobody can tell what is a password. */
    if (length >= 0 && length < (int)sizeof line)
        log_write(depth, line);
}

void vk_log_init(int (*wanted)(int level), void (*write)(int level, const char *line))
{
    log_wanted = wanted;
    log_write = write;
    av_log_set_callback(callback);
}

void vk_log_notes(struct vk_notes *notes)
{
    thread_notes = notes;
}
