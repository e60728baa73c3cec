// Elements, made without HTML in strings: what comes from the net is only ever text.

/**
 * Makes an element. An attribute that is a function is a listener, `true` an attribute without a value; `null`,
 * `undefined` and `false` leave it out. Children are nodes or text.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Sets the text of `node`, which is left alone when it says so already: figures come every second. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A drawing of one path on a field of 24 by 24. */
export function icon(path) {
  return drawn("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, drawn("path", { d: path }));
}

/** Makes an element of a drawing. */
export function drawn(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A button with a drawing; `label` is read out, and shown when the pointer rests on it. */
export function iconButton(path, label, onclick) {
  return element(
    "button",
    { type: "button", class: "icon", "aria-label": label, title: label, click: onclick },
    icon(path),
  );
}

const SVG = "http://www.w3.org/2000/svg";

/** What the buttons show. */
export const ICONS = {
  archive: "M4 12a8 8 0 1 0 2.6-5.9M4 4.5v3.6h3.6M12 8v4.2l3 1.8",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  events: "M6 16v-5a6 6 0 0 1 12 0v5l1.5 2h-15zM10 21h4",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  help: "M9 9.2a3 3 0 1 1 4.3 2.7c-.9.5-1.3 1-1.3 2.1M12 17.5v.5",
  leave: "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
  less: "M5 12h14",
  more: "M5 12h14M12 5v14",
  pause: "M8 5.5v13M16 5.5v13",
  play: "M7 5l12 7-12 7z",
  reverse: "M17 5L5 12l12 7z",
  silent: "M4 10v4h3l5 4V6L7 10zM16 10l5 5M21 10l-5 5",
  sound: "M4 10v4h3l5 4V6L7 10zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
  stepBack: "M6 6v12M18 6l-8 6 8 6z",
  stepOn: "M18 6v12M6 6l8 6-8 6z",
  theme: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
};
