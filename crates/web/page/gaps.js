// When nothing was recorded, and why: what the timeline shows, in words.

import { element } from "./dom.js";
import { sentence } from "./format.js";
import { dateAndTime, lengthOf } from "./moment.js";

/** A list that is opened by who wants to read it. */
export class GapList {
  element;
  #seek;
  #list = element("ol", { class: "events" });
  #shown = "";

  /** `seek(at)` is called when a gap is chosen. */
  constructor(seek) {
    this.#seek = seek;
    this.element = element("details", { class: "gaps" }, element("summary", {}, "Gaps"), this.#list);
  }

  /** Lists the gaps of `lanes` that are in `span`. */
  update(lanes, span) {
    if (!this.element.open) return;
    const gaps = lanes
      .flatMap((lane) => lane.recordings.gaps.map((gap) => ({ ...gap, title: lane.title })))
      .filter(({ from, to }) => to > span.from && from < span.to)
      .sort((a, b) => b.from - a.from);
    const rows = gaps.slice(0, MOST).map((gap) => this.#row(gap, lanes.length > 1));
    const say = (words) => rows.push(element("li", { class: "none" }, words));
    if (gaps.length > MOST) say(`${gaps.length - MOST} more; zoom in to see them.`);
    const reads = ({ recordings }) => recordings.unread.some(({ from, to }) => to > span.from && from < span.to);
    if (lanes.some(reads)) say("More may come: some of this time is still being looked up.");
    else if (gaps.length === 0) say("No gaps in this time.");
    // Whoever is about to press one of them is not to lose it.
    const shown = rows.map((row) => row.textContent).join("\n");
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#list.replaceChildren(...rows);
  }

  #row({ from, to, reason, title }, named) {
    const words = `${lengthOf(to - from)}: ${sentence(reason || "no reason is known")}`;
    const attributes = { type: "button", class: "plain-link", click: () => this.#seek(from) };
    const go = element("button", attributes, dateAndTime(from));
    return element("li", {}, go, named ? element("strong", {}, title) : null, element("span", {}, words));
  }
}

const MOST = 50;
