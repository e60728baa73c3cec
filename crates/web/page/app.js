// The page: what is shown under which address, and what the keys do.

import { get, post } from "./api.js";
import { CameraPage, toggleFullScreen, toggleSound } from "./camera.js";
import { ICONS, element, iconButton, setText } from "./dom.js";
import { EventDrawer, EventLog } from "./events.js";
import { helpDialog } from "./help.js";
import { loginForm } from "./login.js";
import { notice } from "./notice.js";
import { Socket } from "./socket.js";
import * as theme from "./theme.js";
import { Wall } from "./wall.js";

class App {
  #cameras = [];
  /** Whether the server has said which cameras there are. */
  #known = false;
  #page = null;
  /** Who is logged in, and what he may do with which camera. */
  #me = null;
  #log = new EventLog((events) => this.#showEvents(events));
  #events = [];
  #socket = new Socket({
    hello: (user) => this.#connected(user),
    cameras: (list) => {
      this.#known = true;
      this.#update(list);
    },
    event: (event) => this.#log.add(event),
    down: () => this.#down(),
    waiting: (seconds) => this.#waiting(seconds),
  });
  #wall = new Wall(this.#socket);
  #drawer = new EventDrawer(() => this.#toggleEvents());
  #help = helpDialog();
  #login = loginForm(() => this.#enter());
  #loggedIn = false;

  #back = element("a", { class: "back", href: "/", "aria-label": "All cameras", title: "All cameras (Esc)" });
  #title = element("h1");
  #summary = element("p", { class: "summary" });
  #who = element("span", { class: "who" });
  #leave = iconButton(ICONS.leave, "Log out", () => this.#logOut());
  #eventsButton = iconButton(ICONS.events, "Events (e)", () => this.#toggleEvents());
  #fullButton = iconButton(ICONS.full, "Full screen (f)", () => this.#toggleFullScreen());
  #bar = element(
    "header",
    { class: "bar" },
    this.#back,
    this.#title,
    this.#summary,
    element(
      "nav",
      { "aria-label": "Page" },
      this.#eventsButton,
      iconButton(ICONS.theme, "Theme (t)", () => this.#nextTheme()),
      this.#fullButton,
      iconButton(ICONS.help, "Keys (?)", () => this.#help.showModal()),
      this.#who,
      this.#leave,
    ),
  );
  #banner = element("p", { class: "banner", role: "status", hidden: true });
  #main = element("main", {}, this.#wall.element, this.#drawer.element, this.#banner);

  constructor() {
    theme.restore();
    this.#back.append(element("span", { class: "mark", "aria-hidden": "true" }));
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("popstate", () => this.#route());
    document.addEventListener("click", (event) => this.#click(event));
    document.addEventListener("fullscreenchange", () =>
      document.body.classList.toggle("full", Boolean(document.fullscreenElement)),
    );
    this.#enter();
  }

  // Who is there.

  /** Shows the cameras if the server lets us, or asks for a name and a password. */
  async #enter() {
    if (!(await this.#mayEnter())) return;
    this.#loggedIn = true;
    this.#login.element.remove();
    document.body.replaceChildren(this.#bar, this.#main, this.#help);
    this.#route();
    this.#socket.open();
  }

  /** Whether the server lets us in. If it wants to know first who we are, it is asked for. */
  async #mayEnter() {
    try {
      this.#me = await get("/api/me");
    } catch (error) {
      if (error.status === 401) {
        this.#askForLogin();
        return false;
      }
      // A server that is not there now may be there soon.
    }
    return true;
  }

  #askForLogin() {
    this.#loggedIn = false;
    this.#socket.close();
    this.#known = false;
    this.#update([]);
    this.#log.clear();
    this.#closePage();
    document.title = "Valkka";
    document.body.replaceChildren(this.#login.element);
    this.#login.focus();
  }

  async #logOut() {
    try {
      await post("/api/logout");
    } catch (error) {
      notice(`Not logged out: ${error.message}.`);
      return;
    }
    this.#askForLogin();
  }

  // The connection.

  #connected(user) {
    this.#banner.hidden = true;
    document.body.classList.remove("unconnected");
    setText(this.#who, user ?? "");
    this.#leave.hidden = user === null;
    this.#log.load().catch(() => {
      // What happens from now on is told by the socket anyway.
    });
  }

  /** Whether to connect again. */
  async #down() {
    document.body.classList.add("unconnected");
    return (await this.#mayEnter()) && this.#loggedIn;
  }

  #waiting(seconds) {
    setText(this.#banner, `Not connected. Trying again in ${seconds} s.`);
    this.#banner.hidden = false;
  }

  // What is shown.

  #update(cameras) {
    this.#cameras = [...cameras].sort(
      (a, b) => ORDER.compare(a.title || a.name, b.title || b.name) || ORDER.compare(a.name, b.name),
    );
    this.#wall.update(this.#cameras, this.#known);
    if (this.#loggedIn) this.#route();
    const shown = this.#page && this.#cameras.find((status) => status.name === this.#page.name);
    if (shown) this.#page.view.update(shown);
    this.#summarise();
  }

  #summarise() {
    const online = this.#cameras.filter((status) => status.state === "online").length;
    const number = this.#cameras.length;
    const cameras = number === 1 ? "1 camera" : `${number} cameras`;
    setText(
      this.#summary,
      number === 0 || this.#page ? "" : online === number ? `${cameras}, all online` : `${cameras}, ${online} online`,
    );
  }

  /** Shows what the address says. */
  #route() {
    const name = cameraIn(location.pathname);
    const status = this.#cameras.find((camera) => camera.name === name);
    if (this.#page && (this.#page.name !== name || !status)) this.#closePage();
    if (status && !this.#page) this.#openPage(status);
    const unknown = name !== null && !status && this.#known;
    setText(this.#title, this.#page ? status?.title || name : unknown ? `No camera “${name}”` : "Valkka");
    document.title = this.#page ? `${status?.title || name} – Valkka` : "Valkka";
    document.body.classList.toggle("single", this.#page !== null || unknown);
    this.#wall.element.hidden = this.#page !== null;
    // The picture has a button of its own.
    this.#fullButton.hidden = this.#page !== null;
    this.#summarise();
  }

  #openPage(status) {
    this.#wall.silence();
    const view = new CameraPage(this.#socket, status, this.#me?.cameras?.[status.name] !== "viewer");
    this.#page = { name: status.name, view };
    this.#main.prepend(view.element);
    view.events(this.#events);
  }

  #closePage() {
    if (!this.#page) return;
    const { name, view } = this.#page;
    this.#page = null;
    view.close();
    this.#wall.element.hidden = false;
    this.#wall.select(name);
  }

  #showEvents(events) {
    this.#events = events;
    this.#drawer.update(events, new Map(this.#cameras.map((status) => [status.name, status.title || status.name])));
    this.#page?.view.events(events);
  }

  #go(path) {
    if (location.pathname !== path) history.pushState(null, "", path);
    this.#route();
  }

  /** Links within the page need no other page. */
  #click(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || link.target || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
      return;
    if (link.origin !== location.origin || !(link.pathname === "/" || cameraIn(link.pathname) !== null)) return;
    event.preventDefault();
    this.#go(link.pathname);
  }

  // What people do.

  #key(event) {
    const typing = event.target.matches?.("input:not([readonly])");
    if (!this.#loggedIn || typing || event.ctrlKey || event.metaKey || event.altKey || this.#help.open) return;
    if (this.#press(event.key)) event.preventDefault();
  }

  #press(key) {
    switch (key) {
      case "Escape":
        return this.#escape();
      case "?":
        this.#help.showModal();
        return true;
      case "e":
        this.#toggleEvents();
        return true;
      case "f":
        this.#toggleFullScreen();
        return true;
      case "m":
        this.#toggleSound();
        return true;
      case "t":
        this.#nextTheme();
        return true;
      default:
        if (/^[1-9]$/.test(key)) return this.#openNumber(Number(key) - 1);
        return this.#page ? this.#neighbour(key) : this.#wall.move(key);
    }
  }

  /** One step back: from full screen the browser does it, then the drawer, then the camera. */
  #escape() {
    if (document.fullscreenElement) return false;
    if (this.#drawer.open) this.#toggleEvents();
    else if (location.pathname !== "/") this.#go("/");
    else return false;
    return true;
  }

  #openNumber(index) {
    const camera = this.#cameras[index];
    if (camera) this.#go(`/cameras/${encodeURIComponent(camera.name)}`);
    return Boolean(camera);
  }

  #neighbour(key) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    const now = this.#cameras.findIndex((status) => status.name === this.#page.name);
    return step !== undefined && this.#openNumber(now + step);
  }

  #toggleEvents() {
    this.#drawer.open = !this.#drawer.open;
    this.#eventsButton.setAttribute("aria-expanded", String(this.#drawer.open));
  }

  #toggleFullScreen() {
    if (this.#page) this.#page.view.toggleFullScreen();
    else toggleFullScreen(document.documentElement);
  }

  #toggleSound() {
    if (this.#page) {
      this.#page.view.toggleSound();
      return;
    }
    const { selected } = this.#wall;
    this.#wall.silence(selected);
    if (selected) toggleSound(selected);
    else notice("Choose a camera with the arrow keys to hear it.");
  }

  #nextTheme() {
    notice(`Theme: ${theme.next()}`);
  }
}

/** The camera whose page is at `path`, or null. */
function cameraIn(path) {
  const name = /^\/cameras\/([^/]+)$/.exec(path)?.[1];
  try {
    return name === undefined ? null : decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** Camera 2 comes before camera 10. */
const ORDER = new Intl.Collator(undefined, { numeric: true });

new App();
