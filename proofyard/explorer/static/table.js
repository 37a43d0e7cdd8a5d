// A table of the server: sorted there, cut into pages there, exported from there.
import { h, keep } from "./dom.js";
import { count, Whole } from "./words.js";

// `name` tells it to who does not see the heading above; columns: [key, title, cell(row), {number, sort}]; `all`: the rows of the CSV, where not all are shown
export function table(name, columns, rows, { sort, down, go, won, csv, all = rows } = {}) {
  const head = columns.map(([key, title, , how = {}]) => {
    const mine = sort && sort === key;
    const label = title + (mine ? (down ? " ↓" : " ↑") : "");
    const sortable = go && how.sort !== false;
    return h("th", { scope: "col", class: how.number ? "number" : how.nowrap ? "nowrap" : null, "aria-sort": mine ? (down ? "descending" : "ascending") : null },
      sortable ? h("button", { type: "button", "data-keep": `sort-${key}`, onclick: () => go({ sort: key, dir: mine && down ? "up" : "down", page: null }) }, label) : label);
  });
  const body = rows.map((row) => h("tr", { class: won?.(row) ? "won" : null },
    columns.map(([, , cell, how = {}]) => h("td", { class: ["number", "name", "nowrap", "text"].find((one) => how[one]) }, cell(row)))));
  const whole = h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": name }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)), rows.length ? null : h("p", { class: "soft" }, "None so far."));
  if (!csv) return whole;
  return [whole, h("div", { class: "bar" }, h("span", { class: "grow" }), h("button", { type: "button", "data-keep": `csv-${csv}`, onclick: () => save(csv, columns, all) }, "CSV"))];
}

// The rows as they came, for tables that the server does not keep as such; a text that a spreadsheet would take for a formula gets an apostrophe.
function save(name, columns, rows) {
  const keys = columns.map(([key]) => key);
  if (rows[0]?.prover !== undefined) keys.unshift("prover"); // two may have the same name
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : typeof value === "object" && !(value instanceof Whole) ? JSON.stringify(value) : String(value);
    const harmless = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
  };
  const text = [keys, ...rows.map((row) => keys.map((key) => row[key]))].map((line) => line.map(cell).join(",")).join("\r\n");
  const address = URL.createObjectURL(new Blob([text + "\r\n"], { type: "text/csv" }));
  h("a", { href: address, download: `${name}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1_000);
}

export function pager(found, { query, go, at }, name) {
  const size = 50;
  const page = Number(query.get("page") ?? 0);
  const first = page * size;
  const last = Math.min(found.total, first + size);
  const csv = new URLSearchParams([...query].filter(([key]) => !["page", "at"].includes(key)));
  if (at !== null) csv.set("at", at);
  return h("div", { class: "bar" },
    h("span", { class: "soft" }, found.total ? `${count(first + 1)} to ${count(last)} of ${count(found.total)}` : ""),
    h("button", { type: "button", "data-keep": "newer", disabled: page === 0, onclick: () => go({ page: page > 1 ? page - 1 : null }) }, "Back"),
    h("button", { type: "button", "data-keep": "older", disabled: last >= found.total, onclick: () => go({ page: page + 1 }) }, "On"),
    h("span", { class: "grow" }),
    h("a", { class: "button", href: `api/${name}.csv?${csv}`, download: "" }, "CSV"));
}

// The filter by actor, and the way out of it.
export const only = ({ actor }, { go }) => (actor === undefined ? null : h("button", { type: "button", "data-keep": "only", "aria-label": `Not only ${actor}`, onclick: () => go({ actor: null, page: null }) }, `only ${actor} ✕`));

export const asked = (query) => ({ sort: query.get("sort"), dir: query.get("dir"), page: query.get("page"), state: query.get("state"), kind: query.get("kind"), actor: query.get("actor"), job: query.get("job") });

export function chips(name, values, { query, path }) {
  const now = query.get(name) ?? "";
  return h("div", { class: "chips" }, values.map(([value, title]) => {
    const next = new URLSearchParams(query);
    next.delete("page");
    value ? next.set(name, value) : next.delete(name);
    return h("a", { href: `#/${path.map(encodeURIComponent).join("/")}?${next}`, "aria-current": now === value ? "true" : null, "data-keep": `chip-${value}` }, title);
  }));
}

export const to = (text, address) => h("a", { href: keep(address) }, text);
