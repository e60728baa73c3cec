// Pieces of recorded video, as they come from the server.

import { ApiError, cameraPath } from "./api.js";
import * as moment from "./moment.js";
import { BoxReader, joined, pictureTimes, videoTrack } from "./mp4.js";
import { refusal } from "./picture.js";

/**
 * Fetches what a camera recorded from one moment to another, and gives it to `part(data, { shift, times })` as it
 * comes, in parts that a SourceBuffer takes: `shift` is what is to be added to the times of the file, in milliseconds,
 * for moments to come out, and `times` are the moments of the pictures in the part, in the order of decoding. The first
 * part begins with the parameters.
 *
 * Returns the number of bytes that came. Throws an `ApiError` if there is nothing to be had, or when it ends amid.
 */
export async function fetchPiece(camera, span, part, signal) {
  const query = `?from=${moment.write(span.from)}&to=${moment.write(span.to)}`;
  const silence = new Silence(signal);
  try {
    const response = await fetch(cameraPath(camera, `/archive/video.mp4${query}`), {
      cache: "no-store",
      signal: silence.signal,
    });
    silence.broken();
    if (!response.ok) throw await refusal(response);
    const begins = moment.read(response.headers.get("valkka-start"));
    if (Number.isNaN(begins)) throw new ApiError(0, "the server does not say when the video begins");
    const film = new Film(begins, part);
    const reader = response.body.getReader();
    for (let bytes = 0; ; ) {
      const { done, value } = await reader.read();
      if (done) return bytes;
      silence.broken();
      bytes += value.length;
      film.push(value);
    }
  } catch (error) {
    throw error instanceof ApiError || error instanceof RangeError || signal.aborted
      ? error
      : new ApiError(0, "the server does not answer");
  } finally {
    silence.end();
  }
}

/** Makes parts of bytes. */
class Film {
  #begins;
  #part;
  #reader = new BoxReader();
  #track = null;
  #shift = null;
  /** Boxes that make no part yet, with the times of their pictures: a fragment is given when it is whole. */
  #boxes = [];
  #times = [];

  constructor(begins, part) {
    this.#begins = begins;
    this.#part = part;
  }

  push(bytes) {
    const [ready, times] = [[], []];
    for (const { type, data } of this.#reader.push(bytes)) {
      if (type === "moov") this.#track = videoTrack(data);
      if (type === "moof" && this.#track) this.#times.push(...pictureTimes(data, this.#track));
      if (KEPT.includes(type)) this.#boxes.push(data);
      if (type !== "mdat") continue;
      // Sound may come before the first picture, which tells what the times of the file are here.
      if (this.#times.length > 0) this.#shift ??= this.#begins - 1000 * this.#times[0];
      if (this.#shift === null) continue;
      ready.push(...this.#boxes.splice(0));
      times.push(...this.#times.splice(0).map((seconds) => 1000 * seconds + this.#shift));
    }
    if (ready.length > 0) this.#part(joined(ready), { shift: this.#shift, times });
  }
}

/** Ends a request that has brought nothing for too long. */
class Silence {
  #abort = new AbortController();
  #timer = null;

  constructor(signal) {
    signal.addEventListener("abort", () => this.#abort.abort(), { once: true, signal: this.#abort.signal });
    this.broken();
  }

  get signal() {
    return this.#abort.signal;
  }

  broken() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#abort.abort(), PATIENCE_MS);
  }

  end() {
    clearTimeout(this.#timer);
    this.#abort.abort();
  }
}

const PATIENCE_MS = 15_000;
/** What a player needs; indexes that some files end with help it nothing. */
const KEPT = ["ftyp", "styp", "moov", "moof", "mdat"];
