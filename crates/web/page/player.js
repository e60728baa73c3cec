// Plays fragmented MP4 as it arrives, shortly behind the live edge.

import { joined } from "./mp4.js";
import { Reel } from "./reel.js";

/**
 * Plays one stream from its `begin` on. Whatever goes wrong, a player is never mended: `failed(reason)` is called, and
 * another one takes its place. `shown()` is called when the first picture is there.
 */
export class Player {
  #reel;
  /** What waits for the buffer. */
  #queue = [];
  #queuedBytes = 0;
  /** Whether what comes is of no use until the next key frame. */
  #skipping = false;
  #started = null;
  #pictured = false;
  #target = TARGET_S.first;
  #calmSince = performance.now();
  /** Whether there is reason for the time to move on. */
  #fed = false;
  #timer = setInterval(() => this.#steer(), STEER_MS);

  constructor(mime, on) {
    this.#reel = new Reel(mime, {
      ready: () => {
        this.#steer();
        this.#pump();
      },
      shown: () => {
        this.#pictured = true;
        on.shown();
      },
      failed: (reason) => {
        this.#end();
        on.failed(reason);
      },
    });
    this.video.addEventListener("waiting", () => this.#stalled());
  }

  /** The element that shows the pictures. */
  get video() {
    return this.#reel.video;
  }

  /** Takes the init segment, which comes first, or a fragment. */
  append(data, { init = false, keyframe = false }) {
    if (this.#reel.isClosed) return;
    if (keyframe || init) this.#skipping = false;
    if (this.#skipping) return;
    if (this.#queuedBytes + data.byteLength > MAX_QUEUED_BYTES) {
      this.#skip();
      return;
    }
    this.#queue.push(data);
    this.#queuedBytes += data.byteLength;
    this.#pump();
  }

  /** Whether there has been a picture. */
  get hasPicture() {
    return this.#pictured;
  }

  /** Seconds from the picture shown to the newest one that has arrived; null before there is one. */
  get behind() {
    const { ranges } = this.#reel;
    return this.#started === null || !ranges?.length
      ? null
      : Math.max(0, ranges.end(ranges.length - 1) - this.video.currentTime);
  }

  /** Stops, and lets go of the decoder. The last picture goes too. */
  close() {
    this.#end();
    this.#reel.close();
  }

  #end() {
    clearInterval(this.#timer);
    this.#queue = [];
  }

  #pump() {
    const { buffer } = this.#reel;
    if (this.#reel.isClosed || !buffer || buffer.updating || this.#queue.length === 0) return;
    try {
      const ranges = buffer.buffered;
      const past = ranges.length ? this.video.currentTime - ranges.start(0) : 0;
      if (past > MAX_PAST_S) {
        buffer.remove(0, this.video.currentTime - KEPT_PAST_S);
        return;
      }
      buffer.appendBuffer(joined(this.#queue));
      this.#queue = [];
      this.#queuedBytes = 0;
      this.#fed = true;
    } catch (error) {
      if (error.name === "QuotaExceededError") this.#makeRoom();
      else this.#reel.fail(error.message);
    }
  }

  /** Lets go of what has been shown; if there is nothing, what waits is given up. */
  #makeRoom() {
    const { buffer } = this.#reel;
    const ranges = buffer.buffered;
    const until = this.video.currentTime - 1;
    if (ranges.length && ranges.start(0) < until - 1) buffer.remove(0, until);
    else this.#skip();
  }

  #skip() {
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#skipping = true;
  }

  /** Keeps close to the live edge: waits for it, hurries a little, or jumps. */
  #steer() {
    const { ranges, video } = this.#reel;
    if (this.#reel.isClosed || !ranges) return;
    const now = performance.now();
    this.#watchProgress();
    if (this.#reel.isClosed || ranges.length === 0) return;
    const start = ranges.start(ranges.length - 1);
    const end = ranges.end(ranges.length - 1);
    const wanted = Math.max(start, end - this.#target);
    if (this.#started === null) {
      this.#started = now;
      this.#jump(wanted);
      return;
    }
    if (video.seeking) return;
    const lead = end - video.currentTime;
    // What the server has kept arrives at once, and only the end of it is wanted.
    const tolerated = now - this.#started < SETTLING_MS ? this.#target + 0.5 : MAX_LEAD_S;
    if (lead > tolerated || lead < -MAX_LEAD_S || this.#atGap(ranges, start)) {
      this.#jump(wanted);
      return;
    }
    const rate = pace(lead - this.#target, video.playbackRate);
    if (rate !== video.playbackRate) video.playbackRate = rate;
    if (now - this.#calmSince > CALM_MS) {
      this.#calmSince = now;
      this.#target = Math.max(TARGET_S.least, this.#target - TARGET_S.down);
    }
  }

  /** Whether the picture stands at the end of what came before a gap. */
  #atGap(ranges, start) {
    const at = this.video.currentTime;
    if (at >= start) return false;
    for (let index = 0; index < ranges.length - 1; index += 1) {
      if (at >= ranges.start(index) && at < ranges.end(index) - 0.1) return false;
    }
    return true;
  }

  #jump(to) {
    this.video.currentTime = to;
    this.video.playbackRate = 1;
    this.#play();
  }

  #play() {
    this.video.play().catch((error) => {
      // Some browsers, when they save power, want a click first.
      if (error.name === "NotAllowedError")
        addEventListener("pointerdown", () => this.#reel.isClosed || this.#play(), { once: true });
    });
  }

  /** The buffer has run dry: from now on a little more is kept in hand. */
  #stalled() {
    if (this.#started === null || this.video.seeking || performance.now() - this.#started < SETTLING_MS) return;
    this.#calmSince = performance.now();
    this.#target = Math.min(TARGET_S.most, this.#target + TARGET_S.up);
  }

  /** Fails when pictures come and the time does not move on. */
  #watchProgress() {
    const { still, video } = this.#reel;
    if (still === 0) this.#fed = false;
    else if (this.#fed && still > STUCK_MS) this.#reel.fail("the pictures stand still");
    else if (this.#started !== null && video.paused && still > STEER_MS) this.#play();
  }
}

/** How fast to play for being `excess` seconds too far behind; `current` keeps it from changing at every look. */
function pace(excess, current) {
  if (excess > 0.3) return excess > 1 ? 1.1 : 1.05;
  if (excess < -0.3) return 0.95;
  const settled = current > 1 ? excess < 0.05 : excess > -0.05;
  return settled ? 1 : current;
}

/** How far behind the newest picture to be; it grows when pictures come irregularly. */
const TARGET_S = { first: 0.4, least: 0.25, most: 2.5, up: 0.15, down: 0.1 };
/** Further behind than this, playing faster would take too long. */
const MAX_LEAD_S = 3;
/** What has been shown is kept up to the one, and then cut down to the other: cutting is not free. */
const MAX_PAST_S = 20;
const KEPT_PAST_S = 8;
const MAX_QUEUED_BYTES = 16 << 20;
const STEER_MS = 250;
const SETTLING_MS = 2000;
const CALM_MS = 30_000;
const STUCK_MS = 5000;
