// How many columns give the largest pictures.

import { MAX_WATCHES } from "./socket.js";

/**
 * The grid for `count` pictures of 16 to 9 in a field of `width` by `height` CSS pixels with `gap` pixels between them.
 * Narrow fields have one column, which is scrolled; so is a grid of more pictures than may be watched at a time.
 */
export function bestGrid(count, width, height, gap) {
  if (width < NARROW_PX) return { columns: 1, tile: Math.max(0, width) };
  const inView = count > MAX_WATCHES ? MANY_IN_VIEW : count;
  let best = { columns: 1, tile: 0 };
  for (let columns = 1; columns <= inView; columns += 1) {
    const rows = Math.ceil(inView / columns);
    const across = (width - gap * (columns - 1)) / columns;
    const down = ((height - gap * (rows - 1)) / rows) * ASPECT;
    const tile = Math.floor(Math.min(across, down));
    if (tile > best.tile) best = { columns, tile };
  }
  if (best.tile >= LEAST_TILE_PX) return best;
  // Rather scrolled than too small to see anything.
  const columns = Math.max(1, Math.floor((width + gap) / (LEAST_TILE_PX + gap)));
  return { columns, tile: Math.floor((width - gap * (columns - 1)) / columns) };
}

const ASPECT = 16 / 9;
const NARROW_PX = 560;
const LEAST_TILE_PX = 150;
/** Fewer than that when rows are scrolled: some are half in view, others were a moment ago. */
const MANY_IN_VIEW = 49;
