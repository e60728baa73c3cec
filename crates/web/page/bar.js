// The bar at the top of the page.

import { ARCHIVE } from "./address.js";
import { ICONS, element, icon, iconButton, setText } from "./dom.js";

/** What is shown, who looks, and buttons; `on` holds what these do: `events`, `theme`, `full`, `help` and `leave`. */
export class Bar {
  element;
  #title = element("h1");
  #summary = element("p", { class: "summary" });
  #who = element("span", { class: "who" });
  #archive = element(
    "a",
    { class: "button icon", href: ARCHIVE, "aria-label": "Archive", title: "Archive (a)", hidden: true },
    icon(ICONS.archive),
  );
  #events;
  #full;
  #leave;

  constructor(on) {
    const mark = element("span", { class: "mark", "aria-hidden": "true" });
    const home = { class: "back", href: "/", "aria-label": "All cameras", title: "All cameras (Esc)" };
    this.#events = iconButton(ICONS.events, "Events (e)", on.events);
    this.#full = iconButton(ICONS.full, "Full screen (f)", on.full);
    this.#leave = iconButton(ICONS.leave, "Log out", on.leave);
    const buttons = element(
      "nav",
      { "aria-label": "Page" },
      this.#archive,
      this.#events,
      iconButton(ICONS.theme, "Theme (t)", on.theme),
      this.#full,
      iconButton(ICONS.help, "Keys (?)", on.help),
      this.#who,
      this.#leave,
    );
    this.element = element("header", { class: "bar" }, element("a", home, mark), this.#title, this.#summary, buttons);
  }

  set title(text) {
    setText(this.#title, text);
  }

  set summary(text) {
    setText(this.#summary, text);
  }

  /** Who is logged in; null where nobody is asked. */
  set user(name) {
    setText(this.#who, name ?? "");
    this.#leave.hidden = name === null;
  }

  /** Whether there is an archive. */
  set archive(there) {
    this.#archive.hidden = !there;
  }

  /** Whether the events are open. */
  set eventsOpen(open) {
    this.#events.setAttribute("aria-expanded", String(open));
  }

  /** Whether all that is shown may fill the screen. */
  set fullable(fullable) {
    this.#full.hidden = !fullable;
  }
}
