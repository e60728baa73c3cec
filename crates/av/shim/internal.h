/* What the parts of the shim share. */
#ifndef VALKKA_SHIM_INTERNAL_H
#define VALKKA_SHIM_INTERNAL_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <stdatomic.h>

#include "shim.h"

struct vk_decoder {
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    /* Converts pictures whose samples are none of vk_pixel; made when first needed. */
    struct SwsContext *converter;
    int max_side;
    /* Written by FFmpeg's threads. */
    atomic_uint missing, broken;
    atomic_int refused_width, refused_height;
};

/* Makes a vk_picture of `frame`, which it empties: by reference if its samples are one of vk_pixel, else
 * converted to VK_YUV420. */
int vk_picture_simplify(AVFrame *frame, struct SwsContext **converter, vk_picture **picture);

/* Memory that grows with need. */
struct vk_scratch {
    uint8_t *data;
    unsigned size;
};

/* swscale reads and writes in blocks of up to so many bytes. */
#define VK_SLACK 64

/* Fills `data` and `stride` with planes that swscale may read a little beyond, copied into `scratch` if need be.
 * Grey comes out as VK_YUV420. */
int vk_readable_planes(struct vk_scratch *scratch, const struct vk_planes *source, const uint8_t *data[4],
                       int stride[4]);

/* The pixel format of swscale for samples and range, and the coefficients for a matrix. */
enum AVPixelFormat vk_pixel_format(int pixel);
const int *vk_coefficients(int matrix);

/* Options from keys and values in turn, ended by NULL. */
int vk_dictionary(AVDictionary **dictionary, const char *const *pairs);

#endif
