// Light or dark: as the system says, until somebody chooses.

/** Applies what was chosen earlier. */
export function restore() {
  apply(stored());
}

/** Goes to the next of: as the system, light, dark. Returns its name. */
export function next() {
  const following = THEMES[(THEMES.indexOf(stored()) + 1) % THEMES.length];
  try {
    localStorage.setItem(KEY, following);
  } catch {
    // Private windows of some browsers keep nothing; it holds until the page is left, then.
  }
  chosen = following;
  apply(following);
  return following;
}

function stored() {
  if (chosen) return chosen;
  try {
    const value = localStorage.getItem(KEY);
    return THEMES.includes(value) ? value : THEMES[0];
  } catch {
    return THEMES[0];
  }
}

function apply(theme) {
  if (theme === THEMES[0]) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

const KEY = "valkka.theme";
const THEMES = ["system", "light", "dark"];
let chosen = null;
