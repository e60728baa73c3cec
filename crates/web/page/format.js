// Figures as people read them.

/** The line under a picture: "25 fps · 1.9 Mbit/s". */
export function figures(status) {
  const parts = [];
  if (status.fps > 0) parts.push(`${rate(status.fps)} fps`);
  if (status.kbit_s > 0) parts.push(bits(status.kbit_s));
  return parts.join(" · ");
}

/** Pictures per second, with a digit after the point only where that says something. */
export function rate(fps) {
  const rounded = Math.round(fps);
  return Math.abs(fps - rounded) < 0.25 ? String(rounded) : fps.toFixed(1);
}

/** A bit rate. */
export function bits(kbit) {
  return kbit >= 1000 ? `${(kbit / 1000).toFixed(1)} Mbit/s` : `${Math.round(kbit)} kbit/s`;
}

/** A count, with its thousands apart. */
export function count(number) {
  return COUNT.format(number);
}

/** What is to be said over the picture of a camera in this state; null while it is online. */
export function stateWords(status) {
  const because = status.reason ? sentence(status.reason) : "";
  switch (status.state) {
    case "online":
      return null;
    case "connecting":
      return { title: "Connecting", text: because };
    case "failed":
      return { title: "Failed", text: because };
    default:
      return { title: "Offline", text: because };
  }
}

/** The state as one word. */
export function stateName(state) {
  return { online: "Online", connecting: "Connecting", failed: "Failed" }[state] ?? "Offline";
}

/** An event's time of day, and the date if it was not today. */
export function time(text) {
  const then = new Date(text);
  if (Number.isNaN(then.getTime())) return text;
  const today = then.toDateString() === new Date().toDateString();
  return (today ? TIME : DATE).format(then);
}

/** Starts with a capital, as messages of a program do not. */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const COUNT = new Intl.NumberFormat();
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
