// A piece of the archive to take away.

import { cameraPath } from "./api.js";
import { ICONS, element, iconButton, setText } from "./dom.js";
import { dateAndTime, lengthOf, timeOfDay, write } from "./moment.js";

/** The row with what is chosen, and a link for each camera; hidden while nothing is chosen. */
export class ExportRow {
  element;
  #words = element("span", { class: "range", role: "status" });
  #links = element("span", { class: "group" });

  /** `cleared()` is called when it is not wanted any more. */
  constructor(cleared) {
    const close = iconButton(ICONS.close, "Choose nothing", cleared);
    this.element = element("div", { class: "export", hidden: true }, this.#words, this.#links, close);
  }

  /** Offers what `cameras`, `{ name, title }` each, recorded in `range`; null for nothing. */
  update(range, cameras) {
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
    const query = `?from=${write(from)}&to=${write(to)}&download=1`;
    const links = cameras.map(({ name, title }) => {
      const href = cameraPath(name, `/archive/video.mp4${query}`);
      const words = cameras.length === 1 ? "Save video" : `Save ${title}`;
      return element("a", { class: "button", href, download: "", "data-camera": name }, words);
    });
    this.#links.replaceChildren(...links);
  }
}

/** The server gives no more in one file. */
const LONGEST_MS = 24 * 3_600_000;
