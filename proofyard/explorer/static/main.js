// The frame of all pages: where one is (the address), which moment is shown (the line below), and whether the market still answers.
import { h, keep, Lost, Told } from "./dom.js";
import { redraw } from "./charts.js";
import { clock, count, readJson, setDecimals } from "./words.js";
import { PAGES, pageOf } from "./pages.js";

const $ = (id) => document.getElementById(id);
const QUIET_MS = 60_000; // a market without a new row for so long is not called live
const SILENT_MS = 10_000; // without a sign of life the connection is lost
const state = { rows: Infinity, shown: 0, growing: false, playing: null, heard: 0, written: 0, lost: "", failed: "" };

// Where one is: `#/requests/12?at=500&sort=paid` -> path ["requests", "12"], query.
export function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query ?? "") };
}

function go(changes, replace = true) {
  const { path, query } = place();
  for (const [name, value] of Object.entries(changes)) value === null || value === "" ? query.delete(name) : query.set(name, value);
  const text = query.toString();
  const to = `#/${path.map(encodeURIComponent).join("/")}${text ? "?" + text : ""}`;
  if (to === location.hash) return;
  if (replace) { history.replaceState(null, "", to); show(); } else location.hash = to;
}

const at = () => { const text = place().query.get("at"); return text === null ? null : Math.max(0, Math.min(state.rows, Number.parseInt(text, 10) || 0)); };

// An answer and its text. Browsers call a lost connection each by other words, so it gets a class of its own.
async function hear(address) {
  try {
    const answer = await fetch(address, { headers: { accept: "application/json" } });
    return [answer, await answer.text()];
  } catch {
    throw new Lost("The connection is lost.");
  }
}

function read(text) {
  try { return readJson(text); } catch { return null; }
}

export async function ask(path, query = {}) {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== null && value !== undefined && value !== "") parts.set(name, value);
  const [answer, text] = await hear(`api/${path}?${parts}`);
  const found = read(text);
  if (!answer.ok || !found) throw new Told(found?.message ?? `The market answered ${answer.status}.`);
  return found;
}

function nav() {
  const { path } = place();
  const focused = [...$("nav").children].indexOf(document.activeElement);
  $("nav").replaceChildren(...PAGES.map(([name, title], k) =>
    h("a", { href: keep(`#/${name}`), "aria-current": (path[0] ?? "") === name ? "page" : null, title: `key ${k + 1}` }, title)));
  $("nav").children[focused]?.focus({ preventScroll: true });
  const current = $("nav").querySelector("[aria-current]");
  const hidden = current && (current.offsetLeft < $("nav").scrollLeft || current.offsetLeft + current.offsetWidth > $("nav").scrollLeft + $("nav").clientWidth);
  if (hidden) $("nav").scrollLeft = current.offsetLeft - 20;
}

// A page drawn anew, once a second in a live market, leaves the focus where it was and tables as far to the side as they were.
const called = (one) => one.dataset.keep ?? one.getAttribute("href") ?? one.ariaLabel ?? one.parentElement.dataset.keep;
const alike = (name) => [...$("content").querySelectorAll("a, button, summary, input, select, .wide")].filter((one) => called(one) === name);

function focus() {
  const one = document.activeElement;
  if (one === $("content") || !$("content").contains(one)) return null;
  return { name: called(one), number: alike(called(one)).indexOf(one) };
}

function refocus({ name, number }) {
  const found = alike(name);
  (found[number] ?? found[0] ?? $("content")).focus({ preventScroll: true });
}

let turn = 0;
let lastPath = "";

// Draw the page for the address. Only the newest call may draw; a page that is already there stays until the next is ready.
async function show() {
  const mine = ++turn;
  const { path, query } = place();
  nav();
  $("content").classList.add("waiting");
  try {
    const context = { path, query, at: at(), ask: (what, more = {}) => ask(what, { at: at(), ...more }), go, again: show };
    const market = await ask("market", { at: at() });
    if (mine !== turn) return;
    setDecimals(market.decimals);
    head(market);
    const before = focus();
    const aside = Object.fromEntries([...$("content").querySelectorAll(".wide")].map((one) => [one.ariaLabel, one.scrollLeft]));
    const page = await pageOf(path)(context);
    if (mine !== turn) return;
    const again = lastPath === path.join("/");
    const focused = focus() ?? before;
    const open = [...$("content").querySelectorAll("details[open]")].map((one) => one.dataset.keep);
    $("content").replaceChildren(...[page].flat(Infinity).filter((part) => part !== null && part !== undefined && part !== false));
    if (again) {
      for (const one of $("content").querySelectorAll("details[data-keep]")) if (open.includes(one.dataset.keep)) one.open = true;
      for (const one of $("content").querySelectorAll(".wide")) one.scrollLeft = aside[one.ariaLabel] ?? 0;
      if (focused) refocus(focused);
    } else if (lastPath && document.activeElement?.closest("nav, main")) $("content").focus({ preventScroll: true });
    if (lastPath !== path.join("/")) window.scrollTo(0, 0);
    lastPath = path.join("/");
    if (state.find) $("content").querySelector("[data-keep=find]")?.focus();
    state.find = false;
    reached();
  } catch (error) {
    if (mine !== turn) return;
    if (error instanceof Told) $("content").replaceChildren(h("div", { class: "error", role: "alert" }, h("h2", {}, "That did not work"), h("p", {}, error.message)));
    else if (error instanceof Lost) lose();
    else { console.error(error); $("content").replaceChildren(h("div", { class: "error", role: "alert" }, h("h2", {}, "This page failed"), h("p", {}, error.message))); }
  } finally {
    if (mine === turn) {
      $("content").classList.remove("waiting");
      $("content").dataset.shown = location.hash;
    }
  }
}

function head(market) {
  state.rows = market.of;
  state.shown = market.rows;
  state.growing = market.growing;
  state.written = market.written_ms ?? 0;
  document.title = `${market.title} · Proofyard explorer`;
  $("title").textContent = market.title;
  $("under").replaceChildren("under ", h("code", {}, market.rule));
  $("slider").max = market.of;
  if (document.activeElement !== $("slider") || at() === null) $("slider").value = market.rows;
  if (document.activeElement !== $("row")) $("row").value = market.rows;
  $("of").textContent = `of ${count(market.of)}`;
  const day = market.at_ms ? `, ${new Date(market.at_ms).toLocaleString()}` : "";
  $("clock").textContent = `${clock(market.time_ms)}${day}`;
  $("slider").setAttribute("aria-valuetext", `event ${market.rows} of ${market.of}, ${clock(market.time_ms)}`);
  $("hash").textContent = market.hash.slice(0, 12);
  $("now").classList.toggle("on", at() === null);
  $("now").setAttribute("aria-pressed", at() === null);
  broken(market.failed);
  status();
}

function status() {
  const past = at() !== null && at() < state.rows;
  const [kind, text] = state.lost ? ["off", "connection lost"]
    : past ? ["past", "looking back"] : !state.growing ? ["", "recorded"] : Date.now() - state.written > QUIET_MS ? ["", "quiet"] : ["live", "live"];
  $("status").className = `status ${kind}`;
  $("status").textContent = text;
}

function lose() {
  if (state.lost) return;
  state.lost = `The connection is lost. What is shown is how things stood after event ${count(state.shown)}, heard at ${new Date(state.heard || Date.now()).toLocaleTimeString()}. Trying again …`;
  warn();
}

function reached() {
  state.heard = Date.now();
  state.lost = "";
  warn();
}

function broken(why) {
  state.failed = why ? `The journal cannot be followed any further: ${why}` : "";
  warn();
}

// What is wrong now, if anything: the connection before the journal, of which nothing is heard without one.
function warn() {
  const text = state.lost || state.failed;
  if ($("lost").textContent !== text) $("lost").textContent = text;
  $("lost").hidden = !text;
  status();
}

// The stream says how many rows there are; the page asks for what it shows, at most once a second.
let due = null;
function listen() {
  const stream = new EventSource("api/stream");
  stream.onmessage = (message) => {
    const told = JSON.parse(message.data);
    const was = state.lost;
    reached();
    broken(told.failed);
    if (told.rows !== state.rows || was) {
      state.rows = told.rows;
      $("slider").max = told.rows;
      $("of").textContent = `of ${count(told.rows)}`;
      if (at() === null || was) due ??= setTimeout(() => { due = null; if (!document.hidden) show(); }, 700);
    }
  };
  stream.onerror = () => {
    lose();
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 2_000);
  };
}

function watch() {
  if (state.heard && Date.now() - state.heard > SILENT_MS) lose(); else status();
}

// Moving in time.
let pending = null;
function move(row) {
  const to = Math.max(0, Math.min(state.rows, Math.round(row)));
  $("slider").value = to;
  $("row").value = to;
  clearTimeout(pending);
  pending = setTimeout(() => go({ at: to >= state.rows ? null : to }), 60);
}
const here = () => at() ?? state.rows;

function play() {
  if (state.playing) { clearInterval(state.playing); state.playing = null; }
  else {
    if (at() === null) move(0);
    state.playing = setInterval(() => {
      const next = Number($("slider").value) + Math.max(1, Math.round(state.rows / 120));
      move(next);
      if (next >= state.rows) play();
    }, 500);
  }
  $("play").textContent = state.playing ? "❚❚" : "▶";
  const does = state.playing ? "Stop" : "Play";
  $("play").title = `${does} (space)`;
  $("play").setAttribute("aria-label", does);
}

$("slider").addEventListener("input", (event) => move(Number(event.target.value)));
$("first").addEventListener("click", () => move(0));
$("back").addEventListener("click", () => move(here() - 1));
$("on").addEventListener("click", () => move(here() + 1));
$("play").addEventListener("click", play);
$("now").addEventListener("click", () => go({ at: null }));
$("row").addEventListener("change", (event) => { const row = Number.parseInt(event.target.value.replace(/[^0-9]/g, ""), 10); if (Number.isFinite(row)) move(row); });
$("help-button").addEventListener("click", () => $("help").showModal());

const THEMES = ["", "light", "dark"];
function theme(name) {
  if (name) document.documentElement.dataset.theme = name; else delete document.documentElement.dataset.theme;
  $("theme").textContent = name ? `Theme: ${name}` : "Theme: auto";
  try { localStorage.setItem("proofyard-theme", name); } catch { /* private windows keep nothing */ }
  redraw();
}
$("theme").addEventListener("click", () => theme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "") + 1) % 3]));
try { theme(localStorage.getItem("proofyard-theme") ?? ""); } catch { theme(""); }

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (event.target.matches("input:not([type=range]), select, textarea")) return;
  const step = Math.max(1, Math.round(state.rows / 100));
  const acts = {
    "[": () => move(here() - 1), "]": () => move(here() + 1), "{": () => move(here() - step), "}": () => move(here() + step),
    n: () => go({ at: null }), "?": () => $("help").showModal(), e: () => $("row").select(),
    "/": () => { const box = document.querySelector("[data-keep=find]"); if (box) box.focus(); else { state.find = true; location.hash = keep("#/requests"); } },
    " ": event.target.matches("button, a, summary, [type=range]") ? null : play,
  };
  const number = Number(event.key);
  const act = number >= 1 && number <= PAGES.length ? () => { location.hash = keep(`#/${PAGES[number - 1][0]}`); } : acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
window.addEventListener("hashchange", show);
document.addEventListener("visibilitychange", () => { if (!document.hidden && at() === null) show(); });
show().then(() => { listen(); setInterval(watch, 1_000); });
