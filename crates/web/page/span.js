// A piece of time, and how it is divided for people.

import { day as dayOf, minuteOfDay, timeOfDay } from "./moment.js";

/** From one moment to another. It does not change; what would change it makes another. */
export class Span {
  from;
  to;

  constructor(from, to) {
    this.from = from;
    this.to = to;
  }

  get length() {
    return this.to - this.from;
  }

  contains(moment) {
    return moment >= this.from && moment < this.to;
  }

  covers(other) {
    return this.from <= other.from && this.to >= other.to;
  }

  /** The moment at `fraction` of it. */
  at(fraction) {
    return this.from + fraction * this.length;
  }

  /** At which fraction of it `moment` is; below 0 or above 1 if that is outside. */
  fraction(moment) {
    return (moment - this.from) / this.length;
  }

  moved(ms) {
    return new Span(this.from + ms, this.to + ms);
  }

  /** `factor` times as long, from minutes to a month, with `around` where it was. */
  zoomed(factor, around) {
    const length = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, this.length * factor));
    const from = around - this.fraction(around) * length;
    return new Span(from, from + length);
  }

  /** As long as it is, with `moment` at `fraction`. */
  placed(moment, fraction) {
    return this.moved(moment - this.at(fraction));
  }
}

/**
 * The marks on a scale of `span`, so many that they stand `apart` or more of its width from each other: `{ at, text,
 * strong }`. They lie at full local hours and days.
 */
export function marks(span, apart) {
  const step = STEPS_S.find((seconds) => seconds * 1000 >= span.length * apart) ?? STEPS_S.at(-1);
  const days = Math.max(1, step / DAY_S);
  const all = [];
  // From midnight to midnight, for days may have 23 or 25 hours.
  const day = new Date(span.from);
  day.setHours(0, 0, 0, 0);
  day.setDate(day.getDate() - (numberOf(day) % days));
  while (day.getTime() < span.to && all.length < MOST) {
    const midnight = day.getTime();
    day.setDate(day.getDate() + days);
    for (const at of divided(midnight, day.getTime(), step, span)) {
      const strong = at === midnight;
      all.push({ at, strong, text: strong ? dayOf(at) : step < 60 ? timeOfDay(at) : minuteOfDay(at) });
    }
  }
  return all;
}

/** The moments within `span`, from a midnight on, that are `step` seconds apart on a clock that shows local time. */
function divided(midnight, end, step, span) {
  const ms = step * 1000;
  if (step < HOUR_S) {
    const first = midnight + ms * Math.max(0, Math.ceil((span.from - midnight) / ms));
    const count = Math.max(0, Math.ceil((Math.min(end, span.to) - first) / ms));
    return Array.from({ length: count }, (_, index) => first + index * ms);
  }
  const hour = (_, index) => new Date(midnight).setHours((index * step) / HOUR_S, 0, 0, 0);
  const hours = Array.from({ length: Math.ceil(DAY_S / step) }, hour);
  // An hour that a clock leaves out is the one after it.
  return [...new Set(hours)].filter((at) => span.contains(at));
}

/** Which day since 1970 begins at `midnight`, local time. */
function numberOf(midnight) {
  return Math.floor((midnight.getTime() - midnight.getTimezoneOffset() * 60_000) / (DAY_S * 1000));
}

const HOUR_S = 3600;
const DAY_S = 86_400;
const SHORTEST_MS = 60_000;
const LONGEST_MS = 31 * DAY_S * 1000;
const STEPS_S = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, DAY_S, 2 * DAY_S, 7 * DAY_S,
];
const MOST = 200;
