// The archive of all cameras, in step.

import { cameraAddress, momentAddress } from "./address.js";
import { onAttention } from "./attention.js";
import { toggleFullScreen } from "./camera.js";
import { Deck } from "./deck.js";
import { element, setText } from "./dom.js";
import { bestGrid } from "./grid.js";
import { write } from "./moment.js";
import { notice } from "./notice.js";
import { Screen } from "./screen.js";

/** The page of the archive, from when it is opened until it is closed. Its clock is that of all cameras it shows. */
export class ArchivePage {
  element;
  #socket;
  #recorder;
  #cameras;
  #deck = null;
  #looking = true;
  /** What is shown, by the names of the cameras, and in the order of their rows. */
  #tiles = new Map();
  #words = element("p", { class: "plain" });
  #grid = element("div", { class: "grid" });
  #stage = element("div", { class: "stage", role: "group", "aria-label": "Pictures" }, this.#grid);
  #unlisten;
  #inattentive;
  #resized;

  /** `at`: the moment to begin at, or NaN to begin live. */
  constructor(socket, recorder, cameras, at) {
    this.#socket = socket;
    this.#recorder = recorder;
    this.#cameras = cameras;
    this.element = element("div", { class: "archive" }, this.#words);
    this.#unlisten = recorder.onChange(() => this.#begin(at));
    this.#inattentive = onAttention((looking) => {
      this.#looking = looking;
      this.#rest();
    });
    this.#resized = new ResizeObserver(() => this.#layOut());
    this.#resized.observe(this.#stage);
    this.#begin(at);
  }

  /** Takes the state of all cameras. */
  update(cameras) {
    this.#cameras = cameras;
    for (const status of cameras) this.#tiles.get(status.name)?.screen.update(status);
  }

  events() {}

  /** Goes to a moment; NaN is none. */
  seek(at) {
    if (this.#deck && !Number.isNaN(at)) this.#deck.seek(at);
  }

  /** Goes back to what is to be seen now. */
  live() {
    this.#deck?.live();
  }

  /** Does what a key is for. Returns whether it was one of this page's. */
  key(event) {
    return this.#deck?.key(event, true) ?? false;
  }

  toggleSound() {
    notice("Sound is heard on the page of a camera.");
  }

  toggleFullScreen() {
    toggleFullScreen(this.#stage);
  }

  close() {
    this.#unlisten();
    this.#inattentive();
    this.#resized.disconnect();
    for (const name of [...this.#tiles.keys()]) this.#hide(name);
    this.#deck?.close();
    this.element.remove();
  }

  /** Begins as soon as it is known what is recorded. */
  #begin(at) {
    if (this.#deck !== null) return;
    const { configured, trouble } = this.#recorder;
    if (!configured) {
      const none = "Nothing is recorded here: no archive is configured for a camera that you may see.";
      setText(this.#words, configured === false ? none : (trouble ?? "Asking what is recorded …"));
      return;
    }
    const recorded = this.#cameras.filter(({ name }) => this.#recorder.has(name));
    const cameras = recorded.map(({ name, title, codec }) => ({ name, title: title || name, codec }));
    this.#deck = new Deck(cameras, this.#recorder, {
      live: () => this.#rest(),
      press: (name) => this.#press(name),
    });
    this.element.replaceChildren(this.#stage, this.#deck.element);
    for (const { name } of cameras.slice(0, AT_FIRST)) this.#show(name);
    this.seek(at);
  }

  #press(name) {
    if (this.#tiles.has(name)) this.#hide(name);
    else if (!this.#cameras.some((status) => status.name === name)) notice("This camera is no longer there.");
    else if (this.#tiles.size < AT_MOST) this.#show(name);
    else notice(`At most ${AT_MOST} cameras are shown here at the same time.`);
  }

  #show(name) {
    const status = this.#cameras.find((camera) => camera.name === name);
    const title = status.title || name;
    const screen = new Screen(this.#socket, status);
    const replay = this.#deck.replay(name);
    const label = element(
      "a",
      { class: "label", href: cameraAddress(name), click: (event) => this.#aim(event.currentTarget, name) },
      element("span", { class: "name" }, title),
    );
    const tile = element("div", { class: "tile", "data-camera": name }, screen.element, replay.element, label);
    this.#tiles.set(name, { screen, replay, tile });
    this.#arrange();
  }

  /** Has `link` lead to what is shown now. */
  #aim(link, name) {
    const { moment } = this.#deck;
    link.href = Number.isNaN(moment) ? cameraAddress(name) : momentAddress(cameraAddress(name), write(moment));
  }

  #hide(name) {
    const { screen, tile } = this.#tiles.get(name);
    screen.stop();
    this.#deck.remove(name);
    this.#tiles.delete(name);
    tile.remove();
    this.#arrange();
  }

  /** Puts the tiles in the order of the rows. */
  #arrange() {
    for (const { name, label } of this.#deck.lanes) {
      const shown = this.#tiles.get(name);
      label.setAttribute("aria-pressed", String(shown !== undefined));
      if (shown) this.#grid.append(shown.tile);
    }
    this.#rest();
    this.#layOut();
  }

  /** Live pictures are asked for while they are seen. */
  #rest() {
    const live = this.#deck?.isLive ?? true;
    for (const { screen, replay } of this.#tiles.values()) {
      screen.element.hidden = !live;
      replay.element.hidden = live;
      if (live && this.#looking) screen.start();
      else screen.stop();
    }
  }

  #layOut() {
    const { clientWidth, clientHeight } = this.#stage;
    if (clientWidth === 0) return;
    const { columns, tile } = bestGrid(this.#tiles.size, clientWidth - 2 * GAP_PX, clientHeight - 2 * GAP_PX, GAP_PX);
    this.#grid.style.setProperty("--columns", columns);
    this.#grid.style.setProperty("--tile", `${tile}px`);
  }
}

/** As in the style sheet. */
const GAP_PX = 6;
const AT_FIRST = 9;
/** Browsers play some dozens of videos in a page, and each takes a part of the machine. */
const AT_MOST = 16;
