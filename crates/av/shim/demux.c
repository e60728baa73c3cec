/* Demultiplexing: files, session descriptions, RTSP. */

#include "internal.h"

#include <libavutil/parseutils.h>

struct vk_demuxer {
    AVFormatContext *format;
};

int vk_demuxer_open(vk_demuxer **out, const char *url, const char *format_name, const char *const *pairs, int raw,
                    vk_interrupt interrupt, void *context)
{
    *out = NULL;
    const AVInputFormat *input = NULL;
    if (format_name && !(input = av_find_input_format(format_name)))
        return AVERROR_DEMUXER_NOT_FOUND;
    AVDictionary *options = NULL;
    int ret = vk_dictionary(&options, pairs);
    vk_demuxer *demuxer = av_mallocz(sizeof *demuxer);
    AVFormatContext *format = avformat_alloc_context();
    if (ret < 0 || !demuxer || !format) {
        avformat_free_context(format);
        av_free(demuxer);
        av_dict_free(&options);
        return ret < 0 ? ret : AVERROR(ENOMEM);
    }
    format->interrupt_callback.callback = interrupt;
    format->interrupt_callback.opaque = context;
    if (raw)
        format->flags |= AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN | AVFMT_FLAG_NOBUFFER;
    /* Frees the context when it fails. */
    ret = avformat_open_input(&format, url, input, &options);
    av_dict_free(&options);
    if (ret < 0) {
        av_free(demuxer);
        return ret;
    }
    demuxer->format = format;
    *out = demuxer;
    return 0;
}

void vk_demuxer_close(vk_demuxer *demuxer)
{
    if (!demuxer)
        return;
    avformat_close_input(&demuxer->format);
    av_free(demuxer);
}

int vk_demuxer_probe(vk_demuxer *demuxer)
{
    return avformat_find_stream_info(demuxer->format, NULL);
}

int vk_demuxer_streams(const vk_demuxer *demuxer)
{
    return (int)demuxer->format->nb_streams;
}

static int codec_of(enum AVCodecID id)
{
    switch (id) {
    case AV_CODEC_ID_H264:
        return VK_CODEC_H264;
    case AV_CODEC_ID_HEVC:
        return VK_CODEC_H265;
    case AV_CODEC_ID_MJPEG:
        return VK_CODEC_MJPEG;
    case AV_CODEC_ID_AAC:
        return VK_CODEC_AAC;
    case AV_CODEC_ID_PCM_MULAW:
        return VK_CODEC_PCM_MULAW;
    case AV_CODEC_ID_PCM_ALAW:
        return VK_CODEC_PCM_ALAW;
    case AV_CODEC_ID_OPUS:
        return VK_CODEC_OPUS;
    default:
        return VK_CODEC_OTHER;
    }
}

int vk_demuxer_stream(const vk_demuxer *demuxer, int index, struct vk_stream_info *info)
{
    if (index < 0 || index >= (int)demuxer->format->nb_streams)
        return AVERROR(EINVAL);
    const AVStream *stream = demuxer->format->streams[index];
    const AVCodecParameters *codec = stream->codecpar;
    *info = (struct vk_stream_info){
        .codec = codec_of(codec->codec_id),
        .medium = codec->codec_type == AVMEDIA_TYPE_VIDEO   ? VK_VIDEO
                  : codec->codec_type == AVMEDIA_TYPE_AUDIO ? VK_AUDIO
                                                            : VK_OTHER,
        .codec_name = avcodec_get_name(codec->codec_id),
        .width = codec->width,
        .height = codec->height,
        .rate_num = stream->avg_frame_rate.num,
        .rate_den = stream->avg_frame_rate.den,
        .time_base_num = stream->time_base.num,
        .time_base_den = stream->time_base.den,
        .sample_rate = codec->sample_rate,
        .channels = codec->ch_layout.nb_channels,
        .extra = codec->extradata,
        .extra_size = codec->extradata && codec->extradata_size > 0 ? codec->extradata_size : 0,
    };
    return 0;
}

void vk_demuxer_discard(vk_demuxer *demuxer, int index)
{
    if (index >= 0 && index < (int)demuxer->format->nb_streams)
        demuxer->format->streams[index]->discard = AVDISCARD_ALL;
}

int vk_demuxer_read(vk_demuxer *demuxer, vk_packet **out)
{
    *out = NULL;
    AVPacket *packet = av_packet_alloc();
    if (!packet)
        return AVERROR(ENOMEM);
    int ret = av_read_frame(demuxer->format, packet);
    /* Some depacketizers lend their own buffer. */
    if (ret >= 0)
        ret = av_packet_make_refcounted(packet);
    if (ret < 0) {
        av_packet_free(&packet);
        return ret;
    }
    *out = (vk_packet *)packet;
    return 0;
}

int64_t vk_demuxer_created(const vk_demuxer *demuxer)
{
    const AVDictionaryEntry *entry = av_dict_get(demuxer->format->metadata, "creation_time", NULL, 0);
    int64_t micros;
    return entry && av_parse_time(&micros, entry->value, 0) >= 0 ? micros : -1;
}

int64_t vk_demuxer_duration(const vk_demuxer *demuxer)
{
    const AVFormatContext *format = demuxer->format;
    /* From the bit rate it is but a guess. */
    if (format->duration <= 0 || format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE)
        return -1;
    return av_rescale_q(format->duration, AV_TIME_BASE_Q, (AVRational){ 1, 1000000 });
}

int vk_demuxer_seek(vk_demuxer *demuxer, int index, int64_t time)
{
    if (index < 0 || index >= (int)demuxer->format->nb_streams)
        return AVERROR(EINVAL);
    return avformat_seek_file(demuxer->format, index, INT64_MIN, time, time, 0);
}
