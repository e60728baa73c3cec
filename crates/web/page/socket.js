// The one WebSocket of the page: what the cameras are up to, what happens, and the pictures of those watched.

/**
 * Keeps a connection to the server, and makes it anew when it is lost. `on` holds what is called:
 *
 * - `hello(user)`: connected;
 * - `cameras(list)`: the state of all cameras;
 * - `event(event)`: something happened;
 * - `down()`: the connection is lost or was refused; to be answered with `true` if it is to be made again;
 * - `waiting(seconds)`: that long until the next attempt.
 */
export class Socket {
  #on;
  #socket = null;
  #greeted = false;
  #watches = new Map();
  #nextId = 1;
  #attempts = 0;
  #timer = null;
  /** Closes a connection that neither opens nor brings anything: its other end may be gone without a word. */
  #silence = null;

  constructor(on) {
    this.#on = on;
    // Whoever comes back to the page, or gets a network again, is not to wait for the end of a pause.
    const hurry = () => {
      if (this.#timer !== null && document.visibilityState === "visible") this.open();
    };
    addEventListener("online", hurry);
    document.addEventListener("visibilitychange", hurry);
    // Browsers keep a page that was left, with its connections, for whoever comes back; nobody watches it until then.
    let connects = false;
    addEventListener("pagehide", () => {
      connects = this.#socket !== null || this.#timer !== null;
      this.close();
    });
    addEventListener("pageshow", () => {
      if (connects) this.open();
    });
  }

  /** Connects, unless that is under way. */
  open() {
    clearInterval(this.#timer);
    this.#timer = null;
    if (this.#socket) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/api/live`);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", (message) => this.#received(socket, message.data));
    socket.addEventListener("close", () => this.#lost(socket));
    this.#socket = socket;
    this.#expect(CONNECT_MS);
  }

  /** Ends the connection, and makes no other until it is opened again. */
  close() {
    clearInterval(this.#timer);
    clearTimeout(this.#silence);
    this.#timer = null;
    this.#attempts = 0;
    const socket = this.#socket;
    this.#socket = null;
    this.#greeted = false;
    socket?.close();
  }

  /**
   * Asks for the pictures of `camera`, now and after each new connection. They are given to `receiver`, by its
   * methods `begin(mime)`, `init(data)`, `fragment(keyframe, data)`, `unplayable(codec, reason)`, `offline()` and
   * `end(reason)`, until the returned number is given to `unwatch`; after `end` that is not needed.
   */
  watch(camera, receiver) {
    const id = this.#nextId;
    this.#nextId = (this.#nextId % MAX_ID) + 1;
    this.#watches.set(id, { camera, receiver, asked: false });
    this.#ask();
    return id;
  }

  /** Ends a watch. What is still under way for it is dropped. */
  unwatch(id) {
    const asked = this.#watches.get(id)?.asked;
    this.#watches.delete(id);
    if (asked && this.#greeted) this.#send({ type: "unwatch", id });
    this.#ask();
  }

  /** Asks for what is to be watched, as far as the server gives it at the same time. */
  #ask() {
    if (!this.#greeted) return;
    let left = MAX_WATCHES;
    for (const { asked } of this.#watches.values()) left -= asked ? 1 : 0;
    for (const [id, watch] of this.#watches) {
      if (watch.asked) continue;
      if (left === 0) return;
      left -= 1;
      watch.asked = true;
      this.#send({ type: "watch", id, camera: watch.camera });
    }
  }

  #send(message) {
    // A connection that is about to close takes nothing more; the next one begins with all watches.
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #received(socket, data) {
    if (socket !== this.#socket) return;
    this.#expect(SILENCE_MS);
    if (typeof data === "string") this.#told(data);
    else this.#brought(data);
  }

  #told(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    const receiver = this.#watches.get(message.id)?.receiver;
    switch (message.type) {
      case "hello":
        this.#greeted = true;
        this.#attempts = 0;
        for (const watch of this.#watches.values()) watch.asked = false;
        this.#ask();
        this.#on.hello(message.user ?? null);
        break;
      case "cameras":
        this.#on.cameras(message.cameras);
        break;
      case "event":
        this.#on.event(message.event);
        break;
      case "begin":
        receiver?.begin(message.mime);
        break;
      case "unplayable":
        receiver?.unplayable(message.codec, message.reason);
        break;
      case "offline":
        receiver?.offline();
        break;
      case "end":
        this.#watches.delete(message.id);
        this.#ask();
        receiver?.end(message.reason ?? "");
        break;
      default: // Newer servers may tell more.
    }
  }

  #brought(data) {
    if (data.byteLength < HEADER_BYTES) return;
    const header = new DataView(data, 0, HEADER_BYTES);
    const receiver = this.#watches.get(header.getUint32(4))?.receiver;
    if (!receiver) return;
    const kind = header.getUint8(0);
    const body = new Uint8Array(data, HEADER_BYTES);
    if (kind === INIT) receiver.init(body);
    else if (kind === KEYFRAME || kind === OTHER) receiver.fragment(kind === KEYFRAME, body);
  }

  #expect(within) {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#silence = setTimeout(() => {
      socket?.close();
      // A connection whose other end is gone takes long to close.
      this.#lost(socket);
    }, within);
  }

  async #lost(socket) {
    if (socket !== this.#socket) return;
    clearTimeout(this.#silence);
    this.#socket = null;
    this.#greeted = false;
    if (!(await this.#on.down()) || this.#socket || this.#timer !== null) return;
    // Not all pages at once when a server comes back.
    const pause = Math.min(MAX_PAUSE_S, 2 ** this.#attempts) * (0.75 + Math.random() / 2);
    this.#attempts += 1;
    const at = performance.now() + 1000 * pause;
    const tick = () => {
      const left = (at - performance.now()) / 1000;
      if (left <= 0) this.open();
      else this.#on.waiting(Math.ceil(left));
    };
    this.#timer = setInterval(tick, 250);
    tick();
  }
}

/** How many cameras the server lets one page watch at the same time. */
export const MAX_WATCHES = 64;

const HEADER_BYTES = 8;
const INIT = 0;
const KEYFRAME = 1;
const OTHER = 2;
const MAX_ID = 0xffff_ffff;
const MAX_PAUSE_S = 10;
const CONNECT_MS = 10_000;
const SILENCE_MS = 30_000;
