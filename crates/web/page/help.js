// What the keys do.

import { element } from "./dom.js";

/** The dialogue with the keys. */
export function helpDialog() {
  const rows = KEYS.map(([keys, what]) =>
    element("div", {}, element("dt", {}, ...keys.map((key) => element("kbd", {}, key))), element("dd", {}, what)),
  );
  const close = element("button", { class: "primary", value: "close" }, "Close");
  const form = element("form", { method: "dialog" }, element("h2", {}, "Keys"), element("dl", {}, ...rows), close);
  return element("dialog", { class: "help", "aria-label": "Keys" }, form);
}

const KEYS = [
  [["←", "↑", "→", "↓"], "go from camera to camera"],
  [["Enter"], "open the camera"],
  [["1", "…", "9"], "open the first, … the ninth camera"],
  [["Esc"], "back to all cameras"],
  [["f"], "full screen"],
  [["m"], "sound on or off"],
  [["e"], "events"],
  [["t"], "theme: system, light, dark"],
  [["?"], "this help"],
];
