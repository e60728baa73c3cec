// Exact pictures of the archive, one at a time.

import { cameraPath } from "./api.js";
import * as moment from "./moment.js";
import { picture } from "./picture.js";

/**
 * Asks for the pictures that are wanted, the newest wish first and never two at a time: what cannot keep up leaves
 * pictures out. `on.shown(image, wish, time)` gets each of them with the moment that it shows, `on.failed(error,
 * wish)` is told of those that do not come.
 */
export class Stills {
  #on;
  #wish = null;
  /** The last wish that came to an end. */
  #done = null;
  #busy = false;
  #notBefore = 0;
  #timer = null;
  #ended = new AbortController();

  constructor(on) {
    this.#on = on;
  }

  /** Wants the picture that `camera` showed `at` a moment, `width` pixels wide; or, if that will do, one `near` it. */
  want(camera, at, width, near = false) {
    this.#wish = { camera, at, width, near };
    this.#go();
  }

  /** Wants nothing any more. What is on its way is dropped. */
  forget() {
    this.#wish = null;
    this.#done = null;
    clearTimeout(this.#timer);
  }

  close() {
    this.forget();
    this.#ended.abort();
  }

  async #go() {
    clearTimeout(this.#timer);
    const wish = this.#wish;
    if (this.#busy || wish === null || same(wish, this.#done)) return;
    const wait = this.#notBefore - performance.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => this.#go(), wait);
      return;
    }
    this.#busy = true;
    try {
      const query = `?at=${moment.write(wish.at)}&width=${wish.width}${wish.near ? "&near=1" : ""}`;
      const path = cameraPath(wish.camera, `/archive/picture.jpg${query}`);
      // What was seen at a moment long ago stays what it is: the server says so.
      const found = await picture(path, { signal: this.#ended.signal, cache: "default" });
      this.#notBefore = performance.now() + PAUSE_MS;
      const time = moment.read(found.headers.get("valkka-time"));
      // What nobody saw is not done.
      if (this.#wish !== null) {
        this.#done = wish;
        this.#on.shown(found.image, wish, Number.isNaN(time) ? wish.at : time);
      }
    } catch (error) {
      const missing = error.status === 404;
      this.#notBefore = performance.now() + (missing ? PAUSE_MS : RETRY_MS);
      if (this.#wish !== null) {
        // What is not there need not be asked for again.
        if (missing) this.#done = wish;
        this.#on.failed(error, wish);
      }
    }
    this.#busy = false;
    if (!this.#ended.signal.aborted) this.#go();
  }
}

function same(one, other) {
  return ["camera", "at", "width", "near"].every((key) => one[key] === other?.[key]);
}

/** The server has other things to do, too. */
const PAUSE_MS = 60;
const RETRY_MS = 2000;
