// When one camera was recorded, and why it was not at other times.

import { cameraPath, get } from "./api.js";
import { sentence } from "./format.js";
import * as moment from "./moment.js";
import { Span } from "./span.js";

/** The stretches and gaps of a camera around the piece of time that is looked at. The server is asked when needed. */
export class Recordings {
  /** Recorded from one moment to another, in their order: `{ from, to }`. */
  stretches = [];
  /** Not recorded, though it was to be: `{ from, to, reason }`. */
  gaps = [];
  /** Where the server has still to look what was recorded: `{ from, to }`. */
  unread = [];
  /** The type of what was recorded, for browsers; null if it is not known or none of theirs. */
  mime = null;
  /** The codec of the pictures as the server calls it; null if it is not known. */
  codec = null;
  /** Whether there is sound. */
  audible = false;
  /** Why the server says nothing, in words; null while it does. */
  trouble = null;
  #camera;
  #recorder;
  #changed;
  /** The piece of time that the server has told of. */
  #told = null;
  #toldAt = -Infinity;
  #askedAt = -Infinity;
  #asking = false;
  /** How long it is given to look. */
  #unreadMs = HASTE_MS;

  constructor(camera, recorder, changed = () => {}) {
    this.#camera = camera;
    this.#recorder = recorder;
    this.#changed = changed;
  }

  /**
   * Asks for what is not known of `span`, or grows. To be called again and again while it is looked at; `at`: where it
   * is looked at closest, if that is known.
   */
  look(span, at = null) {
    this.#grow();
    if (this.#asking) return;
    const since = performance.now() - this.#askedAt;
    if (this.trouble !== null && since < RETRY_MS) return;
    const now = this.#recorder.now;
    const wanted = new Span(Math.min(span.from, now), Math.min(span.to, now));
    // The more time the server is asked for, the less it tells of what is short.
    const fine = this.#told !== null && this.#told.length <= COARSE * wanted.length + 2 * MORE_MS;
    const begun = fine && this.#told.from <= wanted.from && this.#told.to >= wanted.from;
    // What comes at the end can wait for more; what goes at the beginning is not missed for a while.
    const ahead = at === null ? wanted.length / PARTS : (this.#told?.to - at) / 4;
    const growing = Math.min(AGEING_MS, Math.max(GROWING_MS, ahead));
    const lacking = this.unread.some(({ from, to }) => from < wanted.to && to > wanted.from);
    const ageing = lacking ? this.#unreadMs : AGEING_MS;
    const patience = !begun ? 0 : this.#told.to < wanted.to ? Math.min(growing, ageing) : ageing;
    // Somebody who moves on by more than what is missing at the end has waited for nothing yet.
    const jumped = begun && wanted.to - this.#told.to > wanted.length / 2 && since > HASTE_MS;
    if (jumped || performance.now() - this.#toldAt >= patience) this.#ask(wanted, now);
  }

  /** Whether the server has told of `at`. */
  knows(at) {
    const told = this.#told !== null && at >= this.#told.from && at <= Math.max(this.#told.to, this.#recorder.now);
    return told && !this.reads(at);
  }

  /** Whether the server has still to look what was recorded `at` a moment. */
  reads(at) {
    return this.unread.some(({ from, to }) => at >= from && at < to);
  }

  /** The stretch in which `at` lies; null if it was not recorded. */
  at(at) {
    const stretch = this.stretches[this.#firstAfter(at) - 1];
    return stretch && at < stretch.to ? stretch : null;
  }

  /** The first stretch that begins after `at`, or null. */
  after(at) {
    return this.stretches[this.#firstAfter(at)] ?? null;
  }

  /** The last stretch that has ended by `at`, or null. */
  before(at) {
    const index = this.#firstAfter(at) - 1;
    const stretch = this.stretches[index];
    return (stretch && at < stretch.to ? this.stretches[index - 1] : stretch) ?? null;
  }

  /** Whether nothing is known to come after this stretch, so that it may still grow. */
  grows(stretch) {
    return stretch === this.stretches.at(-1);
  }

  /** Why nothing is recorded at `at`, in words. */
  reason(at) {
    const gap = this.gap(at);
    if (gap !== null) return gap.reason || "no reason is known";
    const { from, to, state, reason } = this.#recorder.of(this.#camera) ?? {};
    if (at < from) return "it is before what is kept";
    if (!(at < to)) return (state !== "recording" && reason) || "there is nothing yet";
    return "no reason is known";
  }

  /** The gap in which `at` lies, as far as the server tells of it; null if it does not. */
  gap(at) {
    return this.gaps.find(({ from, to }) => at >= from && at < to) ?? null;
  }

  /** Takes what the recorder says anyway: the last stretch goes on as long as the camera is recorded. */
  #grow() {
    const last = this.stretches.at(-1);
    const { state, to } = this.#recorder.of(this.#camera) ?? {};
    if (!last || state !== "recording" || !(to > last.to) || last.to < this.#told.to - NEW_MS) return;
    last.to = to;
    this.#changed();
  }

  /** The number of stretches that begin at or before `at`. */
  #firstAfter(at) {
    let [low, high] = [0, this.stretches.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.stretches[middle].from <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  async #ask(wanted, now) {
    this.#asking = true;
    this.#askedAt = performance.now();
    // Some more on both sides, for what is looked at next.
    const more = wanted.length / 2 + MORE_MS;
    const span = new Span(wanted.from - more, Math.min(wanted.to + more, now));
    const query = `?from=${moment.write(span.from)}&to=${moment.write(span.to)}`;
    try {
      this.#take(await get(cameraPath(this.#camera, `/archive${query}`)), span);
      this.trouble = null;
    } catch (error) {
      this.trouble = `${sentence(error.message)}.`;
    } finally {
      this.#asking = false;
    }
    this.#changed();
  }

  #take(answer, span) {
    const times = ({ from, to }) => ({ from: moment.read(from), to: moment.read(to) });
    const sorted = (list) => list.filter(({ from, to }) => from <= to).sort((a, b) => a.from - b.from);
    this.stretches = sorted((answer.stretches ?? []).map(times));
    this.gaps = sorted((answer.gaps ?? []).map((gap) => ({ ...times(gap), reason: gap.reason })));
    const unread = sorted((answer.unread ?? []).map(times));
    // It looks at more each time. Where it does not, it is not to be kept busy.
    const comesOn = this.#told === null || lengthOf(unread) < lengthOf(this.unread);
    this.#unreadMs = comesOn ? HASTE_MS : Math.min(AGEING_MS, 2 * this.#unreadMs);
    this.unread = unread;
    this.codec = answer.codec ?? null;
    this.audible = Boolean(answer.audio);
    const codecs = [answer.codec, answer.audio].filter(Boolean).join(", ");
    this.mime = answer.codec ? `video/mp4; codecs="${codecs}"` : null;
    this.#told = span;
    this.#toldAt = performance.now();
  }
}

function lengthOf(pieces) {
  return pieces.reduce((sum, { from, to }) => sum + to - from, 0);
}

const MORE_MS = 2000;
const COARSE = 8;
const PARTS = 250;
/** A stretch that ended so shortly before the server was asked has not ended. */
const NEW_MS = 4000;
const HASTE_MS = 250;
const GROWING_MS = 1500;
const AGEING_MS = 60_000;
const RETRY_MS = 3000;
