/* Encoding of generated pictures. */

#include "internal.h"

struct vk_encoder {
    AVCodecContext *codec;
    struct SwsContext *converter;
    struct vk_scratch planes;
};

static enum AVColorSpace space_of(int matrix)
{
    switch (matrix) {
    case VK_BT709:
        return AVCOL_SPC_BT709;
    case VK_BT2020:
        return AVCOL_SPC_BT2020_NCL;
    default:
        return AVCOL_SPC_SMPTE170M;
    }
}

int vk_encoder_open(vk_encoder **out, const char *name, const struct vk_encoder_options *options,
                    const char *const *pairs)
{
    *out = NULL;
    const AVCodec *codec = avcodec_find_encoder_by_name(name);
    if (!codec)
        return AVERROR_ENCODER_NOT_FOUND;
    AVDictionary *dictionary = NULL;
    vk_encoder *encoder = av_mallocz(sizeof *encoder);
    AVCodecContext *context = avcodec_alloc_context3(codec);
    int ret = encoder && context ? vk_dictionary(&dictionary, pairs) : AVERROR(ENOMEM);
    if (ret < 0)
        goto fail;
    /* JPEG has no other range. */
    int full = options->range == VK_FULL || codec->id == AV_CODEC_ID_MJPEG;
    context->width = options->width;
    context->height = options->height;
    context->time_base = (AVRational){ 1, 90000 };
    context->framerate = (AVRational){ options->rate_num, options->rate_den };
    context->bit_rate = options->bitrate;
    context->rc_max_rate = options->bitrate;
    context->rc_buffer_size = (int)FFMIN(options->bitrate, INT32_MAX);
    context->gop_size = options->gop;
    context->keyint_min = options->gop;
    context->max_b_frames = 0;
    context->thread_count = 1;
    context->pix_fmt = codec->id == AV_CODEC_ID_MJPEG ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
    context->color_range = full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    context->colorspace = space_of(options->matrix);
    if (options->matrix == VK_BT709) {
        context->color_primaries = AVCOL_PRI_BT709;
        context->color_trc = AVCOL_TRC_BT709;
    }
    ret = avcodec_open2(context, codec, &dictionary);
    if (ret < 0)
        goto fail;
    av_dict_free(&dictionary);
    encoder->codec = context;
    *out = encoder;
    return 0;
fail:
    av_dict_free(&dictionary);
    avcodec_free_context(&context);
    av_free(encoder);
    return ret;
}

void vk_encoder_close(vk_encoder *encoder)
{
    if (!encoder)
        return;
    avcodec_free_context(&encoder->codec);
    sws_freeContext(encoder->converter);
    av_free(encoder->planes.data);
    av_free(encoder);
}

/* The format for samples of full range by its old name: by that alone swscale sees, when it chooses how to convert,
 * that the ranges differ. */
static enum AVPixelFormat full_range(enum AVPixelFormat format)
{
    switch (format) {
    case AV_PIX_FMT_YUV420P:
        return AV_PIX_FMT_YUVJ420P;
    case AV_PIX_FMT_YUV422P:
        return AV_PIX_FMT_YUVJ422P;
    case AV_PIX_FMT_YUV444P:
        return AV_PIX_FMT_YUVJ444P;
    default:
        return format;
    }
}

/* Copies or converts the planes into a frame of the encoder's format. */
static int fill(vk_encoder *encoder, const struct vk_planes *planes, AVFrame *frame)
{
    const AVCodecContext *context = encoder->codec;
    int full = context->color_range == AVCOL_RANGE_JPEG;
    enum AVPixelFormat format = vk_pixel_format(planes->pixel == VK_GRAY ? VK_YUV420 : planes->pixel);
    if (planes->range == VK_FULL)
        format = full_range(format);
    enum AVPixelFormat to = full ? full_range(AV_PIX_FMT_YUV420P) : AV_PIX_FMT_YUV420P;
    const uint8_t *data[4] = { 0 };
    int stride[4] = { 0 };
    int ret = vk_readable_planes(&encoder->planes, planes, data, stride);
    if (ret < 0)
        return ret;
    encoder->converter =
        sws_getCachedContext(encoder->converter, planes->width, planes->height, format, frame->width,
                             frame->height, to, SWS_BILINEAR, NULL, NULL, NULL);
    if (!encoder->converter)
        return AVERROR(EINVAL);
    const int *matrix = vk_coefficients(planes->matrix);
    sws_setColorspaceDetails(encoder->converter, matrix, planes->pixel == VK_RGB24 || planes->range == VK_FULL,
                             matrix, full, 0, 1 << 16, 1 << 16);
    ret = sws_scale(encoder->converter, data, stride, 0, planes->height, frame->data, frame->linesize);
    return ret < 0 ? ret : 0;
}

int vk_encoder_send(vk_encoder *encoder, const struct vk_planes *planes, int64_t pts)
{
    AVFrame *frame = av_frame_alloc();
    if (!frame)
        return AVERROR(ENOMEM);
    frame->format = encoder->codec->pix_fmt;
    frame->width = encoder->codec->width;
    frame->height = encoder->codec->height;
    frame->color_range = encoder->codec->color_range;
    frame->colorspace = encoder->codec->colorspace;
    frame->pts = pts;
    int ret = av_frame_get_buffer(frame, 0);
    if (ret >= 0)
        ret = fill(encoder, planes, frame);
    if (ret >= 0)
        ret = avcodec_send_frame(encoder->codec, frame);
    av_frame_free(&frame);
    return ret;
}

int vk_encoder_finish(vk_encoder *encoder)
{
    return avcodec_send_frame(encoder->codec, NULL);
}

int vk_encoder_receive(vk_encoder *encoder, vk_packet **out)
{
    *out = NULL;
    AVPacket *packet = av_packet_alloc();
    if (!packet)
        return AVERROR(ENOMEM);
    int ret = avcodec_receive_packet(encoder->codec, packet);
    if (ret < 0) {
        av_packet_free(&packet);
        return ret;
    }
    *out = (vk_packet *)packet;
    return 0;
}
