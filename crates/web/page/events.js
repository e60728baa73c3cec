// What has happened.

import { get } from "./api.js";
import { ICONS, element, iconButton } from "./dom.js";
import { time } from "./format.js";

/** The newest events that the server has told, the newest first. */
export class EventLog {
  #events = [];
  #changed;

  /** `changed(events)` is called whenever there are other ones. */
  constructor(changed) {
    this.#changed = changed;
  }

  /** Asks the server for what it remembers. Its numbers begin anew when it does, so nothing older is kept. */
  async load() {
    const answer = await get("/api/events?since=0");
    this.#events = (answer.events ?? answer).slice(-MAX_EVENTS).reverse();
    this.#changed(this.#events);
  }

  /** Takes an event as it happens. */
  add(event) {
    if (this.#events.some((known) => known.id === event.id && known.time === event.time)) return;
    this.#events = [event, ...this.#events].slice(0, MAX_EVENTS);
    this.#changed(this.#events);
  }

  clear() {
    this.#events = [];
    this.#changed(this.#events);
  }
}

/** A list of events. */
export class EventList {
  element;
  #empty;

  constructor(empty) {
    this.#empty = empty;
    this.element = element("ol", { class: "events" });
  }

  /** Lists `events`, with the titles of cameras, and links to what was recorded then: `address(event)`, or null. */
  show(events, titles = null, address = () => null) {
    const rows = events.map((event) => {
      const href = address(event);
      const when = element("time", { datetime: event.time }, time(event.time));
      const at = href === null ? when : element("a", { href, title: "What was recorded then" }, when);
      const whose = titles && event.camera ? element("strong", {}, titles.get(event.camera) ?? event.camera) : null;
      return element("li", { "data-kind": event.kind }, at, whose, element("span", {}, event.text));
    });
    this.element.replaceChildren(...(rows.length ? rows : [element("li", { class: "none" }, this.#empty)]));
  }
}

/** The drawer with the events of all cameras. */
export class EventDrawer {
  element;
  #list = new EventList("Nothing has happened yet.");
  #events = [];
  #titles = new Map();
  #address;

  /** `address(event)` is where the recording of its moment is, or null. */
  constructor(onclose, address) {
    this.#address = address;
    const head = element("header", {}, element("h2", {}, "Events"), iconButton(ICONS.close, "Close (Esc)", onclose));
    this.element = element(
      "aside",
      { class: "drawer", "aria-label": "Events", hidden: true },
      head,
      this.#list.element,
    );
  }

  get open() {
    return !this.element.hidden;
  }

  set open(open) {
    this.element.hidden = !open;
    this.#show();
  }

  /** Takes the events, and the titles of the cameras by their names. */
  update(events, titles) {
    this.#events = events;
    this.#titles = titles;
    this.#show();
  }

  #show() {
    if (this.open) this.#list.show(this.#events, this.#titles, this.#address);
  }
}

const MAX_EVENTS = 200;
