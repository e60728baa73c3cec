/* Pictures and packets as the Rust side holds them, and words for errors. */

#include "internal.h"

const int vk_err_again = AVERROR(EAGAIN);
const int vk_err_eof = AVERROR_EOF;
const int vk_err_exit = AVERROR_EXIT;
const int vk_err_unauthorized = AVERROR_HTTP_UNAUTHORIZED;
const int vk_err_forbidden = AVERROR_HTTP_FORBIDDEN;
const int vk_err_not_found = AVERROR_HTTP_NOT_FOUND;
const int vk_err_bad_request = AVERROR_HTTP_BAD_REQUEST;
const int vk_err_other_4xx = AVERROR_HTTP_OTHER_4XX;
const int vk_err_server = AVERROR_HTTP_SERVER_ERROR;
const int vk_err_protocol = AVERROR_PROTOCOL_NOT_FOUND;
const int vk_err_invalid = AVERROR_INVALIDDATA;
const int vk_err_no_stream = AVERROR_STREAM_NOT_FOUND;
const int vk_err_no_encoder = AVERROR_ENCODER_NOT_FOUND;

void vk_error_text(int error, char *text, size_t size)
{
    av_strerror(error, text, size);
}

void vk_picture_free(vk_picture *picture)
{
    AVFrame *frame = (AVFrame *)picture;
    av_frame_free(&frame);
}

/* Returns -1 for what is none of vk_pixel. */
static int simple_pixel(enum AVPixelFormat format)
{
    switch (format) {
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUVJ420P:
        return VK_YUV420;
    case AV_PIX_FMT_YUV422P:
    case AV_PIX_FMT_YUVJ422P:
        return VK_YUV422;
    case AV_PIX_FMT_YUV444P:
    case AV_PIX_FMT_YUVJ444P:
        return VK_YUV444;
    case AV_PIX_FMT_GRAY8:
        return VK_GRAY;
    default:
        return -1;
    }
}

static int plane_count(int pixel)
{
    return pixel == VK_GRAY || pixel == VK_RGB24 ? 1 : 3;
}

enum AVPixelFormat vk_pixel_format(int pixel)
{
    switch (pixel) {
    case VK_YUV422:
        return AV_PIX_FMT_YUV422P;
    case VK_YUV444:
        return AV_PIX_FMT_YUV444P;
    case VK_GRAY:
        return AV_PIX_FMT_GRAY8;
    case VK_RGB24:
        return AV_PIX_FMT_RGB24;
    default:
        return AV_PIX_FMT_YUV420P;
    }
}

const int *vk_coefficients(int matrix)
{
    switch (matrix) {
    case VK_BT709:
        return sws_getCoefficients(SWS_CS_ITU709);
    case VK_BT2020:
        return sws_getCoefficients(SWS_CS_BT2020);
    default:
        return sws_getCoefficients(SWS_CS_ITU601);
    }
}

static int matrix_of(const AVFrame *frame)
{
    switch (frame->colorspace) {
    case AVCOL_SPC_BT709:
    case AVCOL_SPC_SMPTE240M:
        return VK_BT709;
    case AVCOL_SPC_FCC:
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
        return VK_BT601;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
        return VK_BT2020;
    default:
        return VK_MATRIX_UNKNOWN;
    }
}

static int range_of(const AVFrame *frame)
{
    switch (frame->format) {
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ444P:
        return VK_FULL;
    default:
        break;
    }
    switch (frame->color_range) {
    case AVCOL_RANGE_JPEG:
        return VK_FULL;
    case AVCOL_RANGE_MPEG:
        return VK_LIMITED;
    default:
        return VK_RANGE_UNKNOWN;
    }
}

static int is_simple(const AVFrame *frame)
{
    int pixel = simple_pixel(frame->format);
    if (pixel < 0)
        return 0;
    for (int i = 0; i < plane_count(pixel); i++)
        if (!frame->data[i] || frame->linesize[i] < 0 || !av_frame_get_plane_buffer((AVFrame *)frame, i))
            return 0;
    return 1;
}

/* Converts `frame` to 8-bit YUV 4:2:0 of the same matrix and range. */
static int convert(const AVFrame *frame, struct SwsContext **converter, AVFrame *out)
{
    const AVPixFmtDescriptor *descriptor = av_pix_fmt_desc_get(frame->format);
    if (!descriptor || descriptor->flags & AV_PIX_FMT_FLAG_HWACCEL)
        return AVERROR(ENOSYS);
    int rgb = !!(descriptor->flags & AV_PIX_FMT_FLAG_RGB);
    *converter = sws_getCachedContext(*converter, frame->width, frame->height, frame->format, frame->width,
                                      frame->height, AV_PIX_FMT_YUV420P, SWS_BILINEAR, NULL, NULL, NULL);
    if (!*converter)
        return AVERROR(ENOSYS);
    int full = !rgb && range_of(frame) == VK_FULL;
    const int *matrix = vk_coefficients(matrix_of(frame));
    /* Fails where there is nothing to set, which is fine. */
    sws_setColorspaceDetails(*converter, matrix, rgb || full, matrix, full, 0, 1 << 16, 1 << 16);
    out->format = AV_PIX_FMT_YUV420P;
    out->width = frame->width;
    out->height = frame->height;
    int ret = av_frame_get_buffer(out, 0);
    if (ret < 0)
        return ret;
    out->colorspace = rgb ? AVCOL_SPC_SMPTE170M : frame->colorspace;
    out->color_range = full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    ret = sws_scale(*converter, (const uint8_t *const *)frame->data, frame->linesize, 0, frame->height, out->data,
                    out->linesize);
    return ret < 0 ? ret : 0;
}

int vk_picture_simplify(AVFrame *frame, struct SwsContext **converter, vk_picture **picture)
{
    AVFrame *out = av_frame_alloc();
    int ret = 0;
    if (!out) {
        ret = AVERROR(ENOMEM);
    } else if (is_simple(frame)) {
        av_frame_move_ref(out, frame);
    } else {
        ret = convert(frame, converter, out);
    }
    av_frame_unref(frame);
    if (ret < 0)
        av_frame_free(&out);
    *picture = (vk_picture *)out;
    return ret;
}

int vk_picture_planes(const vk_picture *picture, struct vk_planes *planes)
{
    const AVFrame *frame = (const AVFrame *)picture;
    if (!is_simple(frame))
        return AVERROR(EINVAL);
    *planes = (struct vk_planes){
        .pixel = simple_pixel(frame->format),
        .matrix = matrix_of(frame),
        .range = range_of(frame),
        .width = frame->width,
        .height = frame->height,
    };
    for (int i = 0; i < plane_count(planes->pixel); i++) {
        const AVBufferRef *buffer = av_frame_get_plane_buffer((AVFrame *)frame, i);
        planes->data[i] = frame->data[i];
        planes->stride[i] = frame->linesize[i];
        planes->size[i] = buffer->data + buffer->size - frame->data[i];
    }
    return 0;
}

static void plane_size(const struct vk_planes *source, int plane, size_t *row, size_t *rows)
{
    size_t width = source->width, height = source->height;
    int chroma = plane > 0;
    *row = source->pixel == VK_RGB24 ? width * 3
           : chroma && source->pixel != VK_YUV444 ? (width + 1) / 2
                                                  : width;
    *rows = chroma && source->pixel == VK_YUV420 ? (height + 1) / 2 : height;
}

int vk_readable_planes(struct vk_scratch *scratch, const struct vk_planes *source, const uint8_t *data[4],
                       int stride[4])
{
    int count = source->pixel == VK_GRAY || source->pixel == VK_RGB24 ? 1 : 3;
    int tight = 0;
    size_t total = 0, row, rows;
    for (int i = 0; i < count; i++) {
        plane_size(source, i, &row, &rows);
        data[i] = source->data[i];
        stride[i] = source->stride[i];
        tight |= source->size[i] < (size_t)source->stride[i] * (rows - 1) + row + VK_SLACK;
        total += (row + VK_SLACK) * rows;
    }
    /* Grey is YUV 4:2:0 without colour: swscale knows grey of full range only. */
    size_t neutral_stride = ((size_t)source->width + 1) / 2 + VK_SLACK;
    size_t neutral = source->pixel == VK_GRAY ? neutral_stride * (((size_t)source->height + 1) / 2) : 0;
    if (!tight && !neutral)
        return 0;
    if (!tight)
        total = 0;
    if (total + neutral > INT32_MAX)
        return AVERROR(ENOMEM);
    av_fast_padded_malloc(&scratch->data, &scratch->size, total + neutral + VK_SLACK);
    if (!scratch->data)
        return AVERROR(ENOMEM);
    uint8_t *to = scratch->data;
    for (int i = 0; tight && i < count; i++) {
        plane_size(source, i, &row, &rows);
        data[i] = to;
        stride[i] = (int)(row + VK_SLACK);
        for (size_t y = 0; y < rows; y++, to += row + VK_SLACK)
            memcpy(to, source->data[i] + y * source->stride[i], row);
    }
    if (neutral) {
        memset(to, 128, neutral);
        data[1] = data[2] = to;
        stride[1] = stride[2] = (int)neutral_stride;
    }
    return 0;
}

void vk_packet_free(vk_packet *packet)
{
    AVPacket *p = (AVPacket *)packet;
    av_packet_free(&p);
}

void vk_packet_info(const vk_packet *packet, struct vk_packet_info *info)
{
    const AVPacket *p = (const AVPacket *)packet;
    *info = (struct vk_packet_info){
        .data = p->data,
        .size = p->data && p->size > 0 ? p->size : 0,
        .stream = p->stream_index,
        .key = !!(p->flags & AV_PKT_FLAG_KEY),
        .corrupt = !!(p->flags & AV_PKT_FLAG_CORRUPT),
        .pts = p->pts,
        .dts = p->dts,
        .duration = p->duration,
        .wallclock = INT64_MIN,
    };
    if (p->buf && info->size)
        info->padding = p->buf->data + p->buf->size - (p->data + p->size);
    size_t size = 0;
    const AVProducerReferenceTime *time =
        (const AVProducerReferenceTime *)av_packet_get_side_data(p, AV_PKT_DATA_PRFT, &size);
    if (time && size >= sizeof *time)
        info->wallclock = time->wallclock;
}

int vk_dictionary(AVDictionary **dictionary, const char *const *pairs)
{
    for (; pairs && pairs[0]; pairs += 2) {
        int ret = av_dict_set(dictionary, pairs[0], pairs[1], 0);
        if (ret < 0)
            return ret;
    }
    return 0;
}
