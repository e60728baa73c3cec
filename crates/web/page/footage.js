// Plays what one camera recorded, in step with a clock.

import { fetchPiece } from "./feed.js";
import { joined } from "./mp4.js";
import { Reel } from "./reel.js";

/**
 * The recording of one camera from a moment on. As with live pictures, it is never mended: `on.failed(reason)` is
 * called when it does not play, and another takes its place. `on.shown()` is called when it has its first picture.
 */
export class Footage {
  /** Why nothing comes at this moment, in words; it is tried again. */
  trouble = null;
  /** By how many milliseconds it is behind the clock, if it is and cannot go faster; else 0. */
  lateness = 0;
  #camera;
  #reel;
  /** The moment at which the video's time is 0. */
  #zero;
  /** What waits for the buffer: `{ data, shift }`. */
  #queue = [];
  /** The moments of the pictures that are in the buffer, or will be, in their order. */
  #pictures = [];
  /** From where on there are, or will be, pictures; and from where the next piece is to be fetched. */
  #begin;
  #next;
  #fetching = false;
  #notBefore = 0;
  /** Milliseconds to skip when the server has nothing more to give for where the next piece should begin. */
  #skip = 0;
  /** How long a piece may be, by how many bytes they have come to. */
  #pieceMs = FIRST_PIECE_MS;

  constructor(camera, mime, at, on) {
    this.#camera = camera;
    this.#reel = new Reel(mime, {
      ready: () => this.#pump(),
      shown: on.shown,
      failed: (reason) => {
        this.#queue = [];
        on.failed(reason);
      },
    });
    this.#zero = at - DAY_MS;
    this.#begin = at;
    this.#next = at;
    this.video.preload = "auto";
    this.video.dataset.zero = String(this.#zero);
  }

  /** The element that shows the pictures. */
  get video() {
    return this.#reel.video;
  }

  /** Whether there is a picture for `at`. */
  has(at) {
    return this.#rangeAt((at - this.#zero) / 1000) !== null;
  }

  /** Whether there is one, or it is about to come. */
  covers(at) {
    return this.has(at) || (at >= this.#begin && at <= this.#next + PATIENT_MS);
  }

  /** Whether the picture of `at` is still to come, so that it is worth waiting. */
  awaits(at) {
    const fetched = at < this.#next && this.#queue.length === 0 && !this.#reel.buffer?.updating;
    return !fetched && !this.has(at);
  }

  /** Fetches what is soon needed when it is played from `at` at `speed`, as far as `recordings` know of it. */
  feed(at, speed, recordings) {
    if (this.#reel.buffer === null || this.#fetching || performance.now() < this.#notBefore) return;
    if (at > this.#next + PATIENT_MS) this.#next = at;
    const stretch = recordings.at(this.#next) ?? recordings.after(this.#next);
    if (stretch === null) return;
    const from = Math.max(this.#next, stretch.from);
    const to = Math.min(stretch.to, from + this.#pieceMs);
    const hurry = from < at + HURRY_MS * Math.max(1, speed);
    if (from > at + AHEAD_MS * Math.max(1, speed / 4) || to <= from) return;
    // What is being recorded is not fetched picture by picture.
    if (to - from < LEAST_PIECE_MS && recordings.grows(stretch) && !hurry) return;
    this.#fetch({ from, to });
  }

  /** Shows the picture of `at`, and goes on from there at `speed`, or stands there. */
  steer(at, speed, playing) {
    const { video } = this;
    const wanted = (at - this.#zero) / 1000;
    this.lateness = 0;
    if (this.#reel.buffer === null || this.#rangeAt(wanted) === null) {
      video.pause();
      return;
    }
    const off = video.currentTime - wanted;
    if (!playing) {
      video.pause();
      // A little late rather than early: then it is the picture of this moment, and not the one before it.
      if (!video.seeking && Math.abs(off - LATE_S) > LATE_S) video.currentTime = wanted + LATE_S;
      return;
    }
    if (this.#reel.still > STUCK_MS) this.#reel.fail("the pictures stand still");
    if (this.#reel.isClosed || video.seeking) return;
    const far = Math.abs(off) > JUMP_S * Math.max(1, speed);
    if (far) video.currentTime = wanted;
    // What is off is caught up with in half a second, if that takes no more than a quarter of the speed.
    const rate = speed - Math.max(-speed / 4, Math.min(speed / 4, off / CATCH_UP_S));
    const allowed = Math.max(SLOWEST, Math.min(FASTEST, rate));
    if (rate > FASTEST && !far) this.lateness = -1000 * off;
    if (Math.abs(allowed - video.playbackRate) > 0.004 * speed) video.playbackRate = allowed;
    // It may be refused while power is saved; it is asked for again at the next turn.
    if (video.paused) video.play().catch(() => {});
  }

  /** The moment of the first picture after `at`; null if it is not known. */
  pictureAfter(at) {
    return this.has(at) ? (this.#pictures.find((picture) => picture > at + SAME_MS) ?? null) : null;
  }

  /** The moment of the picture before the one that is shown at `at`; null if it is not known. */
  pictureBefore(at) {
    const index = this.#pictures.findLastIndex((picture) => picture <= at + SAME_MS);
    const before = this.#pictures[index - 1];
    return before !== undefined && this.has(before) ? before : null;
  }

  /** Stops, and lets go of the decoder. */
  close() {
    this.#queue = [];
    this.#reel.close();
  }

  async #fetch(span) {
    this.#fetching = true;
    let latest = -Infinity;
    const part = (data, { shift, times }) => {
      if (this.#reel.isClosed) return;
      // What comes again, because a piece begins with a key frame, takes the place of what was there.
      const first = times[0] ?? Infinity;
      if (latest === -Infinity) this.#pictures = this.#pictures.filter((picture) => picture < first - SAME_MS);
      latest = Math.max(latest, ...times);
      this.#pictures.push(...times);
      this.#pictures.sort((a, b) => a - b);
      this.#begin = Math.min(this.#begin, first);
      this.#queue.push({ data, shift: (shift - this.#zero) / 1000 });
      this.#pump();
    };
    try {
      const bytes = await fetchPiece(this.#camera, span, part, this.#reel.signal);
      const perMs = Math.max(1, bytes) / (span.to - span.from);
      this.#pieceMs = Math.max(LEAST_PIECE_MS, Math.min(MOST_PIECE_MS, PIECE_BYTES / perMs));
      this.trouble = null;
      this.#skip = latest > span.from ? 0 : Math.max(MIN_SKIP_MS, 2 * this.#skip);
    } catch (error) {
      if (this.#reel.isClosed) return;
      const refused = error.status >= 400 && error.status < 500 && !PASSING.includes(error.status);
      if (error instanceof RangeError || refused) {
        this.#reel.fail(error.message);
        return;
      }
      this.trouble = error.message;
      this.#notBefore = performance.now() + RETRY_MS;
    } finally {
      this.#fetching = false;
    }
    // A piece may end early: with what is recorded so far, or where the parameters change.
    const ended = latest >= span.to - SHORT_MS ? span.to : Math.max(span.from, latest + 1);
    this.#next = Math.max(this.#next, this.trouble === null ? ended + this.#skip : ended);
  }

  #pump() {
    const { buffer, video } = this.#reel;
    if (this.#reel.isClosed || buffer === null || buffer.updating) return;
    try {
      const first = buffer.buffered.length ? buffer.buffered.start(0) : Infinity;
      if (video.currentTime - first > MAX_PAST_S) {
        this.#forget(video.currentTime - KEPT_PAST_S);
        return;
      }
      if (this.#queue.length === 0) return;
      const { shift } = this.#queue[0];
      if (buffer.timestampOffset !== shift) buffer.timestampOffset = shift;
      const other = this.#queue.findIndex((part) => part.shift !== shift);
      const count = Math.min(MOST_PARTS, other < 0 ? this.#queue.length : other);
      buffer.appendBuffer(joined(this.#queue.slice(0, count).map((part) => part.data)));
      this.#queue.splice(0, count);
    } catch (error) {
      if (error.name !== "QuotaExceededError" || video.currentTime < 1) this.#reel.fail(error.message);
      else this.#forget(video.currentTime - 1);
    }
  }

  /** Lets go of what is before `time` of the video. */
  #forget(time) {
    const { buffered } = this.#reel.buffer;
    if (buffered.length === 0 || buffered.start(0) >= time) {
      this.#reel.fail("the browser has no room for it");
      return;
    }
    this.#begin = Math.max(this.#begin, this.#zero + 1000 * time);
    this.#pictures = this.#pictures.filter((picture) => picture >= this.#begin);
    this.#reel.buffer.remove(0, time);
  }

  /** The range of the buffer in which `time` lies: its end; or null. */
  #rangeAt(time) {
    const { ranges } = this.#reel;
    for (let index = 0; index < (ranges?.length ?? 0); index += 1)
      if (time >= ranges.start(index) - SAME_MS / 1000 && time < ranges.end(index)) return ranges.end(index);
    return null;
  }
}

/** The time of a video is never below 0, so there is room before what is asked for first. */
const DAY_MS = 86_400_000;
/** How much is fetched in advance, at up to four times the speed. */
const AHEAD_MS = 20_000;
const HURRY_MS = 2000;
const FIRST_PIECE_MS = 10_000;
const LEAST_PIECE_MS = 3000;
const MOST_PIECE_MS = 60_000;
const PIECE_BYTES = 8 << 20;
/** So long a wait for what comes next is shorter than beginning anew. */
const PATIENT_MS = 3000;
const SHORT_MS = 500;
const MIN_SKIP_MS = 200;
const RETRY_MS = 2000;
const STUCK_MS = 5000;
/** Two moments that are one: stretches are told in milliseconds. */
const SAME_MS = 1.1;
const LATE_S = 0.002;
const JUMP_S = 0.3;
const CATCH_UP_S = 0.5;
/** What browsers play. */
const SLOWEST = 1 / 16;
const FASTEST = 16;
const MAX_PAST_S = 30;
const KEPT_PAST_S = 15;
const MOST_PARTS = 500;
/** Refusals that pass: too many requests. */
const PASSING = [408, 429];
