// The page: what is shown under which address, and what the keys do.

import { ARCHIVE, cameraAddress, cameraIn, isPage, momentAddress, momentIn } from "./address.js";
import { get, post } from "./api.js";
import { ArchivePage } from "./archive.js";
import { Bar } from "./bar.js";
import { CameraPage, toggleFullScreen, toggleSound } from "./camera.js";
import { element, setText } from "./dom.js";
import { EventDrawer, EventLog } from "./events.js";
import { helpDialog } from "./help.js";
import { loginForm } from "./login.js";
import { notice } from "./notice.js";
import { Recorder } from "./recorder.js";
import { Socket } from "./socket.js";
import * as theme from "./theme.js";
import { Wall } from "./wall.js";

class App {
  #cameras = [];
  /** Whether the server has said which cameras there are. */
  #known = false;
  /** What is shown in the place of the wall: `{ path, name, view }`, without a name if it is no camera's; or null. */
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
    event: (event) => {
      this.#log.add(event);
      this.#recorder.heard(event);
    },
    down: () => this.#down(),
    waiting: (seconds) => this.#waiting(seconds),
  });
  #recorder = new Recorder();
  #wall = new Wall(this.#socket, this.#recorder);
  #drawer = new EventDrawer(
    () => this.#toggleEvents(),
    (event) => {
      const path = event.camera ? cameraAddress(event.camera) : ARCHIVE;
      return this.#recorder.configured ? momentAddress(path, event.time) : null;
    },
  );
  #help = helpDialog();
  #login = loginForm(() => this.#enter());
  #loggedIn = false;

  #bar = new Bar({
    events: () => this.#toggleEvents(),
    theme: () => this.#nextTheme(),
    full: () => this.#toggleFullScreen(),
    help: () => this.#help.showModal(),
    leave: () => this.#logOut(),
  });
  #banner = element("p", { class: "banner", role: "status", hidden: true });
  #main = element("main", {}, this.#wall.element, this.#drawer.element, this.#banner);

  constructor() {
    theme.restore();
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("popstate", () => this.#returned());
    document.addEventListener("click", (event) => this.#click(event));
    document.addEventListener("fullscreenchange", () =>
      document.body.classList.toggle("full", Boolean(document.fullscreenElement)),
    );
    this.#recorder.onChange(() => {
      this.#bar.archive = this.#recorder.configured;
    });
    this.#enter();
  }

  // Who is there.

  /** Shows the cameras if the server lets us, or asks for a name and a password. */
  async #enter() {
    if (!(await this.#mayEnter())) return;
    this.#loggedIn = true;
    this.#login.element.remove();
    document.body.replaceChildren(this.#bar.element, this.#main, this.#help);
    this.#recorder.start();
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
    this.#recorder.stop();
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
    this.#bar.user = user;
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
    if (this.#known) this.#recorder.update(this.#cameras);
    if (this.#loggedIn) this.#route();
    const shown = this.#page?.name && this.#cameras.find((status) => status.name === this.#page.name);
    if (this.#page) this.#page.view.update(shown || this.#cameras);
    this.#summarise();
  }

  #summarise() {
    const online = this.#cameras.filter((status) => status.state === "online").length;
    const number = this.#cameras.length;
    const cameras = number === 1 ? "1 camera" : `${number} cameras`;
    const all = online === number ? `${cameras}, all online` : `${cameras}, ${online} online`;
    this.#bar.summary = number === 0 || this.#page ? "" : all;
  }

  /** Shows what the address says. */
  #route() {
    const path = location.pathname;
    const name = cameraIn(path);
    const status = this.#cameras.find((camera) => camera.name === name);
    const there = path === ARCHIVE ? this.#known : Boolean(status);
    if (this.#page && (this.#page.path !== path || !there)) this.#closePage();
    if (there && !this.#page) this.#openPage(path, status ?? null);
    const unknown = name !== null && !status && this.#known;
    const title = status?.title || name || "Archive";
    this.#bar.title = this.#page ? title : unknown ? `No camera “${name}”` : "Valkka";
    document.title = this.#page ? `${title} – Valkka` : "Valkka";
    document.body.classList.toggle("single", this.#page !== null || unknown);
    this.#wall.element.hidden = this.#page !== null;
    // The picture has a button of its own.
    this.#bar.fullable = this.#page === null;
    this.#summarise();
  }

  /** Opens the page of a camera, or of the archive if there is no status of one. */
  #openPage(path, status) {
    this.#wall.silence();
    // Links may lead to a moment.
    const at = momentIn(location.search);
    const operable = this.#me?.cameras?.[status?.name] !== "viewer";
    const view = status
      ? new CameraPage(this.#socket, this.#recorder, status, operable, at)
      : new ArchivePage(this.#socket, this.#recorder, this.#cameras, at);
    this.#page = { path, name: status?.name ?? null, view };
    this.#main.prepend(view.element);
    view.events(this.#events);
  }

  #closePage() {
    if (!this.#page) return;
    const { name, view } = this.#page;
    this.#page = null;
    view.close();
    this.#wall.element.hidden = false;
    if (name !== null) this.#wall.select(name);
  }

  #showEvents(events) {
    this.#events = events;
    this.#drawer.update(events, new Map(this.#cameras.map((status) => [status.name, status.title || status.name])));
    this.#page?.view.events(events);
  }

  #go(path, search = "") {
    if (location.pathname !== path || search !== "") history.pushState(null, "", path + search);
    const before = this.#page;
    this.#route();
    // A page that was there already has not looked at the address.
    if (this.#page !== null && this.#page === before) this.#page.view.seek(momentIn(search));
  }

  /** Somebody went back to an address, or forth: it may be another moment of the page that is there. */
  #returned() {
    const before = this.#page;
    this.#route();
    if (this.#page === null || this.#page !== before) return;
    const at = momentIn(location.search);
    if (Number.isNaN(at)) this.#page.view.live();
    else this.#page.view.seek(at);
  }

  /** Links within the page need no other page. */
  #click(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || link.target || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
      return;
    if (link.origin !== location.origin || !isPage(link.pathname)) return;
    event.preventDefault();
    this.#go(link.pathname, link.search);
  }

  // What people do.

  #key(event) {
    const typing = event.target.matches?.("input:not([readonly], [type=checkbox]), select");
    if (!this.#loggedIn || typing || event.ctrlKey || event.metaKey || event.altKey || this.#help.open) return;
    if (this.#page?.view.key(event) || this.#press(event.key)) event.preventDefault();
  }

  #press(key) {
    switch (key) {
      case "Escape":
        return this.#escape();
      case "?":
        this.#help.showModal();
        return true;
      case "a":
        if (this.#recorder.configured) this.#go(location.pathname === ARCHIVE ? "/" : ARCHIVE);
        else notice("Nothing is recorded here.");
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
    if (camera) this.#go(cameraAddress(camera.name));
    return Boolean(camera);
  }

  #neighbour(key) {
    if (this.#page.name === null) return false;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    const now = this.#cameras.findIndex((status) => status.name === this.#page.name);
    return step !== undefined && this.#openNumber(now + step);
  }

  #toggleEvents() {
    this.#drawer.open = !this.#drawer.open;
    this.#bar.eventsOpen = this.#drawer.open;
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

/** Camera 2 comes before camera 10. */
const ORDER = new Intl.Collator(undefined, { numeric: true });

new App();
