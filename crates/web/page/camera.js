// One camera, with all that is known about it.

import { cameraAddress, momentAddress } from "./address.js";
import { ApiError, cameraPath, post } from "./api.js";
import { onAttention } from "./attention.js";
import { Deck } from "./deck.js";
import { ICONS, element, icon, iconButton, setText } from "./dom.js";
import { EventList } from "./events.js";
import { bits, count, rate, stateName } from "./format.js";
import { dateAndTime } from "./moment.js";
import { notice } from "./notice.js";
import { recordingWords } from "./recorder.js";
import { Screen } from "./screen.js";

/** The page of one camera, from when it is opened until it is closed. */
export class CameraPage {
  element;
  screen;
  #name;
  #title;
  #codec = null;
  #recorder;
  #operable;
  /** What plays the recording, if there is one, and what shows it. */
  #deck = null;
  #replay = null;
  #looking = true;
  #figures = new Map();
  #facts = element("dl");
  #state = element("p", { class: "condition", role: "status" });
  #address = element("input", { type: "text", readonly: true, id: "address", spellcheck: "false" });
  #events = new EventList("Nothing has happened yet.");
  #happened = [];
  #clock = null;
  #soundButton = iconButton(ICONS.silent, "Sound (m)", () => this.toggleSound());
  #recordButton = element("button", { type: "button", hidden: true, click: () => this.#record() }, "Record now");
  #picture;
  #film;
  #inattentive;
  #unlisten;

  /**
   * `operable`: whether who looks may have the camera connected anew and recorded, as far as is known; `at`: the moment
   * of its recording to begin at, or NaN.
   */
  constructor(socket, recorder, status, operable, at) {
    this.#name = status.name;
    this.#title = status.title || status.name;
    this.#recorder = recorder;
    this.#operable = operable;
    this.screen = new Screen(socket, status);
    const snapshot = cameraPath(status.name, "/snapshot.jpg");
    const full = iconButton(ICONS.full, "Full screen (f)", () => this.toggleFullScreen());
    const controls = element("div", { class: "controls" }, this.#soundButton, full);
    this.#picture = element("div", { class: "picture" }, this.screen.element, controls);
    this.#film = element("div", { class: "film" }, this.#picture);
    const side = element(
      "aside",
      { class: "side", "aria-label": "About this camera" },
      this.#state,
      this.#facts,
      element("label", { class: "field", for: "address" }, "RTSP address"),
      element(
        "div",
        { class: "row" },
        this.#address,
        element("button", { type: "button", click: () => this.#copy() }, "Copy"),
      ),
      element(
        "div",
        { class: "row" },
        element("a", { class: "button", href: snapshot, target: "_blank", rel: "noopener" }, "Snapshot"),
        operable ? element("button", { type: "button", click: () => this.#reconnect() }, "Reconnect") : null,
        this.#recordButton,
      ),
      element("h2", {}, "Events"),
      this.#events.element,
    );
    this.element = element("div", { class: "camera" }, this.#film, side);
    this.#inattentive = onAttention((looking) => {
      this.#looking = looking;
      this.#rest();
    });
    this.#unlisten = recorder.onChange(() => this.#recorded(at));
    this.#clock = setInterval(() => this.#showDelay(), 1000);
    this.update(status);
    this.#recorded(at);
  }

  /** Takes what the server says about the camera. */
  update(status) {
    this.screen.update(status);
    this.#codec = status.codec;
    this.element.dataset.state = status.state;
    const reason = status.state !== "online" && status.reason ? `: ${status.reason}` : "";
    setText(this.#state, stateName(status.state) + reason);
    const size = status.width && status.height ? `${status.width} × ${status.height}` : null;
    this.#show("Codec", status.codec);
    this.#show("Picture", size);
    this.#show("Frame rate", status.fps > 0 ? `${rate(status.fps)} fps` : null);
    this.#show("Bit rate", status.kbit_s > 0 ? bits(status.kbit_s) : null);
    this.#show("Frames", count(status.frames ?? 0));
    this.#show("Lost", count(status.lost ?? 0));
    this.#show("Reconnects", count(status.reconnects ?? 0));
    this.#show("Viewers", viewers(status.viewers));
    this.#showDelay();
    this.#show("Source", status.url);
    const address = status.rtsp ?? "";
    if (this.#address.value !== address) this.#address.value = address;
    this.#address.disabled = address === "";
    this.#address.placeholder = "not served over RTSP";
  }

  /** Takes all events that are known; the page shows its own. */
  events(list) {
    this.#happened = list.filter((event) => event.camera === this.#name);
    const address = (event) => (this.#deck ? momentAddress(cameraAddress(this.#name), event.time) : null);
    this.#events.show(this.#happened, null, address);
  }

  /** Goes to a moment of the recording, if there is one; NaN is none. */
  seek(at) {
    if (this.#deck && !Number.isNaN(at)) this.#deck.seek(at);
  }

  /** Goes back to what is to be seen now. */
  live() {
    this.#deck?.live();
  }

  /** Does what a key is for. Returns whether it was for the recording. */
  key(event) {
    return this.#deck?.key(event, false) ?? false;
  }

  /** Switches the sound on or off. */
  toggleSound() {
    toggleSound(this.#source);
    const { silent } = this.#source;
    this.screen.silent = silent;
    if (this.#deck) this.#deck.silent = silent;
    this.#soundButton.replaceChildren(icon(silent ? ICONS.silent : ICONS.sound));
    this.#soundButton.setAttribute("aria-pressed", String(!silent));
  }

  /** Lets the picture fill the screen, or no longer. */
  toggleFullScreen() {
    toggleFullScreen(this.#picture);
  }

  close() {
    this.#inattentive();
    this.#unlisten();
    this.#deck?.close();
    clearInterval(this.#clock);
    this.screen.stop();
    this.element.remove();
  }

  #show(name, value) {
    let shown = this.#figures.get(name);
    if (!shown) {
      shown = element("dd");
      this.#figures.set(name, shown);
      this.#facts.append(element("div", {}, element("dt", {}, name), shown));
    }
    setText(shown, value ?? "–");
  }

  #showDelay() {
    const { behind } = this.screen;
    this.#show("Shown after", behind === null ? null : `${behind.toFixed(1)} s`);
    this.#soundButton.hidden = !this.#source.audible;
  }

  /** What is seen, and may be heard: the camera as it is, or its recording. */
  get #source() {
    return this.#deck && !this.#deck.isLive ? this.#replay : this.screen;
  }

  /** Takes what the server says about the recording. */
  #recorded(at) {
    const recorded = this.#recorder.of(this.#name);
    const kept = this.#recorder.has(this.#name);
    if (recorded !== null && this.#recorder.configured) {
      this.#show("Recording", recordingWords(recorded));
      this.#show("Recorded since", recorded.from <= recorded.to ? dateAndTime(recorded.from) : null);
    }
    this.element.dataset.recording = recorded?.state ?? "";
    // What is recorded anyway need not be asked for.
    this.#recordButton.hidden = !this.#operable || !kept || ["off", "always"].includes(recorded.mode);
    if (kept && this.#deck === null) this.#openDeck(at);
  }

  #openDeck(at) {
    const camera = { name: this.#name, title: this.#title, codec: this.#codec };
    this.#deck = new Deck([camera], this.#recorder, { live: () => this.#rest() });
    this.#replay = this.#deck.replay(this.#name);
    this.#deck.silent = this.screen.silent;
    this.#replay.element.hidden = true;
    this.#picture.prepend(this.#replay.element);
    this.#film.append(this.#deck.element);
    // There are moments to link to now.
    this.events(this.#happened);
    this.seek(at);
  }

  /** Live pictures are asked for while they are seen. */
  #rest() {
    const live = this.#deck?.isLive ?? true;
    if (this.#replay) this.#replay.element.hidden = live;
    this.screen.element.hidden = !live;
    if (live && this.#looking) this.screen.start();
    else this.screen.stop();
  }

  async #record() {
    try {
      await post(cameraPath(this.#name, "/record"), { reason: "asked for on the page" });
      notice("It is being recorded.");
    } catch (error) {
      notice(refused(error) ? "You may not have this camera recorded." : `Not recorded: ${error.message}.`);
    }
  }

  async #copy() {
    this.#address.select();
    try {
      // Where the page did not come over a safe connection there is only the old way.
      if (navigator.clipboard) await navigator.clipboard.writeText(this.#address.value);
      else if (!document.execCommand("copy")) throw new Error("refused");
      notice("The address is copied.");
    } catch {
      notice("The browser does not let this page copy; the address is selected.");
    }
  }

  async #reconnect() {
    try {
      await post(cameraPath(this.#name, "/reconnect"));
      notice("The camera is being connected again.");
    } catch (error) {
      notice(refused(error) ? "You may not reconnect this camera." : `Not reconnected: ${error.message}.`);
    }
  }
}

/** Switches the sound of a screen, and says what came of it. */
export function toggleSound(screen) {
  screen.silent = !screen.silent;
  if (!screen.silent && !screen.audible) notice("This camera sends no sound that can be played here.");
  else notice(screen.silent ? "Sound off" : "Sound on");
}

/** Lets `target` fill the screen, or nothing any longer. */
export async function toggleFullScreen(target) {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await target.requestFullscreen();
  } catch {
    notice("This browser has no full screen here.");
  }
}

/** Whether the server says that who asked may not. */
function refused(error) {
  return error instanceof ApiError && (error.status === 403 || error.status === 404);
}

function viewers(numbers) {
  if (!numbers) return null;
  const parts = [];
  if (numbers.web) parts.push(`${numbers.web} in ${numbers.web === 1 ? "a browser" : "browsers"}`);
  if (numbers.rtsp) parts.push(`${numbers.rtsp} by RTSP`);
  return parts.join(", ") || "none";
}
