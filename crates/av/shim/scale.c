/* Scaling to packed RGB in the caller's memory. */

#include "internal.h"

struct vk_scaler {
    struct SwsContext *context;
    /* What the context is made for and set to. */
    int key[8];
    /* Rows with room behind them, for targets that swscale would write beyond. */
    struct vk_scratch rows;
    struct vk_scratch planes;
};

vk_scaler *vk_scaler_new(void)
{
    return av_mallocz(sizeof(struct vk_scaler));
}

void vk_scaler_free(vk_scaler *scaler)
{
    if (!scaler)
        return;
    sws_freeContext(scaler->context);
    av_free(scaler->rows.data);
    av_free(scaler->planes.data);
    av_free(scaler);
}

static int flags_of(int sampling)
{
    switch (sampling) {
    case VK_POINT:
        return SWS_POINT;
    case VK_FAST_BILINEAR:
        return SWS_FAST_BILINEAR;
    case VK_AREA:
        return SWS_AREA;
    default:
        return SWS_BILINEAR;
    }
}

int vk_scaler_rgb24(vk_scaler *scaler, const struct vk_planes *source, int sampling, uint8_t *target, int width,
                    int height)
{
    const uint8_t *data[4] = { 0 };
    int stride[4] = { 0 };
    int ret = vk_readable_planes(&scaler->planes, source, data, stride);
    if (ret < 0)
        return ret;
    enum AVPixelFormat format = vk_pixel_format(source->pixel == VK_GRAY ? VK_YUV420 : source->pixel);
    int full = source->range == VK_FULL;
    int key[8] = { source->width, source->height, format, width, height, sampling, source->matrix, full };
    if (!scaler->context || memcmp(key, scaler->key, sizeof key)) {
        sws_freeContext(scaler->context);
        scaler->context = sws_getContext(source->width, source->height, format, width, height, AV_PIX_FMT_RGB24,
                                         flags_of(sampling), NULL, NULL, NULL);
        if (!scaler->context)
            return AVERROR(EINVAL);
        /* Fails where there is nothing to set, from RGB to RGB, which is fine. */
        sws_setColorspaceDetails(scaler->context, vk_coefficients(source->matrix), full,
                                 vk_coefficients(VK_BT601), 1, 0, 1 << 16, 1 << 16);
        memcpy(scaler->key, key, sizeof key);
    }
    uint8_t *to[4] = { target };
    int to_stride[4] = { width * 3 };
    /* Its loops write whole pairs, and with SIMD whole blocks of pixels. */
    int direct = width % 32 == 0;
    if (!direct) {
        to_stride[0] = FFALIGN(width * 3, VK_SLACK) + VK_SLACK;
        av_fast_padded_malloc(&scaler->rows.data, &scaler->rows.size, (size_t)to_stride[0] * height + VK_SLACK);
        if (!scaler->rows.data)
            return AVERROR(ENOMEM);
        to[0] = scaler->rows.data;
    }
    ret = sws_scale(scaler->context, data, stride, 0, source->height, to, to_stride);
    if (ret < 0)
        return ret;
    if (ret != height)
        return AVERROR_EXTERNAL;
    if (!direct)
        for (int y = 0; y < height; y++)
            memcpy(target + (size_t)y * width * 3, scaler->rows.data + (size_t)y * to_stride[0], (size_t)width * 3);
    return 0;
}
