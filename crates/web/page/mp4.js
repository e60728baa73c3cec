// As much of fragmented MP4 as is needed to know when its pictures are shown.

/** Cuts what comes from the net into whole boxes. */
export class BoxReader {
  #rest = new Uint8Array(0);

  /** Takes the next bytes, and returns the boxes that are whole now: `{ type, data }`. */
  push(bytes) {
    const all = joined([this.#rest, bytes]);
    const data = view(all);
    const boxes = [];
    let at = 0;
    while (all.length - at >= 8) {
      const { type, end } = box(data, at, Infinity);
      if (end - at > MOST_BYTES) throw new Error(`a box "${type}" of ${end - at} bytes`);
      if (end > all.length) break;
      boxes.push({ type, data: all.subarray(at, end) });
      at = end;
    }
    this.#rest = all.slice(at);
    return boxes;
  }

  /** Whether the bytes end with a whole box. */
  get whole() {
    return this.#rest.length === 0;
  }
}

/** The video track that a `moov` box describes: `{ id, scale, duration }`; null if it has none. */
export function videoTrack(moov) {
  const data = view(moov);
  let found = null;
  for (const trak of inside(data, 8, data.byteLength, "trak")) {
    const tkhd = inside(data, trak.start, trak.end, "tkhd")[0];
    const mdia = inside(data, trak.start, trak.end, "mdia")[0];
    const mdhd = mdia && inside(data, mdia.start, mdia.end, "mdhd")[0];
    const hdlr = mdia && inside(data, mdia.start, mdia.end, "hdlr")[0];
    if (!tkhd || !mdhd || !hdlr || word(data, hdlr.start + 8) !== "vide") continue;
    const long = (at) => (data.getUint8(at) === 1 ? 20 : 12);
    const id = data.getUint32(tkhd.start + long(tkhd.start));
    found ??= { id, scale: data.getUint32(mdhd.start + long(mdhd.start)), duration: 0 };
  }
  for (const mvex of inside(data, 8, data.byteLength, "mvex")) {
    for (const trex of inside(data, mvex.start, mvex.end, "trex"))
      if (data.getUint32(trex.start + 4) === found?.id) found.duration = data.getUint32(trex.start + 12);
  }
  return found?.scale ? found : null;
}

/** When the pictures of `track` in a `moof` box are shown, in seconds, in the order in which they are decoded. */
export function pictureTimes(moof, track) {
  const data = view(moof);
  const times = [];
  for (const traf of inside(data, 8, data.byteLength, "traf")) {
    const tfhd = inside(data, traf.start, traf.end, "tfhd")[0];
    const tfdt = inside(data, traf.start, traf.end, "tfdt")[0];
    if (!tfhd || !tfdt || data.getUint32(tfhd.start + 4) !== track.id) continue;
    const flags = data.getUint32(tfhd.start);
    const at = tfhd.start + 8 + (flags & 1 ? 8 : 0) + (flags & 2 ? 4 : 0);
    const usual = flags & 8 ? data.getUint32(at) : track.duration;
    const wide = data.getUint8(tfdt.start) === 1;
    let decoded = wide ? Number(data.getBigUint64(tfdt.start + 4)) : data.getUint32(tfdt.start + 4);
    for (const trun of inside(data, traf.start, traf.end, "trun")) {
      const told = data.getUint32(trun.start);
      const count = data.getUint32(trun.start + 4);
      let entry = trun.start + 8 + (told & 1 ? 4 : 0) + (told & 4 ? 4 : 0);
      const field = (flag) => {
        if (!(told & flag)) return null;
        entry += 4;
        return entry - 4;
      };
      for (let sample = 0; sample < count; sample += 1) {
        const duration = field(0x100);
        field(0x200);
        field(0x400);
        const offset = field(0x800);
        times.push((decoded + (offset === null ? 0 : data.getInt32(offset))) / track.scale);
        decoded += duration === null ? usual : data.getUint32(duration);
      }
    }
  }
  return times;
}

/** The parts as one. */
export function joined(parts) {
  const filled = parts.filter((part) => part.length > 0);
  if (filled.length === 1) return filled[0];
  const whole = new Uint8Array(filled.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of filled) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The boxes of one type between two places: where their contents start and end. */
function inside(data, start, end, wanted) {
  const found = [];
  for (let at = start; at + 8 <= end; ) {
    const { type, body, end: after } = box(data, at, end);
    if (after > end) break;
    if (type === wanted) found.push({ start: body, end: after });
    at = after;
  }
  return found;
}

function box(data, at, end) {
  const length = data.getUint32(at);
  const type = word(data, at + 4);
  // Lengths of 64 bits are for files of many gigabytes; 0 is "up to the end".
  if (length === 0) return { type, body: at + 8, end };
  if (length < 8) throw new Error(`a box "${type}" of ${length} bytes`);
  return { type, body: at + 8, end: at + length };
}

function word(data, at) {
  return String.fromCharCode(...[0, 1, 2, 3].map((index) => data.getUint8(at + index)));
}

function view(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const MOST_BYTES = 64 << 20;
