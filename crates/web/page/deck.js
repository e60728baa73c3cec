// Playing the archive: one clock, the cameras that follow it, and what it is steered with.

import { onAttention } from "./attention.js";
import { Clock } from "./clock.js";
import { element, setText } from "./dom.js";
import { ExportRow } from "./export.js";
import { GapList } from "./gaps.js";
import { dateAndTime } from "./moment.js";
import { notice } from "./notice.js";
import { Replay } from "./replay.js";
import { Span } from "./span.js";
import { Timeline } from "./timeline.js";
import { Transport } from "./transport.js";

/**
 * The archive of some cameras, `{ name, title, codec }` each. It is live until a moment is chosen; `on.live(live)` is
 * called when that changes, and `on.press(name)` when the name of a camera is pressed.
 */
export class Deck {
  /** The timeline with its buttons. The pictures are the owner's to place: see `replay`. */
  element;
  #recorder;
  #on;
  #cameras;
  #clock;
  #live = true;
  #replays = new Map();
  #timeline;
  #transport;
  #export;
  #gaps = new GapList((at) => this.seek(at));
  #told = element("p", { class: "told", role: "status" });
  #skipping = false;
  #silent = true;
  #starvingSince = null;
  #timer;
  #inattentive;
  #unlisten;

  constructor(cameras, recorder, on) {
    this.#cameras = cameras;
    this.#recorder = recorder;
    this.#on = on;
    this.#clock = new Clock(recorder.now);
    this.#timeline = new Timeline(cameras, recorder, {
      seek: (at) => this.seek(at),
      range: (from, to) => this.#choose(new Span(from, to)),
      press: (name) => on.press(name),
    });
    this.#transport = new Transport({
      play: () => this.#play(),
      reverse: () => this.#reverse(),
      step: (backwards) => this.#step(backwards),
      speed: (speed) => this.#setSpeed(speed),
      live: () => this.live(),
      seek: (at) => this.seek(at),
      zoom: (closer) => this.#timeline.zoom(closer ? 0.5 : 2),
      mark: (end) => this.#mark(end),
      skip: (whether) => (this.#skipping = whether),
    });
    this.#export = new ExportRow(() => this.#choose(null));
    this.element = element(
      "section",
      { class: "deck", "aria-label": "Archive" },
      this.#transport.element,
      this.#timeline.element,
      this.#export.element,
      element("div", { class: "below" }, this.#gaps.element, this.#told),
    );
    this.#timer = setInterval(() => this.#turn(), TURN_MS);
    this.#unlisten = recorder.onChange(() => this.#timeline.lanes.forEach((lane) => lane.update()));
    this.#timeline.lanes.forEach((lane) => lane.update());
    let resumes = false;
    this.#inattentive = onAttention((looking) => {
      if (!looking) resumes = this.#clock.playing;
      this.#clock.playing = looking && resumes;
    });
    this.#turn();
  }

  /** Whether it is live, and nothing of the archive is shown. */
  get isLive() {
    return this.#live;
  }

  /** The moment that is shown; NaN while it is live. */
  get moment() {
    return this.#live ? NaN : this.#clock.moment;
  }

  /** The rows of the cameras. */
  get lanes() {
    return this.#timeline.lanes;
  }

  /** What shows a camera's recording, from now on until it is given to `remove`. */
  replay(name) {
    const camera = this.#cameras.find((known) => known.name === name);
    const replay = new Replay(camera, this.#recorder);
    replay.silent = this.#silent;
    this.#replays.set(name, replay);
    return replay;
  }

  remove(name) {
    this.#replays.get(name)?.close();
    this.#replays.delete(name);
    this.#choose(this.#timeline.range);
  }

  /** Goes to a moment, and plays on from there if it was playing, or live. */
  seek(at) {
    const now = this.#recorder.now;
    const kept = Math.max(at, Math.min(now, this.#earliest()));
    if (kept >= now - LIVE_MS) {
      this.live();
      return;
    }
    this.#clock.moment = kept;
    this.#starvingSince = null;
    if (this.#live) {
      this.#clock.playing = true;
      this.#setLive(false);
    }
    this.#timeline.turn(this.#clock.moment, true);
    this.#turn();
    this.#tell();
  }

  /** Goes back to what the cameras show now. */
  live() {
    if (this.#live) return;
    this.#clock.playing = false;
    this.#clock.speed = 1;
    this.#setLive(true);
    for (const replay of this.#replays.values()) replay.rest();
    this.#timeline.turn(this.#recorder.now, true);
    this.#turn();
  }

  /** Whether nothing is heard. */
  get silent() {
    return this.#silent;
  }

  set silent(silent) {
    this.#silent = silent;
    for (const replay of this.#replays.values()) replay.silent = silent;
  }

  /** Does what a key is for. Returns whether it was for the archive; `arrows`: whether arrow keys are. */
  key(event, arrows) {
    const does = {
      " ": () => this.#play(),
      ",": () => this.#step(true),
      ".": () => this.#step(false),
      "[": () => this.#transport.change(false),
      "]": () => this.#transport.change(true),
      r: () => this.#reverse(),
      l: () => this.live(),
      i: () => this.#mark(false),
      o: () => this.#mark(true),
      g: () => this.#transport.ask(),
      s: () => this.#transport.toggleSkip(),
      n: () => this.#toGap(false),
      p: () => this.#toGap(true),
    }[event.key];
    // Buttons have the space bar for themselves.
    if (event.key === " " && event.target.closest?.("button, a, input, summary")) return false;
    if (event.key === "Escape" && this.#timeline.range !== null) this.#choose(null);
    else if (does) does();
    else return this.#timeline.key(event, arrows);
    return true;
  }

  close() {
    clearInterval(this.#timer);
    this.#inattentive();
    this.#unlisten();
    this.#timeline.close();
    this.#export.close();
    for (const replay of this.#replays.values()) replay.close();
    this.#replays.clear();
    this.element.remove();
  }

  // What the clock does.

  #turn() {
    if (!this.#live) this.#follow();
    const moment = this.#live ? this.#recorder.now : this.#clock.moment;
    this.#timeline.turn(moment);
    this.#gaps.update(this.#timeline.lanes, this.#timeline.span);
    const { speed, playing } = this.#clock;
    this.#transport.update({ moment, speed, playing, live: this.#live });
  }

  #follow() {
    const clock = this.#clock;
    const replays = [...this.#replays.values()];
    const at = clock.moment;
    for (const replay of replays) replay.show(at, clock);
    if (!clock.playing) return;
    // What cannot go faster is not left behind.
    const late = Math.max(0, ...replays.map((replay) => replay.lateness));
    if (late > 0) clock.moment -= late;
    // All wait for those whose pictures are about to come, but not for long.
    const starving = replays.some((replay) => replay.starving);
    const now = performance.now();
    this.#starvingSince = starving ? (this.#starvingSince ?? now) : null;
    clock.held = starving && now - this.#starvingSince < PATIENCE_MS;
    if (this.#skipping && replays.length > 0 && replays.every((replay) => replay.isGap(at))) this.#skip(at, replays);
    this.#mindTheEnds(at);
  }

  #skip(at, replays) {
    const backwards = this.#clock.speed < 0;
    const found = replays.map((replay) => replay.beyondGap(at, backwards)).filter((next) => next !== null);
    if (found.length > 0) this.#clock.moment = backwards ? Math.max(...found) - 1 : Math.min(...found);
  }

  #mindTheEnds(at) {
    const now = this.#recorder.now;
    const { speed } = this.#clock;
    if (speed < 0) {
      const first = this.#earliest();
      if (at > first) return;
      notice("Nothing older is kept.");
      this.#clock.playing = false;
      if (Number.isFinite(first)) this.#clock.moment = first;
      else this.live();
    } else if (at >= now - LIVE_MS) {
      this.live();
      notice("Live");
    } else if (speed > 1 && at > now - SLOWING_MS) {
      this.#clock.speed = 1;
    }
  }

  /** The first moment that is kept of any camera; `Infinity` if nothing is. */
  #earliest() {
    return Math.min(...this.#cameras.map(({ name }) => this.#recorder.of(name)?.from || Infinity));
  }

  #setLive(live) {
    this.#live = live;
    this.#clock.held = false;
    this.#on.live(live);
  }

  // What people do.

  /** Goes back a little if it is live. Returns whether there is something to go back to. */
  #leaveLive() {
    if (this.#live) this.seek(this.#recorder.now - BACK_MS);
    if (this.#live) notice("Nothing is recorded yet.");
    return !this.#live;
  }

  #play() {
    if (this.#live) this.#leaveLive();
    else this.#clock.playing = !this.#clock.playing;
    this.#turn();
  }

  #setSpeed(speed) {
    if (!this.#leaveLive()) return;
    this.#clock.speed = speed;
    this.#turn();
  }

  /** Backwards, or forwards again. */
  #reverse() {
    if (!this.#leaveLive()) return;
    const { speed } = this.#clock;
    this.#clock.playing = true;
    // Backwards there are no speeds below that of life.
    this.#setSpeed(-Math.sign(speed) * Math.max(1, Math.abs(speed)));
  }

  #step(backwards) {
    if (!this.#leaveLive()) return;
    this.#clock.playing = false;
    const first = this.#replays.values().next().value;
    if (first) this.#clock.moment = first.neighbour(this.#clock.moment, backwards);
    this.#turn();
  }

  #mark(end) {
    const at = this.#live ? this.#recorder.now : this.#clock.moment;
    const { from, to } = this.#timeline.range ?? { from: at, to: at };
    // The other mark goes along where this one passes it.
    this.#choose(end ? new Span(Math.min(from, at), at) : new Span(at, Math.max(to, at)));
  }

  #choose(range) {
    this.#timeline.range = range;
    this.#timeline.draw();
    this.#export.update(range, this.#cameras.filter(({ name }) => this.#replays.has(name)));
  }

  #toGap(backwards) {
    const at = this.#live ? this.#recorder.now : this.#clock.moment;
    const gaps = this.lanes.filter(({ name }) => this.#replays.has(name)).flatMap((lane) => lane.recordings.gaps);
    const starts = gaps.map((gap) => gap.from).filter((from) => (backwards ? from < at - 1 : from > at + 1));
    if (starts.length === 0) notice(backwards ? "No gap is known before this." : "No gap is known after this.");
    else this.seek(backwards ? Math.max(...starts) : Math.min(...starts));
  }

  /** Says what there is now, for those who do not see it. */
  #tell() {
    const at = this.#clock.moment;
    const shown = this.lanes.filter(({ name }) => this.#replays.has(name));
    const words = shown.map((lane) => (shown.length > 1 ? `${lane.title}: ${lane.describe(at)}` : lane.describe(at)));
    // What is not known yet is not said.
    setText(this.#told, [dateAndTime(at), ...words.filter((said) => !said.endsWith(": ") && said !== "")].join(". "));
  }
}

const TURN_MS = 80;
/** So close to now, it is live. */
const LIVE_MS = 1500;
/** So close to now, nothing is played faster than it comes. */
const SLOWING_MS = 10_000;
/** From live, playing begins so far back. */
const BACK_MS = 10_000;
const PATIENCE_MS = 8000;
