// What one camera showed at a moment: moving pictures, single ones, or the words in their place.

import { element, setText } from "./dom.js";
import { sentence } from "./format.js";
import { Footage } from "./footage.js";
import { write } from "./moment.js";
import { widthFor } from "./picture.js";
import { Recordings } from "./recordings.js";
import { playsType } from "./reel.js";
import { Span } from "./span.js";
import { Stills } from "./stills.js";

/** Shows one camera's recording as a clock says. It holds nothing until it is told a moment, and after `rest`. */
export class Replay {
  /** What is shown. */
  element;
  /** When the camera was recorded, around the moment that is shown. */
  recordings;
  /** Whether there is reason to hold the clock for a moment: pictures are about to come. */
  starving = false;
  #camera;
  #title;
  /** The codec that the camera sends now, as people call it; null if it is not known. */
  #codec;
  #recorder;
  /** The footage that is played, and before it has a picture, the one before it. */
  #footage = null;
  #previous = null;
  #stills;
  /** The single picture that is shown; the moment that was asked for, and the picture's own. */
  #still = element("img", { class: "still", alt: "", hidden: true });
  #stillAt = NaN;
  #stillTime = NaN;
  /** Why there is none, in words. */
  #stillTrouble = null;
  /** Whether single pictures are wanted, and no moving ones. */
  #single = false;
  #failures = 0;
  /** Why there are no moving pictures, though there could be; until when. */
  #refusal = null;
  #refusedUntil = 0;
  #silent = true;
  /** The moment of the turn before, and since when it has been the same. */
  #last = { at: NaN, since: 0 };
  /** How far beyond the moment recordings have been looked for. */
  #reach = REACH_MS;
  #head = element("strong");
  #text = element("span");
  #words = element("div", { class: "words", role: "status" }, this.#head, this.#text);

  constructor({ name, title, codec }, recorder) {
    this.#camera = name;
    this.#title = title;
    this.#codec = codec;
    this.#recorder = recorder;
    this.recordings = new Recordings(name, recorder);
    this.#stills = new Stills({
      shown: (image, wish, time) => this.#showStill(image, wish, time),
      failed: (error) => {
        // What is not there is not asked for again.
        const again = error.status === 404 ? "" : ` ${AGAIN}`;
        this.#stillTrouble = `${sentence(error.message)}.${again}`;
      },
    });
    this.element = element("div", { class: "screen replay" }, this.#still, this.#words);
  }

  /** Shows what the camera showed `at` a moment, and is about to show as the clock goes on. */
  show(at, clock) {
    const { speed, playing } = clock;
    if (at !== this.#last.at) this.#last = { at, since: performance.now() };
    this.recordings.look(new Span(at - REACH_MS / 2, at + this.#reach), at);
    const recorded = this.recordings.at(at);
    const moving = speed > 0 && speed <= MOST_SPEED && this.#plays();
    this.#single = !moving;
    // The farther it looks, the less it is told of short gaps.
    if (recorded !== null) this.#reach = REACH_MS;
    if (recorded === null) this.#showGap(at, speed, moving && playing);
    else if (moving) this.#showMoving(at, clock);
    else this.#showSingle(at, playing && Math.abs(speed) >= FAST);
    this.starving = playing && speed > 0 && speed <= MOST_SPEED && this.#awaits(at, recorded, moving);
    this.#say(at, recorded);
  }

  /** Whether it is known that nothing was recorded `at` a moment. */
  isGap(at) {
    return this.recordings.knows(at) && this.recordings.at(at) === null;
  }

  /** The moment at which the camera is recorded again after `at`, or was before; null if it is not known yet. */
  beyondGap(at, backwards) {
    return (backwards ? this.recordings.before(at)?.to : this.recordings.after(at)?.from) ?? null;
  }

  /** The moment of the picture after the one that is shown at `at`, or before it. */
  neighbour(at, backwards) {
    const exact = backwards ? this.#footage?.pictureBefore(at) : this.#footage?.pictureAfter(at);
    if (exact !== null && exact !== undefined) return exact;
    // Just before a picture the one before it is shown. How long one is shown can only be guessed.
    const known = this.#stillAt === at && this.#stillTime <= at;
    if (backwards) return known ? this.#stillTime - 1 : at - USUAL_MS;
    return Math.max(at + 1, (known ? this.#stillTime : at) + USUAL_MS);
  }

  /** By how many milliseconds it is behind the clock, though it plays as fast as browsers can; else 0. */
  get lateness() {
    return this.#footage?.lateness ?? 0;
  }

  /** Whether there is sound that can be heard here. */
  get audible() {
    return this.recordings.audible && this.#footage !== null;
  }

  /** Whether nothing is heard. */
  get silent() {
    return this.#silent;
  }

  set silent(silent) {
    this.#silent = silent;
  }

  /** Lets go of everything. */
  rest() {
    this.#drop();
    this.#forgetStill();
    this.#face(null);
    this.starving = false;
  }

  close() {
    this.rest();
    this.#stills.close();
    this.element.remove();
  }

  // What is shown.

  #showMoving(at, { speed, playing, running }) {
    const settled = performance.now() - this.#last.since > SETTLED_MS;
    if (!this.#footage?.covers(at)) {
      // Whoever looks for something has no use for video of every moment on the way.
      if (playing || settled) this.#begin(at);
      if (!playing) this.#wantStill(at);
    }
    const footage = this.#footage;
    if (!footage) return;
    footage.feed(at, speed, this.recordings);
    footage.steer(at, speed, running);
    footage.video.muted = this.#silent || speed !== 1;
    const { seeking, readyState } = footage.video;
    if (footage.has(at) && readyState >= HAS_PICTURE && !(seeking && !running)) {
      this.#previous?.close();
      this.#previous = null;
      this.#forgetStill();
      this.#face(footage.video);
    } else if (!playing && !footage.has(at)) {
      this.#wantStill(at);
    }
  }

  #showSingle(at, fast) {
    this.#footage?.video.pause();
    // Key frames are shown faster than others.
    this.#wantStill(at, fast);
    if (this.#face() === this.#still) this.#drop();
  }

  #showGap(at, speed, moving) {
    this.#forgetStill();
    this.#footage?.video.pause();
    // What comes after the gap can be there in time.
    if (moving) this.#footage?.feed(at, speed, this.recordings);
    if (!this.recordings.knows(at)) return;
    this.#face(null);
    // What comes after the gap may be long after.
    if (this.recordings.after(at) === null && at + this.#reach < this.#recorder.now) this.#reach *= 4;
  }

  #showStill(image, wish, time) {
    this.#stillTrouble = null;
    image.className = "still";
    image.dataset.time = write(time);
    image.hidden = this.#still.hidden;
    this.#still.replaceWith(image);
    this.#still = image;
    this.#stillAt = wish.at;
    this.#stillTime = time;
    // The video has come before it.
    if (!this.#single && this.#face() === this.#footage?.video && this.#footage.has(this.#last.at)) return;
    this.#face(image);
  }

  #wantStill(at, near = false) {
    this.#stills.want(this.#camera, at, widthFor(this.element), near);
  }

  #forgetStill() {
    this.#stills.forget();
    this.#stillTrouble = null;
  }

  /** What is seen of the video and the single picture; with an argument, that is seen from now on. */
  #face(shown) {
    if (shown !== undefined) {
      this.#still.hidden = shown !== this.#still;
      for (const video of this.element.querySelectorAll("video")) video.classList.toggle("shown", video === shown);
    }
    return this.#still.hidden ? this.element.querySelector("video.shown") : this.#still;
  }

  // The footage.

  #plays() {
    if (performance.now() < this.#refusedUntil) return false;
    this.#refusal = null;
    return this.#playable;
  }

  /** Whether this browser plays what was recorded. */
  get #playable() {
    const { mime } = this.recordings;
    return mime !== null && playsType(mime);
  }

  #begin(at) {
    const before = this.#previous ?? this.#footage;
    if (this.#footage !== before) this.#footage?.close();
    this.#previous = before;
    before?.video.pause();
    const footage = new Footage(this.#camera, this.recordings.mime, at, {
      shown: () => setTimeout(() => this.#footage === footage && (this.#failures = 0), FINE_MS),
      failed: (reason) => this.#failed(footage, reason),
    });
    footage.video.setAttribute("aria-label", `Recording of ${this.#title}`);
    this.#footage = footage;
    this.element.prepend(footage.video);
  }

  #failed(footage, reason) {
    if (footage !== this.#footage) return;
    console.info(`${this.#camera}: ${reason}; beginning anew`);
    this.#failures += 1;
    this.#footage.close();
    this.#footage = this.#previous;
    this.#previous = null;
    if (this.#failures < MAX_FAILURES) return;
    this.#failures = 0;
    this.#refusal = `${sentence(reason)}.`;
    this.#refusedUntil = performance.now() + REFUSED_MS;
  }

  #drop() {
    this.#footage?.close();
    this.#previous?.close();
    this.#footage = null;
    this.#previous = null;
  }

  #awaits(at, recorded, moving) {
    if (recorded !== null) return moving && (this.#footage === null || this.#footage.awaits(at));
    if (!this.recordings.knows(at)) return this.recordings.trouble === null;
    // What is just being recorded is told of a moment later.
    const { state, to } = this.#recorder.of(this.#camera) ?? {};
    const newest = Math.max(to ?? -Infinity, this.recordings.stretches.at(-1)?.to ?? -Infinity);
    return state === "recording" && at >= newest && at < newest + GROWING_MS;
  }

  // The words.

  #say(at, recorded) {
    const words = this.#wordsFor(at, recorded);
    const { element: screen } = this;
    screen.classList.toggle("caption", words?.caption ?? false);
    screen.classList.toggle("waiting", words === null && (this.#face() === null || this.starving));
    setText(this.#head, words?.title ?? "");
    setText(this.#text, words?.text ?? "");
    this.#words.hidden = words === null;
  }

  #wordsFor(at, recorded) {
    const caption = this.#face() !== null;
    const { trouble } = this.recordings;
    if (recorded === null) {
      if (trouble !== null) return { title: "No recording to show", text: `${trouble} ${AGAIN}`, caption };
      if (this.starving || !this.recordings.knows(at)) return null;
      return { title: "Nothing recorded", text: sentence(this.recordings.reason(at)) };
    }
    const lost = this.#footage?.trouble ?? null;
    const words = lost === null ? this.#stillTrouble : `${sentence(lost)}. ${AGAIN}`;
    if (words !== null) return { title: "", text: words, caption };
    if (this.#refusal !== null) return { title: "", text: `${this.#refusal} ${SINGLE}`, caption: true };
    if (!this.#playable) {
      const codec = codecName(this.recordings.codec) ?? this.#codec ?? "this video";
      return { title: "", text: `This browser cannot play ${codec}. ${SINGLE}`, caption: true };
    }
    return null;
  }
}

/** What people call a codec; null if there is no name. */
function codecName(codec) {
  return { hvc1: "H.265", hev1: "H.265", avc1: "H.264" }[codec?.slice(0, 4)] ?? codec;
}

const MOST_SPEED = 16;
const FAST = 4;
const HAS_PICTURE = 2;
const REACH_MS = 20 * 60_000;
const USUAL_MS = 40;
const SETTLED_MS = 400;
const FINE_MS = 10_000;
const MAX_FAILURES = 3;
const REFUSED_MS = 30_000;
const GROWING_MS = 6000;
const AGAIN = "It is tried again.";
const SINGLE = "Single pictures.";
