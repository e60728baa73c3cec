// What the server records at this moment.

import { get } from "./api.js";
import { sentence } from "./format.js";
import * as moment from "./moment.js";

/**
 * How the recording of each camera stands. That comes with the state of the cameras; what is kept of them is asked for
 * every few seconds from `start` on.
 */
export class Recorder {
  /** Whether anything is or was recorded at all; null until the server has said. */
  configured = null;
  /** Why the server says nothing; null while it does. */
  trouble = null;
  /** By the names of the cameras: how recording stands, and what is kept. */
  #states = new Map();
  #kept = new Map();
  /** Whether the server knows of recordings at all. */
  #able = false;
  /** By how much the server's clock is before ours, in milliseconds; NaN until it has said. */
  #ahead = NaN;
  #timer = null;
  #asking = false;
  #listeners = new Set();

  start() {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => document.visibilityState === "hidden" || this.#ask(), ASK_MS);
    this.#ask();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.configured = null;
    this.#states.clear();
    this.#kept.clear();
  }

  /** Takes the state of all cameras. */
  update(cameras) {
    const first = this.#states.size === 0;
    this.#states = new Map(cameras.map(({ name, recording }) => [name, recording]));
    this.#able = cameras.some(({ recording }) => recording);
    if (first && this.#able) this.#ask();
    else this.#tell();
  }

  /** Calls `changed()` whenever the server has said something. Returns what ends that. */
  onChange(changed) {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  /** Takes an event: those of recordings say that there is something to ask. */
  heard(event) {
    if (event.kind === "recording") this.#ask();
  }

  /** A camera: `{ state, reason, mode, from, to }`, with moments that are NaN where nothing is recorded; or null. */
  of(name) {
    const kept = this.#kept.get(name);
    return kept ? { ...kept, ...this.#states.get(name) } : null;
  }

  /** Whether there is anything to show of a camera, or will be. */
  has(name) {
    const { state = "off", from, to } = this.of(name) ?? {};
    return state !== "off" || from <= to;
  }

  /** The moment that the server's clock shows. */
  get now() {
    return Date.now() + (this.#ahead || 0);
  }

  async #ask() {
    if (this.#asking || this.#timer === null || !this.#able) return;
    this.#asking = true;
    try {
      this.#take(await get("/api/archive"));
      this.trouble = null;
    } catch (error) {
      // Where there is no archive, there is nothing to be found.
      if (error.status === 404) this.configured = false;
      else this.trouble = `${sentence(error.message)}.`;
    } finally {
      this.#asking = false;
    }
    this.#tell();
  }

  #tell() {
    if (this.#timer === null) return;
    this.configured = this.#able ? this.configured : false;
    for (const changed of this.#listeners) changed();
  }

  #take(answer) {
    const ahead = moment.read(answer.now) - Date.now();
    // What an answer is under way is no change of the clock.
    if (!(Math.abs(ahead - this.#ahead) < CLOCK_MS)) this.#ahead = ahead;
    const times = (camera) => ({ ...camera, from: moment.read(camera.from), to: moment.read(camera.to) });
    this.#kept = new Map((answer.cameras ?? []).map((camera) => [camera.name, times(camera)]));
    this.configured = [...this.#kept.keys()].some((name) => this.has(name));
  }
}

/** How the recording of a camera stands, in words; null where it is not known. */
export function recordingWords(recorded) {
  const because = recorded?.reason ? `: ${recorded.reason}` : "";
  switch (recorded?.state) {
    case undefined:
      return null;
    case "recording":
      return "Recording";
    case "waiting":
      return `Waiting${because || " for an event"}`;
    case "failing":
      return `Not recording${because}`;
    default:
      return "Not recorded";
  }
}

const ASK_MS = 5000;
const CLOCK_MS = 500;
