// A video that is fed piece by piece.

/** Whether this browser plays video that is fed to it at all. */
export function playsFed() {
  return Boolean(Source);
}

/** Whether it plays video of this type. */
export function playsType(mime) {
  return playsFed() && Source.isTypeSupported(mime);
}

/**
 * A video element and the buffer that feeds it. `on.ready()` is called when the buffer is there, and each time it has taken
 * something; `on.shown()` when the first picture is there; and `on.failed(reason)` when it does not play, at most once.
 * Nothing is called after `close`.
 */
export class Reel {
  /** The element that shows the pictures. */
  video = document.createElement("video");
  /** What takes one thing at a time; null before it is ready. */
  buffer = null;
  #on;
  #source = new Source();
  #closed = new AbortController();
  /** When the time last moved on, and when that was looked at last. */
  #time = 0;
  #movedAt = performance.now();
  #lookedAt = performance.now();

  constructor(mime, on) {
    this.#on = on;
    const { video } = this;
    // Only silent videos may start without a click.
    video.muted = true;
    video.playsInline = true;
    video.disableRemotePlayback = true;
    video.tabIndex = -1;
    video.addEventListener("loadeddata", () => this.isClosed || on.shown(), { once: true });
    video.addEventListener("error", () => this.fail(video.error?.message || "the pictures cannot be decoded"));
    const address = URL.createObjectURL(this.#source);
    const opened = () => {
      URL.revokeObjectURL(address);
      this.#open(mime);
    };
    this.#source.addEventListener("sourceopen", opened, { once: true });
    video.src = address;
  }

  /** Whether it is closed, or has failed. */
  get isClosed() {
    return this.signal.aborted;
  }

  /** Says when that happens. */
  get signal() {
    return this.#closed.signal;
  }

  /** The times that are in the buffer; null where there is none. */
  get ranges() {
    try {
      return this.buffer?.buffered ?? null;
    } catch {
      // The element has let go of the buffer, after an error that it tells, too.
      return null;
    }
  }

  /** For how many milliseconds the time has not moved on. To be asked again and again while there is reason for it to. */
  get still() {
    const { currentTime } = this.video;
    const now = performance.now();
    // Browsers hold up hidden pages as they like, and what is not looked at for a while has had no need to move.
    const excused = now - this.#lookedAt > IDLE_MS || document.visibilityState === "hidden";
    if (currentTime !== this.#time || excused) {
      this.#time = currentTime;
      this.#movedAt = now;
    }
    this.#lookedAt = now;
    return now - this.#movedAt;
  }

  /** Says that it does not play. The last picture stays until it is closed. */
  fail(reason) {
    if (this.isClosed) return;
    this.#closed.abort();
    this.video.pause();
    this.#on.failed(reason);
  }

  /** Stops, and lets go of the decoder. The last picture goes too. */
  close() {
    this.#closed.abort();
    this.video.pause();
    this.video.removeAttribute("src");
    // Without this, browsers keep the decoder until the element is collected.
    this.video.load();
    this.video.remove();
  }

  #open(mime) {
    if (this.isClosed) return;
    try {
      this.buffer = this.#source.addSourceBuffer(mime);
    } catch (error) {
      this.fail(error.message);
      return;
    }
    this.buffer.addEventListener("updateend", () => this.isClosed || this.#on.ready());
    this.#on.ready();
  }
}

/** What feeds a video. Safari on telephones has only the managed kind. */
const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;

const IDLE_MS = 1500;
