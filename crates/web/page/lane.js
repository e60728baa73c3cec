// One camera on the timeline.

import { drawn, element, setText } from "./dom.js";
import { recordingWords } from "./recorder.js";
import { Recordings } from "./recordings.js";

/** A row that shows when a camera was recorded, and where there are gaps. */
export class Lane {
  name;
  title;
  recordings;
  /** The row. */
  element;
  /** Its name, which is pressed to see the camera or not; its state is the owner's. */
  label;
  #recorder;
  #kept = path("kept");
  #missing = path("missing");
  #unread = path("unread");

  /** `changed()` is called when there is more to draw, `pressed()` when the name is pressed. */
  constructor(name, title, recorder, changed, pressed) {
    this.name = name;
    this.title = title;
    this.#recorder = recorder;
    this.recordings = new Recordings(name, recorder, changed);
    const parts = [this.#unread, this.#kept, this.#missing];
    const drawing = drawn("svg", { preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts);
    this.element = element("div", { class: "lane", "data-camera": name }, drawing);
    this.label = element("button", { type: "button", class: "lane-name", "data-camera": name, click: pressed }, title);
  }

  /** Draws `span` over `width` pixels, with what is known of it. */
  draw(span, width) {
    this.element.firstChild.setAttribute("viewBox", `0 0 ${width} 1`);
    this.#kept.setAttribute("d", blocks(this.recordings.stretches, span, width));
    this.#missing.setAttribute("d", blocks(this.recordings.gaps, span, width));
    this.#unread.setAttribute("d", blocks(this.recordings.unread, span, width));
  }

  /** Says how the recording stands. */
  update() {
    const recorded = this.#recorder.of(this.name);
    const words = recordingWords(recorded);
    const label = words === null ? this.title : `${this.title}: ${words}`;
    if (this.label.title !== label) this.label.title = label;
    this.label.dataset.recording = recorded?.state ?? "";
    setText(this.label, this.title);
  }

  /** What there is at a moment, in words. */
  describe(at) {
    const { recordings } = this;
    if (at > this.#recorder.now) return "Not yet";
    if (recordings.at(at)) return "Recorded";
    if (recordings.trouble) return recordings.trouble;
    if (recordings.reads(at)) return "Still being looked up";
    return recordings.knows(at) ? `Nothing recorded: ${recordings.reason(at)}` : "";
  }
}

/** Upright rectangles for pieces of time, those that touch as one: there are never more than pixels. */
function blocks(pieces, span, width) {
  let drawn = "";
  let [start, end] = [-1, -1];
  const flush = () => {
    if (end > start) drawn += `M${start} 0H${end}V1H${start}Z`;
  };
  for (const { from, to } of pieces) {
    if (to < span.from || from > span.to) continue;
    const left = Math.max(0, Math.floor(span.fraction(from) * width));
    // However short it is, it is there to be found.
    const right = Math.min(width, Math.max(left + 1, Math.round(span.fraction(to) * width)));
    if (left > end) {
      flush();
      start = left;
    }
    end = Math.max(end, right);
  }
  flush();
  return drawn;
}

function path(kind) {
  return drawn("path", { class: kind });
}
