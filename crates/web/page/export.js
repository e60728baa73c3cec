// A piece of the archive to take away.

import { cameraPath } from "./api.js";
import { ICONS, element, iconButton, setText } from "./dom.js";
import { dateAndTime, lengthOf, read, timeOfDay, write } from "./moment.js";
import { refusal } from "./picture.js";
import { Span } from "./span.js";

/** The row with what is chosen, and links for each camera; hidden while nothing is chosen. */
export class ExportRow {
  element;
  #words = element("span", { class: "range", role: "status" });
  #links = element("span", { class: "group" });
  #timer = null;
  #looking = new AbortController();

  /** `cleared()` is called when it is not wanted any more. */
  constructor(cleared) {
    const close = iconButton(ICONS.close, "Choose nothing", cleared);
    this.element = element("div", { class: "export", hidden: true }, this.#words, this.#links, close);
  }

  /** Offers what `cameras`, `{ name, title }` each, recorded in `range`; null for nothing. */
  update(range, cameras) {
    this.close();
    this.element.hidden = range === null;
    if (range === null) return;
    const { from, to } = range;
    if (from === to) {
      setText(this.#words, `From ${dateAndTime(from)} to a moment that is still to be chosen (o).`);
      this.#links.replaceChildren();
      return;
    }
    setText(this.#words, `${dateAndTime(from)} – ${timeOfDay(to)} (${lengthOf(to - from)})`);
    if (to - from > LONGEST_MS) {
      this.#links.replaceChildren(`At most ${lengthOf(LONGEST_MS)} can be saved at once.`);
      return;
    }
    const offers = cameras.map((camera) => new Offer(camera, range, cameras.length === 1));
    this.#links.replaceChildren(...offers.map((offer) => offer.element));
    this.#looking = new AbortController();
    const { signal } = this.#looking;
    // Who is still dragging has chosen nothing yet.
    this.#timer = setTimeout(() => offers.forEach((offer) => offer.look(signal)), REST_MS);
  }

  /** Asks the server for nothing more. */
  close() {
    clearTimeout(this.#timer);
    this.#looking.abort();
  }
}

/** What one camera recorded: a link to a file, or to some where it takes more than one. */
class Offer {
  element = element("span", { class: "group" });
  #camera;
  #range;
  #words;

  /** `alone`: whether it is clear which camera is meant. */
  constructor({ name, title }, range, alone) {
    this.#camera = name;
    this.#range = range;
    this.#words = alone ? "Save video" : `Save ${title}`;
    this.#show([range], []);
  }

  /** Asks the server how many files it takes, and what is not in them. */
  async look(signal) {
    const notes = new Set();
    try {
      const parts = await this.#parts(this.#range, MOST_PARTS, notes, signal);
      if (!signal.aborted) this.#show(parts, [...notes]);
    } catch {
      // The link says why there is nothing, to whoever follows it.
    }
  }

  /** The pieces of `range`, `most` at most, that make a file each: one ends where the camera's parameters change. */
  async #parts(range, most, notes, signal) {
    const ended = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    const response = await fetch(this.#address(range), { method: "HEAD", cache: "no-store", signal: ended });
    if (!response.ok) throw await refusal(response);
    const missing = response.headers.get("valkka-left-out");
    if (missing) notes.add(`without sound: ${missing}`);
    const change = read(response.headers.get("valkka-change"));
    if (most < 2 || !(change > range.from && change < range.to)) return [range];
    const before = await this.#parts(new Span(range.from, change), most - 1, notes, signal);
    return [...before, ...(await this.#parts(new Span(change, range.to), most - before.length, notes, signal))];
  }

  #show(parts, notes) {
    const links = parts.map((part, index) => {
      const words = parts.length === 1 ? this.#words : `${this.#words}, part ${index + 1}`;
      const attributes = { class: "button", href: this.#address(part), download: "", "data-camera": this.#camera };
      return element("a", attributes, words);
    });
    this.element.replaceChildren(...links, ...notes.map((note) => element("span", { class: "note" }, note)));
  }

  #address({ from, to }) {
    return cameraPath(this.#camera, `/archive/video.mp4?from=${write(from)}&to=${write(to)}&download=1`);
  }
}

/** The server gives no more in one file. */
const LONGEST_MS = 24 * 3_600_000;
const REST_MS = 500;
const PATIENCE_MS = 15_000;
const MOST_PARTS = 12;
