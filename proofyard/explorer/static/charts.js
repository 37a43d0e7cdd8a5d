// Charts: Vega-Lite, as in the simulator's reports, drawn aside and then put in place so that nothing flickers.
import { h } from "./dom.js";
import { digits, inTokens, unitOf } from "./words.js";

let library = null;
let themes = null;

async function load() {
  if (!library) {
    library = new Promise((resolve, reject) => {
      const script = h("script", { src: "vega.js" });
      script.onload = resolve;
      script.onerror = () => { library = null; reject(new Error("the chart library did not come")); };
      document.head.append(script);
    });
    themes = fetch("themes.json").then((answer) => answer.json());
  }
  await library;
  return themes;
}

export const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

const drawn = new Map(); // place -> how to draw it again
let width = 0;

new ResizeObserver(() => { if (document.body.clientWidth !== width) { width = document.body.clientWidth; redraw(); } }).observe(document.body);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());

export function redraw() {
  for (const [place, again] of drawn) place.isConnected ? again() : drawn.delete(place);
}

// A figure with a title; `spec` is drawn once it is on the page.
export function chart(title, note, spec, height = 170) {
  const place = h("div", { class: "chart", role: "img", "aria-label": `${title}. ${note}` });
  const figure = h("figure", {}, h("figcaption", {}, title, h("span", {}, note)), place);
  if (!spec) {
    place.className = "chart empty";
    place.textContent = "Nothing yet.";
    return figure;
  }
  place.style.height = `${height}px`;
  let turn = 0;
  const draw = async () => {
    const mine = ++turn;
    try {
      const looks = await load();
      if (!place.isConnected || mine !== turn) return;
      const theme = isDark() ? "dark" : "light";
      const look = looks[theme];
      const config = { ...look, rect: look.bar, area: { color: look.bar.color, line: { color: look.bar.color } }, legend: { ...look.legend, columns: place.clientWidth < 420 ? 3 : 5, labelLimit: 110 } };
      const aside = h("div");
      const whole = { ...spec, width: Math.max(120, place.clientWidth), height, autosize: { type: "fit", contains: "padding" }, padding: { left: 2, top: 6, right: 6, bottom: 2 } };
      await window.vegaEmbed(aside, whole, { actions: false, config, mode: "vega-lite", renderer: "svg", tooltip: { theme } });
      if (mine === turn) place.replaceChildren(aside);
    } catch (error) {
      place.textContent = `This chart could not be drawn: ${error.message}`;
    }
  };
  drawn.set(place, draw);
  queueMicrotask(draw);
  return figure;
}

const from0 = (high) => ({ domain: [0, high || 1], nice: false });
const axis = (title, extra = {}) => ({ tickCount: 5, ...(["proofs", "number"].includes(title) ? { format: ",.6~f", labelExpr: "datum.value % 1 ? '' : datum.label" } : {}), ...extra });

function time(rows, field, last) {
  const high = Math.max(last ?? 0, ...rows.map((row) => row[field]), 1);
  const [size, name] = unitOf(high);
  return { size, x: { field: "t", type: "quantitative", title: `time (${name})`, scale: { domain: [Math.min(...rows.map((r) => r[field])) / size, high / size], nice: false }, axis: { grid: false, tickCount: 6, format: ",.4~f" } } };
}

// Bars or areas over stretches: series of [name, field], stacked.
export function bars(rows, series, yTitle, format) {
  if (!rows.some((row) => series.some(([, get]) => get(row)))) return null;
  const { size, x } = time(rows, "to_ms");
  x.scale.domain[0] = rows[0].from_ms / size;
  const values = rows.flatMap((row) => {
    let low = 0;
    return series.map(([name, get]) => {
      const value = get(row) ?? 0;
      const one = { t: row.from_ms / size, to: row.to_ms / size, low, high: low + value, value, name };
      low += value;
      return one;
    }).filter((one) => one.value);
  });
  const names = series.map(([name]) => name);
  const few = names.length === 1;
  return {
    data: { values },
    mark: { type: "rect", strokeWidth: 0, x2Offset: -0.6 },
    encoding: {
      x, x2: { field: "to" }, y: { field: "low", type: "quantitative", title: yTitle, axis: axis(yTitle, format) }, y2: { field: "high" },
      ...(few ? {} : { color: { field: "name", type: "nominal", scale: { domain: names[names.length - 1] === "others" ? ["others", ...names.slice(0, -1)] : ["", ...names] }, legend: { title: null, values: names } } }),
      tooltip: [...(few ? [] : [{ field: "name", type: "nominal", title: "who" }]), { field: "value", type: "quantitative", title: yTitle, format: ",.4~f" }],
    },
  };
}

// Curves over time: series of [name, get]; `at` gives the time of a row.
export function lines(rows, series, yTitle, at = (row) => (row.from_ms + row.to_ms) / 2, { step = false, area = false } = {}) {
  const known = rows.flatMap((row) => series.map(([name, get]) => ({ at: at(row), value: get(row), name })).filter((one) => one.value !== null && one.value !== undefined));
  if (known.length < 1 || !known.some((one) => one.value)) return null;
  const { size, x } = time(known, "at", rows[rows.length - 1]?.to_ms);
  if (rows[0].from_ms !== undefined) x.scale.domain[0] = rows[0].from_ms / size;
  const high = Math.max(...known.map((one) => one.value)) * 1.06;
  const names = series.map(([name]) => name);
  const values = known.map((one) => ({ t: one.at / size, value: one.value, name: one.name }));
  const y = { field: "value", type: "quantitative", title: yTitle, scale: from0(high), axis: axis(yTitle, { format: high >= 10_000 ? "~s" : ",.6~f" }) };
  const color = names.length > 1 ? { color: { field: "name", type: "nominal", scale: { domain: ["", ...names] }, legend: { title: null, values: names } } } : {};
  const line = { type: area ? "area" : "line", strokeWidth: 2, interpolate: step ? "step-after" : "linear", ...(area ? { line: true, opacity: 0.3 } : {}), ...(known.length < 3 * names.length ? { point: true } : {}) };
  return { data: { values }, mark: line, encoding: { x, y, ...color, tooltip: [...(names.length > 1 ? [{ field: "name", type: "nominal" }] : []), { field: "value", type: "quantitative", title: yTitle, format: ",.4~f" }, { field: "t", type: "quantitative", title: x.title, format: ",.4~f" }] } };
}

// Pairs of a predicted and a real value, a row each.
export function pairs(rows, xTitle) {
  if (!rows.length) return null;
  const values = rows.flatMap((row) => [["predicted", row.predicted], ["real", row.real]].filter(([, v]) => v !== null).map(([kind, value]) => ({ name: row.name, kind, value })));
  const y = { field: "name", type: "nominal", sort: rows.map((row) => row.name), title: null, axis: { labelLimit: 140 } };
  return {
    data: { values },
    layer: [
      { transform: [{ pivot: "kind", value: "value", groupby: ["name"] }], mark: { type: "rule", strokeWidth: 2, opacity: 0.5 }, encoding: { y, x: { field: "predicted", type: "quantitative", title: xTitle }, x2: { field: "real" } } },
      { mark: { type: "point", filled: true, size: 80, opacity: 1 }, encoding: { y, x: { field: "value", type: "quantitative", title: xTitle, scale: { zero: true } }, color: { field: "kind", type: "nominal", scale: { domain: ["", "real", "predicted"] }, legend: { title: null, values: ["predicted", "real"] } }, tooltip: [{ field: "name", type: "nominal" }, { field: "kind", type: "nominal" }, { field: "value", type: "quantitative", format: ",.4~f" }] } },
    ],
  };
}

export const inUnits = (ms, size) => (ms === null ? null : ms / size);
export { digits, inTokens };
