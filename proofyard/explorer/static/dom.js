// Elements from text: the only way anything gets onto a page, so that no name can become markup.
import { sentence } from "./words.js";

// What the market, or we, have to tell the reader; not a failure of ours.
export class Told extends Error {}

// The market does not answer.
export class Lost extends Error {}

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// A link inside the pages; `#/…` only, so that no address can carry a script.
export const link = (text, to) => (to && to.startsWith("#/") ? h("a", { href: to }, text) : text);

export const pieces = (event) => sentence(event).map((piece) => (Array.isArray(piece) ? link(piece[0], keep(piece[1])) : piece));

// The moment shown stays the same on the next page.
export function keep(to) {
  const at = new URLSearchParams(location.hash.split("?")[1] ?? "").get("at");
  if (!at || !to) return to;
  return to + (to.includes("?") ? "&" : "?") + "at=" + encodeURIComponent(at);
}

export const phase = (name) => h("span", { class: `phase ${/^[A-Z]+$/.test(name) ? name : ""}` }, name.toLowerCase());

// Words of a rule: what stands between backticks is code.
export const marked = (text) => text.split("`").map((part, k) => (k % 2 ? h("code", {}, part) : part));

// A field of a rule: long names break behind an underscore.
export const field = (name) => h("code", {}, name.split("_").map((part, k) => (k ? ["_", h("wbr"), part] : part)));

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter((pair) => pair).map(([name, ...value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

export function meter(share) {
  const bar = h("i");
  bar.style.width = `${Math.max(0, Math.min(1, share ?? 0)) * 100}%`;
  return h("span", { class: "meter", "aria-hidden": "true" }, bar);
}
