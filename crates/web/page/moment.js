// Moments: milliseconds since 1970, with fractions. The server takes and gives RFC 3339, people local time.

/** The moment that the server wrote; NaN if it is none. */
export function read(text) {
  // Dates of browsers end at milliseconds; pictures are told apart by microseconds.
  const [, whole, fraction, zone] = /^(.+T\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text ?? "") ?? [];
  return whole === undefined ? NaN : Date.parse(whole + zone) + 1000 * Number(fraction ?? 0);
}

/** The moment as the server reads it. One of whole milliseconds stands for all of that millisecond there, too. */
export function write(moment) {
  const micros = Math.round(moment * 1000);
  const seconds = Math.floor(micros / 1e6);
  const digits = micros % 1000 === 0 ? 3 : 6;
  const fraction = String(micros - seconds * 1e6).padStart(6, "0").slice(0, digits);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

/** The time of day, to the second. */
export function timeOfDay(moment) {
  return TIME.format(moment);
}

/** The date and the time of day, to the second. */
export function dateAndTime(moment) {
  return `${DATE.format(moment)}, ${TIME.format(moment)}`;
}

/** The date and the time of day, to the millisecond. */
export function exactly(moment) {
  return `${DATE.format(moment)}, ${EXACT.format(moment)}`;
}

/** The date, without its year. */
export function day(moment) {
  return DAY.format(moment);
}

/** The time of day, to the minute. */
export function minuteOfDay(moment) {
  return MINUTE.format(moment);
}

/** A length of time, in its two greatest units: "2 h 5 min". */
export function lengthOf(ms) {
  let left = Math.max(0, Math.round(ms / 1000));
  const parts = [];
  for (const [unit, seconds] of UNITS) {
    const number = Math.floor(left / seconds);
    if (number > 0) parts.push(`${number} ${unit}`);
    else if (parts.length > 0) break;
    left -= number * seconds;
  }
  return parts.slice(0, 2).join(" ") || (ms > 0 ? "less than 1 s" : "0 s");
}

/** As a field for local date and time takes it. */
export function toField(moment) {
  const local = new Date(moment - new Date(moment).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}

/** What stands in such a field; NaN if nothing does. */
export function fromField(text) {
  return new Date(text).getTime();
}

const DAY = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });
const OF_DAY = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const MINUTE = new Intl.DateTimeFormat(undefined, OF_DAY);
const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const TIME = new Intl.DateTimeFormat(undefined, { ...OF_DAY, second: "2-digit" });
const EXACT = new Intl.DateTimeFormat(undefined, { ...OF_DAY, second: "2-digit", fractionalSecondDigits: 3 });
const UNITS = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];
