// Which page is at which address.

import { read } from "./moment.js";

/** The page of the archive of all cameras. */
export const ARCHIVE = "/archive";

/** The page of a camera. */
export function cameraAddress(name) {
  return `/cameras/${encodeURIComponent(name)}`;
}

/** The camera whose page is at `path`, or null. */
export function cameraIn(path) {
  const name = /^\/cameras\/([^/]+)$/.exec(path)?.[1];
  try {
    return name === undefined ? null : decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** The page at `path`, at a moment as the server writes it. */
export function momentAddress(path, time) {
  return `${path}?${new URLSearchParams({ at: time })}`;
}

/** The moment in what follows the path of an address; NaN if there is none. */
export function momentIn(search) {
  return read(new URLSearchParams(search).get("at"));
}

/** Whether there is a page of ours at `path`. */
export function isPage(path) {
  return path === "/" || path === ARCHIVE || cameraIn(path) !== null;
}
