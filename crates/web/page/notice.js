// Short words at the edge of the page, which go by themselves.

import { element, setText } from "./dom.js";

const place = element("div", { class: "notice", role: "status", hidden: true });
let timer = null;

/** Says `text` for a few seconds. */
export function notice(text) {
  if (!place.isConnected) document.body.append(place);
  setText(place, text);
  place.hidden = false;
  // Nothing but what is full screen is seen, so the words go there.
  const home = document.fullscreenElement ?? document.body;
  if (place.parentElement !== home) home.append(place);
  clearTimeout(timer);
  timer = setTimeout(() => {
    place.hidden = true;
  }, SHOWN_MS);
}

const SHOWN_MS = 4000;
