// All cameras at once.

import { cameraAddress } from "./address.js";
import { onAttention } from "./attention.js";
import { element, setText } from "./dom.js";
import { figures, stateName } from "./format.js";
import { bestGrid } from "./grid.js";
import { Screen } from "./screen.js";
import { recordingWords } from "./recorder.js";
import { MAX_WATCHES } from "./socket.js";

/** A tile per camera. Only those in view are watched, and none while nobody looks. */
export class Wall {
  /** What is shown; it is hidden rather than thrown away while a single camera is shown. */
  element;
  #socket;
  #recorder;
  #tiles = new Map();
  #grid = element("div", { class: "grid" });
  #empty = element("p", { class: "plain", hidden: true }, "There are no cameras that you may see.");
  #columns = 1;
  #looking = true;
  #observer;

  constructor(socket, recorder) {
    this.#socket = socket;
    this.#recorder = recorder;
    recorder.onChange(() => {
      for (const tile of this.#tiles.values()) tile.recorded(recorder);
    });
    this.element = element("div", { class: "wall", role: "group", "aria-label": "Cameras" }, this.#grid, this.#empty);
    this.#observer = new IntersectionObserver((entries) => {
      // With few cameras there is room for those that were in view a moment ago.
      const patience = this.#tiles.size > MAX_WATCHES / 2 ? 0 : LEAVE_MS;
      for (const entry of entries) this.#tileOf(entry.target)?.see(entry.isIntersecting && this.#looking, patience);
    });
    new ResizeObserver(() => this.#layOut()).observe(this.element);
    onAttention((looking) => {
      this.#looking = looking;
      // Observing anew tells what is in view.
      for (const tile of this.#tiles.values()) {
        this.#observer.unobserve(tile.element);
        if (looking) this.#observer.observe(tile.element);
        else tile.rest();
      }
    });
  }

  /** Takes the state of all cameras, in the order in which they are to be shown; `known`: whether these are all. */
  update(cameras, known) {
    const names = new Set(cameras.map((status) => status.name));
    for (const [name, tile] of this.#tiles) {
      if (names.has(name)) continue;
      this.#observer.unobserve(tile.element);
      tile.rest();
      tile.element.remove();
      this.#tiles.delete(name);
    }
    cameras.forEach((status, index) => {
      let tile = this.#tiles.get(status.name);
      if (!tile) {
        tile = new Tile(this.#socket, status);
        this.#tiles.set(status.name, tile);
        this.#observer.observe(tile.element);
      }
      tile.update(status);
      tile.recorded(this.#recorder);
      if (this.#grid.children[index] !== tile.element)
        this.#grid.insertBefore(tile.element, this.#grid.children[index] ?? null);
    });
    this.#empty.hidden = cameras.length > 0 || !known;
    this.#rove();
    this.#layOut();
  }

  /** Moves the focus by an arrow key, Home or End. Returns whether it was one. */
  move(key) {
    const tiles = [...this.#grid.children];
    const now = tiles.indexOf(document.activeElement);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.#columns, ArrowDown: this.#columns };
    let to;
    if (key === "Home") to = 0;
    else if (key === "End") to = tiles.length - 1;
    else if (!(key in steps)) return false;
    else if (now < 0)
      to = Math.max(
        0,
        tiles.findIndex((tile) => tile.tabIndex === 0),
      );
    else to = now + steps[key];
    if (tiles[to]) this.#focus(tiles[to]);
    return true;
  }

  /** Puts the focus on a camera. */
  select(name) {
    const tile = this.#tiles.get(name);
    if (tile) this.#focus(tile.element);
  }

  /** The screen of the camera that has the focus. */
  get selected() {
    return this.#tileOf(document.activeElement)?.screen ?? null;
  }

  /** Silences all cameras but one. */
  silence(except = null) {
    for (const { screen } of this.#tiles.values()) if (screen !== except) screen.silent = true;
  }

  #tileOf(target) {
    return this.#tiles.get(target?.dataset?.camera);
  }

  #focus(target) {
    this.#rove(target);
    target.focus();
    target.scrollIntoView({ block: "nearest" });
  }

  /** One tile is a stop of the Tab key, and arrows go on from there. */
  #rove(to = null) {
    const tiles = [...this.#grid.children];
    const stop = to ?? tiles.find((tile) => tile.tabIndex === 0) ?? tiles[0];
    for (const tile of tiles) tile.tabIndex = tile === stop ? 0 : -1;
  }

  #layOut() {
    const { clientWidth, clientHeight } = this.element;
    if (clientWidth === 0) return;
    const { columns, tile } = bestGrid(this.#tiles.size, clientWidth - 2 * GAP_PX, clientHeight - 2 * GAP_PX, GAP_PX);
    this.#columns = columns;
    this.#grid.style.setProperty("--columns", columns);
    this.#grid.style.setProperty("--tile", `${tile}px`);
  }
}

/** One camera on the wall: a link to its page. */
class Tile {
  element;
  screen;
  #name = element("span", { class: "name" });
  #state = element("span", { class: "state" });
  #figures = element("span", { class: "figures" });
  #recording = element("span", { class: "recording", hidden: true });
  #leave = null;
  /** What is read out of it, without the recording. */
  #label = [];

  constructor(socket, status) {
    this.screen = new Screen(socket, status);
    const label = element(
      "div",
      { class: "label" },
      element("span", { class: "dot" }),
      this.#name,
      this.#state,
      this.#figures,
      this.#recording,
    );
    const href = cameraAddress(status.name);
    this.element = element(
      "a",
      { class: "tile", href, tabindex: "-1", "data-camera": status.name },
      this.screen.element,
      label,
    );
  }

  update(status) {
    this.screen.update(status);
    this.element.dataset.state = status.state;
    const title = status.title || status.name;
    setText(this.#name, title);
    setText(this.#state, status.state === "online" ? "" : stateName(status.state));
    setText(this.#figures, status.state === "online" ? figures(status) : "");
    this.#label = [title, stateName(status.state).toLowerCase()];
  }

  /** Says how the camera is recorded, where anything is; to be called after `update`, too. */
  recorded(recorder) {
    const recorded = recorder.configured ? recorder.of(this.screen.name) : null;
    const { state = "off" } = recorded ?? {};
    this.#recording.hidden = state === "off";
    this.#recording.dataset.recording = state;
    const words = recordingWords(recorded) ?? "";
    if (this.#recording.title !== words) this.#recording.title = words;
    // All others are a sign; what is wrong is said.
    setText(this.#recording, state === "failing" ? "Not recording" : "");
    const label = [...this.#label, ...(state === "off" ? [] : [words.toLowerCase()])].join(", ");
    if (this.element.getAttribute("aria-label") !== label) this.element.setAttribute("aria-label", label);
  }

  /** Takes whether it is in view; `patience`: after how many milliseconds out of view it rests. */
  see(seen, patience) {
    clearTimeout(this.#leave);
    if (seen) this.screen.start();
    // Whoever scrolls past or looks at one camera for a moment finds the others going on.
    else this.#leave = setTimeout(() => this.rest(), patience);
  }

  rest() {
    clearTimeout(this.#leave);
    this.screen.stop();
  }
}

/** As in the style sheet. */
const GAP_PX = 6;
const LEAVE_MS = 5000;
