// What the keys do.

import { element } from "./dom.js";

/** The dialogue with the keys. */
export function helpDialog() {
  const row = ([keys, what]) =>
    element("div", {}, element("dt", {}, ...keys.map((key) => element("kbd", {}, key))), element("dd", {}, what));
  const table = (keys) => element("dl", {}, ...keys.map(row));
  const close = element("button", { class: "primary", value: "close" }, "Close");
  const part = (title, keys) => element("section", {}, element("h2", {}, title), table(keys));
  const parts = element("div", { class: "parts" }, part("Keys", KEYS), part("Keys for recordings", ARCHIVE_KEYS));
  const form = element("form", { method: "dialog" }, parts, close);
  return element("dialog", { class: "help", "aria-label": "Keys" }, form);
}

const KEYS = [
  [["←", "↑", "→", "↓"], "go from camera to camera"],
  [["Enter"], "open the camera"],
  [["1", "…", "9"], "open the first, … the ninth camera"],
  [["Esc"], "back to all cameras"],
  [["f"], "full screen"],
  [["m"], "sound on or off"],
  [["a"], "archive of all cameras"],
  [["e"], "events"],
  [["t"], "theme: system, light, dark"],
  [["?"], "this help"],
];

const ARCHIVE_KEYS = [
  [["Space"], "play or pause"],
  [[",", "."], "picture before, next picture"],
  [["[", "]"], "slower, faster"],
  [["r"], "backwards, or forwards again"],
  [["l"], "live"],
  [["←", "→"], "move the timeline"],
  [["Shift", "←", "→"], "go back or on a little"],
  [["↑", "↓"], "go from camera to camera"],
  [["Enter"], "show the camera, or not"],
  [["+", "-"], "less or more time"],
  [["n", "p"], "next gap, gap before"],
  [["g"], "go to a date and time"],
  [["i", "o"], "begin and end of what is saved"],
  [["s"], "skip gaps, or not"],
];
