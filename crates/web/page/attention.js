// Whether anybody looks at the page.

/**
 * Calls `change(looking)` now, when the page has been hidden for a while, and when it is seen again. Returns what ends
 * that.
 */
export function onAttention(change) {
  let looking = true;
  let timer = null;
  const tell = (now) => {
    if (looking === now) return;
    looking = now;
    change(now);
  };
  const visibility = () => {
    clearTimeout(timer);
    // Somebody who looks something up in another tab for a moment finds the pictures going on.
    if (document.visibilityState === "hidden") timer = setTimeout(() => tell(false), AWAY_MS);
    else tell(true);
  };
  document.addEventListener("visibilitychange", visibility);
  change(looking);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", visibility);
  };
}

const AWAY_MS = 30_000;
