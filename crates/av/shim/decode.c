/* Decoding: access units in by reference, pictures out by reference. */

#include "internal.h"

/* Refuses absurd sizes before memory is taken for them. */
static int get_buffer(AVCodecContext *codec, AVFrame *frame, int flags)
{
    vk_decoder *decoder = codec->opaque;
    if (frame->width > decoder->max_side || frame->height > decoder->max_side) {
        atomic_store(&decoder->refused_width, frame->width);
        atomic_store(&decoder->refused_height, frame->height);
        return AVERROR(EINVAL);
    }
    return avcodec_default_get_buffer2(codec, frame, flags);
}

/* Without this, FFmpeg 5.1 has its frame threads call get_buffer through the main thread. Later there is no other
 * way. */
static void allow_any_thread(AVCodecContext *codec)
{
#if LIBAVCODEC_VERSION_MAJOR < 60
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    codec->thread_safe_callbacks = 1;
#pragma GCC diagnostic pop
#else
    (void)codec;
#endif
}

int vk_decoder_open(vk_decoder **out, const char *name, int threads, int show_damaged, const uint8_t *extra,
                    size_t extra_size, int max_side)
{
    *out = NULL;
    const AVCodec *codec = avcodec_find_decoder_by_name(name);
    if (!codec)
        return AVERROR_DECODER_NOT_FOUND;
    if (extra_size > 1 << 20)
        return AVERROR(EINVAL);
    vk_decoder *decoder = av_mallocz(sizeof *decoder);
    if (!decoder)
        return AVERROR(ENOMEM);
    int ret = AVERROR(ENOMEM);
    decoder->max_side = max_side;
    decoder->packet = av_packet_alloc();
    decoder->frame = av_frame_alloc();
    decoder->codec = avcodec_alloc_context3(codec);
    if (!decoder->packet || !decoder->frame || !decoder->codec)
        goto fail;
    AVCodecContext *context = decoder->codec;
    if (extra_size) {
        context->extradata = av_mallocz(extra_size + AV_INPUT_BUFFER_PADDING_SIZE);
        if (!context->extradata)
            goto fail;
        memcpy(context->extradata, extra, extra_size);
        context->extradata_size = (int)extra_size;
    }
    context->opaque = decoder;
    context->get_buffer2 = get_buffer;
    allow_any_thread(context);
    context->thread_count = threads;
    context->thread_type = FF_THREAD_FRAME | FF_THREAD_SLICE;
    context->pkt_timebase = (AVRational){ 1, 90000 };
    if (show_damaged) {
        context->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
        context->flags2 |= AV_CODEC_FLAG2_SHOW_ALL;
    }
    ret = avcodec_open2(context, codec, NULL);
    if (ret < 0)
        goto fail;
    *out = decoder;
    return 0;
fail:
    vk_decoder_close(decoder);
    return ret;
}

void vk_decoder_close(vk_decoder *decoder)
{
    if (!decoder)
        return;
    avcodec_free_context(&decoder->codec);
    av_packet_free(&decoder->packet);
    av_frame_free(&decoder->frame);
    sws_freeContext(decoder->converter);
    av_free(decoder);
}

static void release_buffer(void *opaque, uint8_t *data)
{
    void **pair = opaque;
    (void)data;
    ((void (*)(void *))pair[0])(pair[1]);
    av_free(pair);
}

int vk_decoder_send(vk_decoder *decoder, const uint8_t *data, size_t size, int64_t tag, void (*release)(void *),
                    void *owner)
{
    void **pair = av_malloc(2 * sizeof *pair);
    AVPacket *packet = decoder->packet;
    if (pair && size <= INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE) {
        pair[0] = (void *)release;
        pair[1] = owner;
        packet->buf = av_buffer_create((uint8_t *)data, size + AV_INPUT_BUFFER_PADDING_SIZE, release_buffer, pair,
                                       AV_BUFFER_FLAG_READONLY);
    }
    if (!packet->buf) {
        av_free(pair);
        release(owner);
        return AVERROR(ENOMEM);
    }
    packet->data = (uint8_t *)data;
    packet->size = (int)size;
    packet->pts = tag;
    int ret = avcodec_send_packet(decoder->codec, packet);
    av_packet_unref(packet);
    return ret;
}

int vk_decoder_drain(vk_decoder *decoder)
{
    return avcodec_send_packet(decoder->codec, NULL);
}

void vk_decoder_flush(vk_decoder *decoder)
{
    avcodec_flush_buffers(decoder->codec);
}

int vk_decoder_receive(vk_decoder *decoder, vk_picture **picture, int64_t *tag, int *damaged)
{
    AVFrame *frame = decoder->frame;
    int ret = avcodec_receive_frame(decoder->codec, frame);
    if (ret < 0)
        return ret;
    *tag = frame->pts;
    *damaged = frame->flags & AV_FRAME_FLAG_CORRUPT || frame->decode_error_flags;
    return vk_picture_simplify(frame, &decoder->converter, picture);
}

void vk_decoder_complaints(vk_decoder *decoder, uint32_t *missing, uint32_t *broken)
{
    *missing = atomic_load(&decoder->missing);
    *broken = atomic_load(&decoder->broken);
}

void vk_decoder_refused(vk_decoder *decoder, int *width, int *height)
{
    *width = atomic_load(&decoder->refused_width);
    *height = atomic_load(&decoder->refused_height);
}
