/* What the Rust side sees of FFmpeg: opaque pointers, plain numbers, and structs of our own.
 *
 * FFmpeg keeps its source compatible from release to release, but neither its enumerations nor its structs.
 * Nothing of either crosses this border. Functions that can fail return a negative AVERROR. */
#ifndef VALKKA_SHIM_H
#define VALKKA_SHIM_H

#include <stddef.h>
#include <stdint.h>

/* --- Codecs (codec.rs has the same numbers) --- */

enum vk_codec {
    VK_CODEC_OTHER = 0,
    VK_CODEC_H264 = 1,
    VK_CODEC_H265 = 2,
    VK_CODEC_MJPEG = 3,
    VK_CODEC_AAC = 4,
    VK_CODEC_PCM_MULAW = 5,
    VK_CODEC_PCM_ALAW = 6,
    VK_CODEC_OPUS = 7,
};

/* --- Versions --- */

enum vk_library { VK_AVFORMAT = 0, VK_AVCODEC = 1, VK_SWSCALE = 2, VK_AVUTIL = 3 };

/* What the distribution calls its FFmpeg; never null. */
const char *vk_release(void);
/* Major, minor and micro version in bits 16 and up, 8 to 15, and 0 to 7; 0 for any other library. */
uint32_t vk_library_version(int library);

/* --- Errors --- */

extern const int vk_err_again, vk_err_eof, vk_err_exit, vk_err_unauthorized, vk_err_forbidden,
    vk_err_not_found, vk_err_bad_request, vk_err_other_4xx, vk_err_server, vk_err_protocol, vk_err_invalid,
    vk_err_no_stream, vk_err_no_encoder;

/* Writes the words for an error, always terminated. */
void vk_error_text(int error, char *text, size_t size);

/* --- Pictures: a reference to an AVFrame --- */

typedef struct vk_picture vk_picture;

enum vk_pixel { VK_YUV420 = 0, VK_YUV422 = 1, VK_YUV444 = 2, VK_GRAY = 3, VK_RGB24 = 4 };
enum vk_matrix { VK_MATRIX_UNKNOWN = 0, VK_BT601 = 1, VK_BT709 = 2, VK_BT2020 = 3 };
enum vk_range { VK_RANGE_UNKNOWN = 0, VK_LIMITED = 1, VK_FULL = 2 };

struct vk_planes {
    int32_t pixel, matrix, range;
    int32_t width, height;
    const uint8_t *data[3];
    /* From row to row; never negative. */
    int32_t stride[3];
    /* Readable bytes from data on. */
    size_t size[3];
};

void vk_picture_free(vk_picture *picture);
/* Fails for pictures that were not made by vk_picture_simplify. */
int vk_picture_planes(const vk_picture *picture, struct vk_planes *planes);

/* --- Packets: an AVPacket --- */

typedef struct vk_packet vk_packet;

struct vk_packet_info {
    const uint8_t *data;
    size_t size;
    /* Readable bytes behind the data. */
    size_t padding;
    int32_t stream;
    int32_t key;
    /* Set by the demuxer when it knows that bytes are missing. */
    int32_t corrupt;
    /* INT64_MIN where there is none. */
    int64_t pts, dts, duration;
    /* When it was captured by the sender's clock, in microseconds since 1970; INT64_MIN if not known. */
    int64_t wallclock;
};

void vk_packet_free(vk_packet *packet);
void vk_packet_info(const vk_packet *packet, struct vk_packet_info *info);

/* --- Decoding --- */

typedef struct vk_decoder vk_decoder;

/* Opens FFmpeg's decoder `name`. With `show_damaged`, pictures without all their references come out too. */
int vk_decoder_open(vk_decoder **decoder, const char *name, int threads, int show_damaged,
                    const uint8_t *extra, size_t extra_size, int max_side);
void vk_decoder_close(vk_decoder *decoder);
/* Feeds one access unit, followed by the padding FFmpeg wants. `release(owner)` is called exactly once, from any
 * thread, when the bytes are no longer read, also if this fails. */
int vk_decoder_send(vk_decoder *decoder, const uint8_t *data, size_t size, int64_t tag, void (*release)(void *),
                    void *owner);
/* Says that nothing follows: the pictures still inside come out, then vk_err_eof. */
int vk_decoder_drain(vk_decoder *decoder);
/* Forgets everything, ready for a key frame. */
void vk_decoder_flush(vk_decoder *decoder);
/* Takes the next picture out, with the tag of its access unit and whether FFmpeg marked it as damaged. */
int vk_decoder_receive(vk_decoder *decoder, vk_picture **picture, int64_t *tag, int *damaged);
/* How often the decoder noticed, in pictures it does not mark, that a reference is missing or that the data broke
 * off. Both wrap. */
void vk_decoder_complaints(vk_decoder *decoder, uint32_t *missing, uint32_t *broken);
/* The size of the last picture that was refused for it. */
void vk_decoder_refused(vk_decoder *decoder, int *width, int *height);

/* --- Scaling --- */

typedef struct vk_scaler vk_scaler;

enum vk_sampling { VK_POINT = 0, VK_FAST_BILINEAR = 1, VK_BILINEAR = 2, VK_AREA = 3 };

vk_scaler *vk_scaler_new(void);
void vk_scaler_free(vk_scaler *scaler);
/* Writes a packed RGB picture without gaps between its rows. `target` holds width * height * 3 bytes. */
int vk_scaler_rgb24(vk_scaler *scaler, const struct vk_planes *source, int sampling, uint8_t *target, int width,
                    int height);

/* --- Demultiplexing --- */

typedef struct vk_demuxer vk_demuxer;

struct vk_stream_info {
    int32_t codec;
    /* Of vk_medium. */
    int32_t medium;
    /* FFmpeg's name of the codec. */
    const char *codec_name;
    int32_t width, height;
    int32_t rate_num, rate_den;
    int32_t time_base_num, time_base_den;
    int32_t sample_rate, channels;
    const uint8_t *extra;
    size_t extra_size;
};

enum vk_medium { VK_OTHER = 0, VK_VIDEO = 1, VK_AUDIO = 2 };

/* Returns whether to give up whatever is going on. */
typedef int (*vk_interrupt)(void *context);

/* Opens `url`. `options` holds keys and values in turn, ended by NULL. */
int vk_demuxer_open(vk_demuxer **demuxer, const char *url, const char *format, const char *const *options,
                    int raw, vk_interrupt interrupt, void *context);
void vk_demuxer_close(vk_demuxer *demuxer);
/* Reads on until the parameters of all streams are known. */
int vk_demuxer_probe(vk_demuxer *demuxer);
int vk_demuxer_streams(const vk_demuxer *demuxer);
int vk_demuxer_stream(const vk_demuxer *demuxer, int index, struct vk_stream_info *info);
/* Has a stream dropped as early as possible. */
void vk_demuxer_discard(vk_demuxer *demuxer, int index);
int vk_demuxer_read(vk_demuxer *demuxer, vk_packet **packet);
/* When a file says that it begins, in microseconds since 1970; negative if it does not tell. */
int64_t vk_demuxer_created(const vk_demuxer *demuxer);
/* The length of a file in microseconds; negative if it does not tell. */
int64_t vk_demuxer_duration(const vk_demuxer *demuxer);
/* Goes to the last key frame of a stream at or before `time`, in units of the stream. */
int vk_demuxer_seek(vk_demuxer *demuxer, int index, int64_t time);

/* --- Encoding --- */

typedef struct vk_encoder vk_encoder;

struct vk_encoder_options {
    int32_t width, height;
    int32_t rate_num, rate_den;
    int64_t bitrate;
    int32_t gop;
    int32_t matrix, range;
};

int vk_encoder_open(vk_encoder **encoder, const char *name, const struct vk_encoder_options *options,
                    const char *const *pairs);
void vk_encoder_close(vk_encoder *encoder);
int vk_encoder_send(vk_encoder *encoder, const struct vk_planes *planes, int64_t pts);
int vk_encoder_finish(vk_encoder *encoder);
int vk_encoder_receive(vk_encoder *encoder, vk_packet **packet);

/* --- Multiplexing --- */

typedef struct vk_muxer vk_muxer;

struct vk_track {
    int32_t codec;
    int32_t width, height;
    int32_t sample_rate, channels;
    /* As the container holds it. */
    const uint8_t *extra;
    size_t extra_size;
};

struct vk_sample {
    const uint8_t *data;
    size_t size;
    int32_t track;
    int32_t key;
    /* In units of the track's time base. */
    int64_t pts, dts, duration;
};

/* Opens the file `url`, which is emptied, or memory if it is NULL. `created` is the moment that the container tells, in
 * microseconds since 1970, if it is positive. */
int vk_muxer_open(vk_muxer **muxer, const char *format, const char *url, int64_t created);
/* Closes it as it is. */
void vk_muxer_close(vk_muxer *muxer);
/* Whether the container has a place for a codec. */
int vk_muxer_takes(const vk_muxer *muxer, int codec);
/* Returns the index of the new track. */
int vk_muxer_add(vk_muxer *muxer, const struct vk_track *track);
/* Writes the head of the file: no track can be added after that. `pairs` are options, keys and values in turn, ended by
 * NULL. */
int vk_muxer_start(vk_muxer *muxer, const char *const *pairs);
/* A unit of a track's times, in seconds; known once it has started. */
int vk_muxer_time_base(const vk_muxer *muxer, int track, int32_t *num, int32_t *den);
int vk_muxer_write(vk_muxer *muxer, const struct vk_sample *sample);
/* Has everything written that is held back. */
int vk_muxer_flush(vk_muxer *muxer);
/* Changes an option of the container at work. */
int vk_muxer_option(vk_muxer *muxer, const char *key, const char *value);
/* Writes the end of the file and closes that. Nothing but vk_muxer_close may follow. */
int vk_muxer_finish(vk_muxer *muxer);
/* Of a muxer into memory: what was written since the last call; valid until the next call of any kind. */
void vk_muxer_written(vk_muxer *muxer, const uint8_t **data, size_t *size);

/* --- Capturing from devices. Errors here are negative errnos. --- */

typedef struct vk_capture vk_capture;

/* What was being done when it failed. */
enum vk_step {
    VK_STEP_OPEN = 0,
    /* Asking whether it is a device that captures: ENOTTY if not. */
    VK_STEP_QUERY = 1,
    /* It has no format that we take. */
    VK_STEP_CHOOSE = 2,
    VK_STEP_FORMAT = 3,
    VK_STEP_BUFFERS = 4,
    VK_STEP_START = 5,
};

struct vk_device_info {
    int32_t codec;
    int32_t width, height;
    /* 0 where it is not known. */
    int32_t rate_num, rate_den;
    /* What it calls itself, and all formats that it offers, in words. */
    char name[33];
    char offered[256];
};

struct vk_shot {
    const uint8_t *data;
    size_t size;
    /* When it was captured, by a clock that starts anywhere. */
    int64_t micros;
    /* How long ago that was, in microseconds; INT64_MIN if it is not known. */
    int64_t age;
    /* Counts the pictures that were captured. */
    uint32_t sequence;
    int32_t damaged;
};

/* Opens the device and starts it, with pictures of about this size. `info` is filled as far as it came. */
int vk_capture_open(vk_capture **capture, const char *path, int width, int height, struct vk_device_info *info,
                    int *step);
void vk_capture_close(vk_capture *capture);
/* Waits for the next picture, for the descriptor `wake` to be readable, or for `timeout_ms`. Returns 1 for a picture,
 * which is valid until the next call, and 0 for none. */
int vk_capture_read(vk_capture *capture, int wake, int timeout_ms, struct vk_shot *shot);

/* Another file descriptor for what `number` stands for. */
int vk_descriptor(int number);

/* --- The log --- */

/* What libavformat says only in words, on the thread that asked for it. */
struct vk_notes {
    /* RTP packets that never came. */
    uint32_t lost;
    /* A TCP connection was made. */
    int32_t connected;
    /* A host name has no address. */
    int32_t unresolved;
    /* The last RTSP request that was answered with an error, if status is not 0. */
    int32_t status;
    char method[24];
    char reason[96];
};

/* `wanted(level)` says whether `write(level, line)` is to be called: 1 for a warning, 2 for what is of interest
 * only in depth. Both are called from any thread. */
void vk_log_init(int (*wanted)(int level), void (*write)(int level, const char *line));
/* Collects notes on this thread from now on, until it is called with NULL. */
void vk_log_notes(struct vk_notes *notes);

#endif
