// The time that the archive is shown at.

/**
 * A clock that can be set, stopped and run at any speed, backwards too. All cameras follow one, so they are in step
 * whatever each of them has to show: the moment is a base plus speed times what has passed since.
 */
export class Clock {
  #base;
  #since = performance.now();
  #speed = 1;
  #playing = false;
  #held = false;

  constructor(moment) {
    this.#base = moment;
  }

  /** The moment. */
  get moment() {
    return this.running ? this.#base + this.#speed * (performance.now() - this.#since) : this.#base;
  }

  set moment(moment) {
    this.#base = moment;
    this.#since = performance.now();
  }

  /** Seconds of the archive per second; below 0 backwards. */
  get speed() {
    return this.#speed;
  }

  set speed(speed) {
    this.#rebase();
    this.#speed = speed;
  }

  /** Whether it is to run. */
  get playing() {
    return this.#playing;
  }

  set playing(playing) {
    this.#rebase();
    this.#playing = playing;
  }

  /** Whether it stands for a moment though it is to run, because pictures are still to come. */
  get held() {
    return this.#held;
  }

  set held(held) {
    if (held === this.#held) return;
    this.#rebase();
    this.#held = held;
  }

  /** Whether it runs. */
  get running() {
    return this.#playing && !this.#held;
  }

  #rebase() {
    this.moment = this.moment;
  }
}
