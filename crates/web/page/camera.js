// One camera, with all that is known about it.

import { ApiError, cameraPath, post } from "./api.js";
import { onAttention } from "./attention.js";
import { ICONS, element, icon, iconButton, setText } from "./dom.js";
import { EventList } from "./events.js";
import { bits, count, rate, sentence, stateName } from "./format.js";
import { notice } from "./notice.js";
import { Screen } from "./screen.js";

/** The page of one camera, from when it is opened until it is closed. */
export class CameraPage {
  element;
  screen;
  #name;
  #figures = new Map();
  #facts = element("dl");
  #state = element("p", { class: "condition", role: "status" });
  #address = element("input", { type: "text", readonly: true, id: "address", spellcheck: "false" });
  #events = new EventList("Nothing has happened yet.");
  #clock = null;
  #soundButton = iconButton(ICONS.silent, "Sound (m)", () => this.toggleSound());
  #inattentive;

  /** `operable`: whether who looks may have the camera connected anew, as far as is known. */
  constructor(socket, status, operable) {
    this.#name = status.name;
    this.screen = new Screen(socket, status);
    const snapshot = cameraPath(status.name, "/snapshot.jpg");
    const full = iconButton(ICONS.full, "Full screen (f)", () => this.toggleFullScreen());
    const picture = element(
      "div",
      { class: "picture" },
      this.screen.element,
      element("div", { class: "controls" }, this.#soundButton, full),
    );
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
      ),
      element("h2", {}, "Events"),
      this.#events.element,
    );
    this.element = element("div", { class: "camera" }, picture, side);
    this.#inattentive = onAttention((looking) => {
      if (looking) this.screen.start();
      else this.screen.stop();
    });
    this.#clock = setInterval(() => this.#showDelay(), 1000);
    this.update(status);
  }

  /** Takes what the server says about the camera. */
  update(status) {
    this.screen.update(status);
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
    this.#events.show(list.filter((event) => event.camera === this.#name));
  }

  /** Switches the sound on or off. */
  toggleSound() {
    toggleSound(this.screen);
    const { silent } = this.screen;
    this.#soundButton.replaceChildren(icon(silent ? ICONS.silent : ICONS.sound));
    this.#soundButton.setAttribute("aria-pressed", String(!silent));
  }

  /** Lets the picture fill the screen, or no longer. */
  toggleFullScreen() {
    toggleFullScreen(this.element.querySelector(".picture"));
  }

  close() {
    this.#inattentive();
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
    this.#soundButton.hidden = !this.screen.audible;
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
      const refused = error instanceof ApiError && (error.status === 403 || error.status === 404);
      notice(refused ? "You may not reconnect this camera." : `Not reconnected: ${sentence(error.message)}.`);
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

function viewers(numbers) {
  if (!numbers) return null;
  const parts = [];
  if (numbers.web) parts.push(`${numbers.web} in ${numbers.web === 1 ? "a browser" : "browsers"}`);
  if (numbers.rtsp) parts.push(`${numbers.rtsp} by RTSP`);
  return parts.join(", ") || "none";
}
