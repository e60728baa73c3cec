// The picture of one camera, or the words in its place.

import { cameraPath } from "./api.js";
import { element, setText } from "./dom.js";
import { sentence, stateWords } from "./format.js";
import { picture, widthFor } from "./picture.js";
import { Player } from "./player.js";
import { playsFed, playsType } from "./reel.js";

/** Shows one camera while it is started. Whatever happens meanwhile, the last picture stays until there is another. */
export class Screen {
  /** What is shown. */
  element;
  /** Whether the stream has sound that this browser plays. */
  audible = false;
  #socket;
  #camera;
  #status;
  #watch = null;
  #started = false;
  /** The players: one that shows pictures, and before it has any, the one before it. */
  #player = null;
  #previous = null;
  /** Why there are no moving pictures, though the camera is online; null if there are or will be. */
  #refusal = null;
  #failures = 0;
  #retry = null;
  #snapshots = null;
  #silent = true;
  #title = element("strong");
  #text = element("span");
  #words = element("div", { class: "words" }, this.#title, this.#text);
  #still = element("img", { class: "still", alt: "", hidden: true });

  constructor(socket, status) {
    this.#socket = socket;
    this.#camera = status.name;
    this.#status = status;
    this.element = element("div", { class: "screen" }, this.#still, this.#words);
    this.#say();
  }

  /** Asks for pictures. */
  start() {
    if (this.#started) return;
    this.#started = true;
    this.#begin();
  }

  /** Asks for no more pictures, and lets go of the decoder. */
  stop() {
    this.#started = false;
    this.#end();
    this.#refuse(null);
    this.#drop();
    this.#say();
  }

  /** Takes what the server says about the camera. */
  update(status) {
    const before = this.#status;
    this.#status = status;
    const changed = ["state", "codec", "width", "height"].some((key) => before[key] !== status[key]);
    // What could not be played may be another stream now.
    if (changed && status.state === "online" && this.#refusal && this.#started) this.#again(0);
    this.#say();
  }

  /** The name of the camera. */
  get name() {
    return this.#camera;
  }

  /** Whether nothing is heard. */
  get silent() {
    return this.#silent;
  }

  set silent(silent) {
    this.#silent = silent;
    if (this.#player) this.#player.video.muted = silent;
  }

  /** Seconds behind live; null when nothing is played. */
  get behind() {
    return this.#player?.behind ?? null;
  }

  // What the socket calls.

  begin(mime) {
    if (!playsType(mime)) {
      // Nothing more of it is sent.
      this.#unwatch();
      this.#refuse(`This browser cannot play ${playsFed() ? (this.#status.codec ?? "this codec") : "live video"}.`);
      return;
    }
    this.#refuse(null);
    this.audible = /mp4a|opus/i.test(mime);
    this.#succeed();
    const player = new Player(mime, {
      shown: () => this.#shown(player),
      failed: (cause) => this.#failed(player, cause),
    });
    player.video.muted = this.#silent;
    player.video.setAttribute("aria-label", `Live picture of ${this.#status.title}`);
    this.#player = player;
    this.element.prepend(player.video);
    this.#say();
  }

  init(data) {
    this.#player?.append(data, { init: true });
  }

  fragment(keyframe, data) {
    this.#player?.append(data, { keyframe });
  }

  unplayable(codec, reason) {
    this.#refuse(`${codec}: ${reason}.`);
  }

  offline() {
    this.#refuse(null);
  }

  end(reason) {
    this.#watch = null;
    this.#refuse(reason ? `${sentence(reason)}.` : "The server has ended this.");
    this.#again(END_PAUSE_MS);
  }

  // What follows from it.

  #begin() {
    if (this.#watch === null) this.#watch = this.#socket.watch(this.#camera, this);
  }

  #unwatch() {
    if (this.#watch !== null) this.#socket.unwatch(this.#watch);
    this.#watch = null;
  }

  #end() {
    clearTimeout(this.#retry);
    this.#retry = null;
    this.#unwatch();
  }

  /** Begins anew: the server starts each watch at a key frame. */
  #again(pause) {
    this.#end();
    this.#retry = setTimeout(() => this.#begin(), pause);
  }

  /** Makes room for the next player. The picture of the one before stays until there is another. */
  #succeed() {
    if (this.#player?.hasPicture && !crowded()) {
      this.#previous?.close();
      this.#previous = this.#player;
      this.#previous.video.muted = true;
    } else {
      this.#player?.close();
    }
    this.#player = null;
  }

  #drop() {
    this.#player?.close();
    this.#previous?.close();
    this.#player = null;
    this.#previous = null;
  }

  #shown(player) {
    if (player !== this.#player) return;
    this.#previous?.close();
    this.#previous = null;
    player.video.classList.add("shown");
    this.#still.hidden = true;
    this.#say();
    const fine = () => {
      if (player === this.#player) this.#failures = 0;
    };
    setTimeout(fine, FINE_MS);
  }

  #failed(player, cause) {
    if (player !== this.#player || !this.#started) return;
    console.info(`${this.#camera}: ${cause}; beginning anew`);
    this.#failures += 1;
    if (this.#failures < MAX_FAILURES) {
      this.#again(RETRY_MS * this.#failures);
      return;
    }
    this.#refuse(`This browser cannot play it: ${cause}.`);
    this.#again(REFUSED_RETRY_MS);
  }

  /** Says why there are no moving pictures, over stills of the camera; null ends that. */
  #refuse(reason) {
    if (reason === this.#refusal) return;
    this.#refusal = reason;
    clearInterval(this.#snapshots);
    this.#snapshots = null;
    if (reason !== null) {
      this.#drop();
      this.#snapshot();
      this.#snapshots = setInterval(() => this.#snapshot(), SNAPSHOT_MS);
    }
    this.#say();
  }

  async #snapshot() {
    if (document.visibilityState === "hidden" || this.#status.state !== "online") return;
    try {
      const path = cameraPath(this.#camera, `/snapshot.jpg?width=${widthFor(this.element)}`);
      const { image: still } = await picture(path);
      if (this.#refusal === null) return;
      still.className = "still";
      this.#still.replaceWith(still);
      this.#still = still;
    } catch {
      // The next one may be there.
    }
  }

  #say() {
    const words =
      stateWords(this.#status) ??
      (this.#refusal === null ? null : { title: "", text: `${this.#refusal} ${SNAPSHOT_WORDS}`, caption: true });
    const shown = this.#player?.hasPicture || this.#previous !== null;
    const { element: screen } = this;
    screen.classList.toggle("stale", stateWords(this.#status) !== null);
    screen.classList.toggle("caption", words?.caption ?? false);
    screen.classList.toggle("waiting", words === null && !shown);
    setText(this.#title, words?.title ?? "");
    setText(this.#text, words?.text ?? "");
    this.#words.hidden = words === null;
  }
}

/** Whether there are so many players that none can be spared: browsers allow some dozens in a page. */
function crowded() {
  return document.querySelectorAll("video").length > MANY_PLAYERS;
}

const MANY_PLAYERS = 30;
const END_PAUSE_MS = 5000;
const RETRY_MS = 500;
const REFUSED_RETRY_MS = 30_000;
const FINE_MS = 10_000;
const MAX_FAILURES = 4;
const SNAPSHOT_MS = 5000;
const SNAPSHOT_WORDS = `Snapshots every ${SNAPSHOT_MS / 1000} s.`;
