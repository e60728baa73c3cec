/* Which FFmpeg is loaded, which need not be the one that this was built against. */

#include "internal.h"

const char *vk_release(void)
{
    return av_version_info();
}

uint32_t vk_library_version(int library)
{
    switch (library) {
    case VK_AVFORMAT:
        return avformat_version();
    case VK_AVCODEC:
        return avcodec_version();
    case VK_SWSCALE:
        return swscale_version();
    case VK_AVUTIL:
        return avutil_version();
    default:
        return 0;
    }
}
