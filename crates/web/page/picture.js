// Single pictures.

import { ApiError } from "./api.js";

/**
 * The picture at `path`, once it is decoded, so that there is no gap between it and the one before; with the headers
 * of the answer.
 */
export async function picture(path, { signal = null, cache = "no-store" } = {}) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const ended = signal ? AbortSignal.any([patience, signal]) : patience;
  let response;
  try {
    response = await fetch(path, { cache, signal: ended });
  } catch {
    throw new ApiError(0, "the server does not answer");
  }
  if (!response.ok) throw await refusal(response);
  const image = new Image();
  image.alt = "";
  const address = URL.createObjectURL(await response.blob());
  try {
    image.src = address;
    await image.decode();
  } finally {
    URL.revokeObjectURL(address);
  }
  return { image, headers: response.headers };
}

/** How wide a picture is to be that is shown in `place`, in pixels. */
export function widthFor(place) {
  return place.clientWidth * devicePixelRatio > WIDTHS[0] ? WIDTHS[1] : WIDTHS[0];
}

/** What a refused request is told, in the server's words where there are some. */
export async function refusal(response) {
  let words = null;
  try {
    const body = await response.json();
    words = body.error ?? body.message;
  } catch {
    // It need not be JSON.
  }
  return new ApiError(response.status, words ?? `status ${response.status}`);
}

const PATIENCE_MS = 15_000;
/** Two sizes, so that the server need not scale for each window that somebody drags. */
const WIDTHS = [640, 1280];
