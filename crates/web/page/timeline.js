// When was recorded what: a row per camera over a scale of time.

import { element } from "./dom.js";
import { Lane } from "./lane.js";
import { Peek } from "./peek.js";
import { Span, marks } from "./span.js";

/**
 * The timeline of some cameras. It is moved by dragging and with the arrow keys, and zoomed by the wheel, two fingers,
 * and with + and -. `on.seek(at)` is called when a moment is chosen, `on.range(from, to)` when a piece of time is (by
 * dragging with the Shift key), and `on.press(name)` when the name of a camera is pressed.
 */
export class Timeline {
  element;
  lanes;
  /** The piece of time that is chosen, or null; drawn by `draw`. */
  range = null;
  #recorder;
  #on;
  #span;
  #cursor = NaN;
  #scale = element("div", { class: "scale", "aria-hidden": "true" });
  #chosen = element("div", { class: "chosen", hidden: true });
  #nowLine = element("div", { class: "now", title: "Now" });
  #cursorLine = element("div", { class: "cursor" });
  #field;
  #peek = new Peek();
  #pointers = new Map();
  #gesture = null;
  #resized;
  #drawing = false;

  constructor(cameras, recorder, on) {
    this.#recorder = recorder;
    this.#on = on;
    this.#span = new Span(0, HOUR_MS).placed(recorder.now, EDGE);
    const changed = () => this.draw();
    this.lanes = cameras.map(({ name, title }) => new Lane(name, title, recorder, changed, () => on.press(name)));
    const rows = element("div", { class: "rows" }, ...this.lanes.map((lane) => lane.element));
    this.#field = element(
      "div",
      {
        class: "field-of-time",
        tabindex: "0",
        role: "group",
        "aria-label": "Timeline. Arrows move it, + and - zoom, N and P go to gaps.",
        pointerdown: (event) => this.#down(event),
        pointermove: (event) => this.#moved(event),
        pointerup: (event) => this.#up(event),
        pointercancel: (event) => this.#cancel(event),
        pointerleave: () => this.#peek.hide(),
      },
      this.#scale,
      rows,
      this.#chosen,
      this.#nowLine,
      this.#cursorLine,
    );
    // Only so may the page be kept from scrolling.
    this.#field.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    const names = element("div", { class: "names" }, ...this.lanes.map((lane) => lane.label));
    const scrolled = element("div", { class: "scrolled" }, names, this.#field);
    this.element = element("div", { class: "timeline" }, scrolled, this.#peek.element);
    this.element.classList.toggle("one", cameras.length === 1);
    this.#resized = new ResizeObserver(() => this.draw());
    this.#resized.observe(this.#field);
  }

  /** The piece of time that is in view. */
  get span() {
    return this.#span;
  }

  set span(span) {
    // What is still to come is not much to look at.
    const beyond = span.to - (this.#recorder.now + span.length * (1 - EDGE) * 4);
    this.#span = beyond > 0 ? span.moved(-beyond) : span;
    this.draw();
  }

  /** Puts the cursor to `at`. The view goes with it while it is in view; if it `comes`, also to where it is not. */
  turn(at, comes = false) {
    const before = this.#span.fraction(this.#cursor);
    const now = this.#span.fraction(at);
    this.#cursor = at;
    const pixel = 1 / Math.max(1, this.#field.clientWidth);
    if (comes && (now < 0 || now > 1)) this.span = this.#span.placed(at, 0.5);
    else if (before >= 0 && before <= EDGE + pixel && now > EDGE + pixel) this.span = this.#span.placed(at, EDGE);
    else if (before <= 1 && before >= 1 - EDGE - pixel && now < 1 - EDGE - pixel)
      this.span = this.#span.placed(at, 1 - EDGE);
    this.#place(this.#cursorLine, at);
    this.#place(this.#nowLine, this.#recorder.now);
    for (const lane of this.lanes) lane.recordings.look(this.#span);
  }

  /** Does what a key is for. Returns whether it was one of these; `arrows`: whether arrow keys always are. */
  key(event, arrows) {
    const back = { ArrowLeft: true, ArrowRight: false }[event.key];
    if (back !== undefined) {
      if (!arrows && !this.#field.contains(event.target)) return false;
      const step = (back ? -1 : 1) * this.#span.length;
      if (event.shiftKey) this.#on.seek(this.#cursor + step / SMALL_STEPS);
      else this.span = this.#span.moved(step / STEPS);
      return true;
    }
    const along = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (along !== undefined) return arrows && this.#walk(along);
    if (event.key === "+" || event.key === "=") this.zoom(1 / ZOOM);
    else if (event.key === "-") this.zoom(ZOOM);
    else return false;
    return true;
  }

  /** Goes from the name of a camera to the next one, or the one before. */
  #walk(step) {
    const now = this.lanes.findIndex(({ label }) => label === document.activeElement);
    const lane = this.lanes[now < 0 ? 0 : now + step];
    lane?.label.focus();
    return lane !== undefined;
  }

  /** Shows more or less time, around the cursor if that is in view. */
  zoom(factor) {
    const around = this.#span.contains(this.#cursor) ? this.#cursor : this.#span.at(0.5);
    this.span = this.#span.zoomed(factor, around);
  }

  /** Draws it soon: what changes more than once until then is drawn once. */
  draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#drawNow();
    });
  }

  close() {
    this.#resized.disconnect();
    this.#peek.close();
  }

  #drawNow() {
    const width = this.#field.clientWidth;
    if (width === 0) return;
    for (const lane of this.lanes) lane.draw(this.#span, width);
    const labels = marks(this.#span, MARK_PX / width).map(({ at, text, strong }) => {
      const mark = element("span", { class: strong ? "strong" : null }, text);
      this.#place(mark, at);
      return mark;
    });
    this.#scale.replaceChildren(...labels);
    this.#chosen.hidden = this.range === null;
    if (this.range !== null) {
      const [left, right] = [this.range.from, this.range.to].map((at) => clamp(this.#span.fraction(at)));
      this.#chosen.style.left = `${100 * left}%`;
      this.#chosen.style.width = `${100 * (right - left)}%`;
    }
    this.#place(this.#cursorLine, this.#cursor);
    this.#place(this.#nowLine, this.#recorder.now);
  }

  #place(node, at) {
    const fraction = this.#span.fraction(at);
    node.hidden = !(fraction >= 0 && fraction <= 1);
    if (!node.hidden) node.style.left = `${100 * fraction}%`;
  }

  // Pointers.

  #at(event) {
    const box = this.#field.getBoundingClientRect();
    return this.#span.at((event.clientX - box.left) / box.width);
  }

  #down(event) {
    if (event.button !== 0) return;
    this.#field.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, event);
    this.#peek.hide();
    const span = this.#span;
    const kind = event.shiftKey ? "range" : "press";
    this.#gesture = { kind, x: event.clientX, at: this.#at(event), span };
    if (this.#pointers.size > 1) this.#gesture = { kind: "pinch", apart: this.#apart(), span };
  }

  #moved(event) {
    const gesture = this.#gesture;
    if (gesture === null) {
      if (event.pointerType === "mouse") this.#look(event);
      return;
    }
    if (!this.#pointers.has(event.pointerId)) return;
    this.#pointers.set(event.pointerId, event);
    const moved = event.clientX - (gesture.x ?? event.clientX);
    if (gesture.kind === "press" && Math.abs(moved) > CLICK_PX) gesture.kind = "pan";
    if (gesture.kind === "pan")
      this.span = gesture.span.moved((-moved / this.#field.clientWidth) * gesture.span.length);
    if (gesture.kind === "pinch")
      this.span = gesture.span.zoomed(gesture.apart / this.#apart(), gesture.span.at(0.5));
    if (gesture.kind === "range" && Math.abs(moved) > CLICK_PX) {
      const [from, to] = [gesture.at, this.#at(event)].sort((a, b) => a - b);
      this.#on.range(from, to);
    }
  }

  #up(event) {
    const gesture = this.#gesture;
    this.#cancel(event);
    if (gesture?.kind === "press" || (gesture?.kind === "range" && Math.abs(event.clientX - gesture.x) <= CLICK_PX))
      this.#on.seek(this.#at(event));
  }

  #cancel(event) {
    this.#pointers.delete(event.pointerId);
    // The finger that is left of two began something else.
    this.#gesture = null;
  }

  /** How far apart two fingers are. */
  #apart() {
    const [one, other] = [...this.#pointers.values()];
    return Math.max(CLICK_PX, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY));
  }

  #look(event) {
    const under = event.target.closest?.(".lane")?.dataset.camera;
    const lane = this.lanes.find(({ name }) => name === under) ?? (this.lanes.length === 1 ? this.lanes[0] : null);
    if (!lane) {
      this.#peek.hide();
      return;
    }
    const box = this.element.getBoundingClientRect();
    this.#peek.show(lane, this.#at(event), event.clientX - box.left, box.width);
  }

  #wheel(event) {
    event.preventDefault();
    this.#peek.hide();
    const across = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (across) this.span = this.#span.moved((event.deltaX / this.#field.clientWidth) * this.#span.length);
    else this.span = this.#span.zoomed(ZOOM ** Math.max(-1, Math.min(1, event.deltaY / WHEEL_PX)), this.#at(event));
  }
}

function clamp(fraction) {
  return Math.max(0, Math.min(1, fraction));
}

const HOUR_MS = 3_600_000;
/** The cursor goes no further while the view goes with it. */
const EDGE = 0.95;
const STEPS = 10;
const SMALL_STEPS = 60;
const ZOOM = 1.6;
const WHEEL_PX = 100;
const CLICK_PX = 4;
const MARK_PX = 110;
