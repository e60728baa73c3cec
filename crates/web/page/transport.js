// The buttons with which the archive is played.

import { ICONS, element, icon, iconButton, setText } from "./dom.js";
import { dateAndTime, exactly, fromField, toField } from "./moment.js";
import { notice } from "./notice.js";

/** Above 16 times and backwards there are single pictures: browsers play no video so. */
const SPEEDS = [-64, -16, -8, -4, -2, -1, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 64];

/**
 * A row of buttons. `on` holds what they do: `play()`, `reverse()`, `step(backwards)`, `speed(speed)`, `live()`,
 * `seek(at)`, `zoom(closer)`, `mark(end)` and `skip(whether)`.
 */
export class Transport {
  element;
  #on;
  /** What was told last. */
  #state = {};
  #play = iconButton(ICONS.play, "Play (Space)", () => this.#on.play());
  #speed = element(
    "select",
    { "aria-label": "Speed", title: "Speed ([ and ])", change: () => this.#chosen() },
    ...SPEEDS.map((speed) => element("option", { value: String(speed) }, speedName(speed))),
  );
  #time = element("time", { class: "moment" });
  #live = element("button", { type: "button", class: "live", title: "Live (l)", click: () => this.#on.live() }, "Live");
  #skip = element("input", { type: "checkbox", id: "skip-gaps", change: () => this.#on.skip(this.#skip.checked) });
  #goTo = element("input", { type: "datetime-local", step: "1", "aria-label": "Date and time", title: "Go to (g)" });

  constructor(on) {
    this.#on = on;
    const group = (...parts) => element("div", { class: "group" }, ...parts);
    const mark = (words, title, end) => element("button", { type: "button", title, click: () => on.mark(end) }, words);
    this.element = element(
      "div",
      { class: "transport", role: "group", "aria-label": "Playing" },
      group(
        iconButton(ICONS.stepBack, "Picture before (,)", () => on.step(true)),
        iconButton(ICONS.reverse, "Backwards (r)", () => on.reverse()),
        this.#play,
        iconButton(ICONS.stepOn, "Next picture (.)", () => on.step(false)),
        this.#speed,
      ),
      this.#time,
      this.#live,
      element("label", { class: "check", for: "skip-gaps", title: "Skip gaps (s)" }, this.#skip, "Skip gaps"),
      element(
        "form",
        { class: "group go", submit: (event) => this.#go(event) },
        this.#goTo,
        element("button", { type: "submit" }, "Go"),
      ),
      group(mark("From here", "Begin of what is saved (i)", false), mark("To here", "End of what is saved (o)", true)),
      group(
        iconButton(ICONS.less, "More time (-)", () => on.zoom(false)),
        iconButton(ICONS.more, "Less time (+)", () => on.zoom(true)),
      ),
    );
  }

  /** Says where the clock is, and what it does. */
  update({ moment, speed, playing, live }) {
    setText(this.#time, playing || live ? dateAndTime(moment) : exactly(moment));
    const before = this.#state;
    this.#state = { speed, playing, live };
    if (before.playing !== playing || before.live !== live) {
      const plays = playing && !live;
      this.#play.replaceChildren(icon(plays ? ICONS.pause : ICONS.play));
      const label = plays ? "Pause (Space)" : "Play (Space)";
      this.#play.title = label;
      this.#play.setAttribute("aria-label", label);
      this.#live.setAttribute("aria-pressed", String(live));
    }
    if (this.#speed.value !== String(speed)) this.#speed.value = String(speed);
    // Whoever writes in it is left alone.
    if (document.activeElement !== this.#goTo) {
      const text = toField(moment);
      if (this.#goTo.value !== text) this.#goTo.value = text;
    }
  }

  /** Goes to the next of the speeds. */
  change(faster) {
    const index = SPEEDS.indexOf(this.#state.speed) + (faster ? 1 : -1);
    if (SPEEDS[index] !== undefined) this.#on.speed(SPEEDS[index]);
  }

  /** Switches the skipping of gaps. */
  toggleSkip() {
    this.#skip.checked = !this.#skip.checked;
    this.#on.skip(this.#skip.checked);
    notice(this.#skip.checked ? "Gaps are skipped" : "Gaps are not skipped");
  }

  /** Lets a date and a time be written. */
  ask() {
    this.#goTo.focus();
  }

  #chosen() {
    this.#on.speed(Number(this.#speed.value));
    // The keys are for the page again.
    this.#speed.blur();
  }

  #go(event) {
    event.preventDefault();
    const at = fromField(this.#goTo.value);
    this.#goTo.blur();
    if (Number.isNaN(at)) notice("That is no date and time.");
    else this.#on.seek(at);
  }
}

function speedName(speed) {
  const size = Math.abs(speed);
  const text = size < 1 ? `1/${1 / size}` : String(size);
  return speed < 0 ? `◀ ${text}×` : `${text}×`;
}
