// What there is where the pointer is: a time, a word about it, and the picture.

import { element, setText } from "./dom.js";
import { dateAndTime } from "./moment.js";
import { Stills } from "./stills.js";

/** A small field over the timeline. */
export class Peek {
  element;
  #time = element("strong");
  #words = element("span");
  #picture = element("img", { alt: "", hidden: true });
  #timer = null;
  #stills = new Stills({
    shown: (image, wish) => {
      if (!this.element.hidden && wish.camera === this.#camera) this.#show(image);
    },
    failed: () => {
      this.#picture.hidden = true;
    },
  });
  #camera = null;

  constructor() {
    const parts = [this.#picture, this.#time, this.#words];
    this.element = element("div", { class: "peek", "aria-hidden": "true", hidden: true }, ...parts);
  }

  /** Tells of `at` in `lane`, at `x` pixels of `width`. */
  show(lane, at, x, width) {
    const other = this.#camera !== lane.name;
    this.#camera = lane.name;
    this.element.hidden = false;
    setText(this.#time, dateAndTime(at));
    const recorded = lane.recordings.at(at) !== null;
    setText(this.#words, recorded ? lane.title : lane.describe(at));
    if (other || !recorded) this.#picture.hidden = true;
    clearTimeout(this.#timer);
    if (recorded) this.#timer = setTimeout(() => this.#stills.want(lane.name, at, WIDTH_PX, true), REST_MS);
    else this.#stills.forget();
    // It stays within the timeline.
    const half = this.element.offsetWidth / 2;
    this.element.style.left = `${Math.max(half, Math.min(width - half, x))}px`;
  }

  hide() {
    clearTimeout(this.#timer);
    this.#stills.forget();
    this.element.hidden = true;
    this.#camera = null;
  }

  close() {
    clearTimeout(this.#timer);
    this.#stills.close();
  }

  #show(image) {
    this.#picture.replaceWith(image);
    this.#picture = image;
  }
}

const WIDTH_PX = 240;
/** So long does the pointer rest before a picture is asked for. */
const REST_MS = 120;
