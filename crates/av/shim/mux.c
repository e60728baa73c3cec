/* Multiplexing: into a file, or into memory. */

/* For gmtime_r. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <time.h>

#include "internal.h"

struct vk_muxer {
    AVFormatContext *format;
    AVPacket *packet;
    int in_memory;
    /* What was written to memory and not taken yet. */
    uint8_t *data;
    size_t size, capacity;
};

#if LIBAVFORMAT_VERSION_MAJOR >= 61
static int append(void *opaque, const uint8_t *data, int size)
#else
static int append(void *opaque, uint8_t *data, int size)
#endif
{
    vk_muxer *muxer = opaque;
    if (muxer->capacity - muxer->size < (size_t)size) {
        size_t capacity = FFMAX(muxer->size + size, muxer->capacity * 2);
        uint8_t *grown = av_realloc(muxer->data, capacity);
        if (!grown)
            return AVERROR(ENOMEM);
        muxer->data = grown;
        muxer->capacity = capacity;
    }
    memcpy(muxer->data + muxer->size, data, size);
    muxer->size += size;
    return size;
}

static int open_memory(vk_muxer *muxer)
{
    const int size = 4096;
    uint8_t *buffer = av_malloc(size);
    if (!buffer)
        return AVERROR(ENOMEM);
    muxer->format->pb = avio_alloc_context(buffer, size, 1, muxer, NULL, append, NULL);
    if (!muxer->format->pb) {
        av_free(buffer);
        return AVERROR(ENOMEM);
    }
    return 0;
}

int vk_muxer_open(vk_muxer **out, const char *format_name, const char *url, int64_t created)
{
    *out = NULL;
    vk_muxer *muxer = av_mallocz(sizeof *muxer);
    if (!muxer)
        return AVERROR(ENOMEM);
    muxer->in_memory = !url;
    int ret = avformat_alloc_output_context2(&muxer->format, NULL, format_name, url);
    if (ret >= 0 && !(muxer->packet = av_packet_alloc()))
        ret = AVERROR(ENOMEM);
    if (ret >= 0)
        ret = url ? avio_open2(&muxer->format->pb, url, AVIO_FLAG_WRITE, NULL, NULL) : open_memory(muxer);
    if (ret < 0) {
        vk_muxer_close(muxer);
        return ret;
    }
    struct tm date;
    char text[32], moment[48];
    time_t seconds = (time_t)(created / 1000000);
    if (created > 0 && gmtime_r(&seconds, &date) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &date)) {
        snprintf(moment, sizeof moment, "%s.%06dZ", text, (int)(created % 1000000));
        av_dict_set(&muxer->format->metadata, "creation_time", moment, 0);
    }
    *out = muxer;
    return 0;
}

/* Closes the file, which brings errors to light that were not told before. */
static int close_output(vk_muxer *muxer)
{
    AVFormatContext *format = muxer->format;
    if (!format || !format->pb)
        return 0;
    if (!muxer->in_memory)
        return avio_closep(&format->pb);
    av_freep(&format->pb->buffer);
    avio_context_free(&format->pb);
    return 0;
}

void vk_muxer_close(vk_muxer *muxer)
{
    if (!muxer)
        return;
    close_output(muxer);
    avformat_free_context(muxer->format);
    av_packet_free(&muxer->packet);
    av_free(muxer->data);
    av_free(muxer);
}

static enum AVCodecID id_of(int codec)
{
    switch (codec) {
    case VK_CODEC_H264:
        return AV_CODEC_ID_H264;
    case VK_CODEC_H265:
        return AV_CODEC_ID_HEVC;
    case VK_CODEC_MJPEG:
        return AV_CODEC_ID_MJPEG;
    case VK_CODEC_AAC:
        return AV_CODEC_ID_AAC;
    case VK_CODEC_PCM_MULAW:
        return AV_CODEC_ID_PCM_MULAW;
    case VK_CODEC_PCM_ALAW:
        return AV_CODEC_ID_PCM_ALAW;
    case VK_CODEC_OPUS:
        return AV_CODEC_ID_OPUS;
    default:
        return AV_CODEC_ID_NONE;
    }
}

int vk_muxer_takes(const vk_muxer *muxer, int codec)
{
    /* Matroska has G.711 as WAV files have it, which FFmpeg does not count as normal. */
    return avformat_query_codec(muxer->format->oformat, id_of(codec), FF_COMPLIANCE_UNOFFICIAL) == 1;
}

int vk_muxer_add(vk_muxer *muxer, const struct vk_track *track)
{
    AVStream *stream = avformat_new_stream(muxer->format, NULL);
    if (!stream)
        return AVERROR(ENOMEM);
    AVCodecParameters *codec = stream->codecpar;
    codec->codec_id = id_of(track->codec);
    codec->codec_type = avcodec_get_type(codec->codec_id);
    codec->width = track->width;
    codec->height = track->height;
    codec->sample_rate = track->sample_rate;
    if (codec->codec_type == AVMEDIA_TYPE_AUDIO)
        av_channel_layout_default(&codec->ch_layout, track->channels);
    if (codec->codec_id == AV_CODEC_ID_PCM_MULAW || codec->codec_id == AV_CODEC_ID_PCM_ALAW) {
        codec->bits_per_coded_sample = 8;
        codec->block_align = track->channels;
        codec->bit_rate = 8LL * track->channels * track->sample_rate;
    }
    /* Browsers want the parameter sets nowhere but in the description, which this name promises. */
    if (codec->codec_id == AV_CODEC_ID_HEVC && !strcmp(muxer->format->oformat->name, "mp4"))
        codec->codec_tag = MKTAG('h', 'v', 'c', '1');
    if (track->extra_size > 0) {
        codec->extradata = av_mallocz(track->extra_size + AV_INPUT_BUFFER_PADDING_SIZE);
        if (!codec->extradata)
            return AVERROR(ENOMEM);
        memcpy(codec->extradata, track->extra, track->extra_size);
        codec->extradata_size = (int)track->extra_size;
    }
    stream->time_base = (AVRational){ 1, 90000 };
    return stream->index;
}

int vk_muxer_start(vk_muxer *muxer, const char *const *pairs)
{
    AVDictionary *options = NULL;
    int ret = vk_dictionary(&options, pairs);
    if (ret >= 0)
        ret = avformat_write_header(muxer->format, &options);
    av_dict_free(&options);
    return ret < 0 ? ret : muxer->format->pb->error;
}

int vk_muxer_time_base(const vk_muxer *muxer, int track, int32_t *num, int32_t *den)
{
    if (track < 0 || track >= (int)muxer->format->nb_streams)
        return AVERROR(EINVAL);
    AVRational base = muxer->format->streams[track]->time_base;
    *num = base.num;
    *den = base.den;
    return 0;
}

int vk_muxer_write(vk_muxer *muxer, const struct vk_sample *sample)
{
    if (sample->size > INT_MAX)
        return AVERROR(EINVAL);
    AVPacket *packet = muxer->packet;
    /* The muxer copies what it keeps. */
    packet->data = (uint8_t *)sample->data;
    packet->size = (int)sample->size;
    packet->stream_index = sample->track;
    packet->pts = sample->pts;
    packet->dts = sample->dts;
    packet->duration = sample->duration;
    packet->flags = sample->key ? AV_PKT_FLAG_KEY : 0;
    int ret = av_write_frame(muxer->format, packet);
    av_packet_unref(packet);
    return ret < 0 ? ret : muxer->format->pb->error;
}

int vk_muxer_flush(vk_muxer *muxer)
{
    int ret = av_write_frame(muxer->format, NULL);
    avio_flush(muxer->format->pb);
    return ret < 0 ? ret : muxer->format->pb->error;
}

int vk_muxer_option(vk_muxer *muxer, const char *key, const char *value)
{
    return av_opt_set(muxer->format->priv_data, key, value, 0);
}

int vk_muxer_finish(vk_muxer *muxer)
{
    int ret = av_write_trailer(muxer->format);
    int closed = close_output(muxer);
    return ret < 0 ? ret : closed;
}

void vk_muxer_written(vk_muxer *muxer, const uint8_t **data, size_t *size)
{
    avio_flush(muxer->format->pb);
    *data = muxer->data;
    *size = muxer->size;
    muxer->size = 0;
}
