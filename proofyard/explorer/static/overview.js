import { bars, chart, inTokens, lines } from "./charts.js";
import { h, keep, pieces } from "./dom.js";
import { parameters, ruleText } from "./others.js";
import { clock, count, digits, duration, percent, same, tokens, unitOf } from "./words.js";

const tile = (name, value, unit, more) => h("div", { class: "tile" },
  h("div", { class: "name" }, name), h("div", { class: "value" }, value, unit ? h("small", {}, ` ${unit}`) : ""), h("div", { class: "more" }, more ?? ""));

export async function overview({ ask }) {
  const [told, ruled] = await Promise.all([ask("overview"), ask("rule")]);
  return [
    h("p", { class: "lead" }, told.line),
    changed(ruled),
    tiles(told),
    h("div", { class: "charts" }, charts(told)),
    h("h2", {}, "What happened last"),
    told.latest.length ? h("ol", { class: "steps" }, told.latest.map((event) => h("li", {}, h("span", { class: "when" }, clock(event.time_ms)), pieces(event)))) : h("p", { class: "soft" }, "Nothing has happened yet."),
    h("h2", {}, "The rule in words"),
    h("details", { "data-keep": "words" }, h("summary", {}, "How it works"), ruleText(ruled)),
    h("details", { "data-keep": "parameters" }, h("summary", {}, `Its ${ruled.parameters.length} parameters`), parameters(ruled.parameters)),
  ];
}

function changed(ruled) {
  const some = ruled.parameters.filter((one) => !same(one.value, one.default));
  const what = some.length ? ["Set here: ", some.map((one, k) => [k ? "; " : "", h("code", {}, `${one.name} = ${count(one.value)}`), one.unit ? ` ${one.unit}` : "", one.meaning ? `, ${one.meaning}` : ""])] : ["All its parameters are at their defaults"];
  return h("p", { class: "soft" }, what, ". ", h("a", { href: keep("#/rule") }, "The whole rule"));
}

function tiles({ figures, stretches, phases, market, locked, provers }) {
  const { proofs, time_to_proof_ms: times, concentration: who, stake } = figures;
  const span = Math.max(1, market.time_ms - market.first_ms);
  const rate = proofs.settled / span;
  const recent = stretches.series.slice(-4);
  const lately = recent.reduce((sum, one) => sum + one.settled, 0) / (stretches.wide_ms * recent.length);
  const [size, name] = perUnit(rate || lately);
  const prices = stretches.series.filter((one) => one.price !== null);
  const open = proofs.unfinished;
  return h("div", { class: "tiles" },
    tile("Proofs settled", count(proofs.settled), `of ${count(proofs.requested)}`, `${count(open)} under way · ${count(proofs.lost)} lost · ${count(proofs.late)} late`),
    tile("Throughput", digits(rate * size), `a ${name}`, `lately ${digits(lately * size)}`),
    tile("Price of a proof", tokens(figures.price_gwei.mean), "tokens", prices.length ? `lately ${tokens(prices[prices.length - 1].price)}` : ""),
    tile("Time to proof", duration(times.p50), "", times.p90 === null ? "no proof yet" : `90 % within ${duration(times.p90)}`),
    tile("Concentration", count(who.nakamoto), `of ${provers} provers`, who.hhi === null ? "no proof yet" : `make more than half · largest ${percent(who.top1_share)} · HHI ${who.hhi.toFixed(3)}`),
    tile("Locked", tokens(locked), "tokens", `at most ${tokens(stake.locked_peak_gwei)}`),
    tile("Slashed", tokens(stake.slashed_gwei), "tokens", `burnt ${tokens(stake.burnt_gwei)}`),
    tile("Waiting now", count(open), open === 1 ? "request" : "requests", ["BIDDING", "ASSIGNED", "OPEN", "PROVEN", "CONTESTED"].filter((name) => phases[name]).map((name) => `${count(phases[name])} ${name.toLowerCase()}`).join(" · ")));
}

function perUnit(rate) {
  return [[1_000, "second"], [60_000, "minute"], [3_600_000, "hour"], [86_400_000, "day"]].find(([size]) => rate * size >= 1) ?? [86_400_000, "day"];
}

function charts({ stretches, money, market }) {
  const { series, named, wide_ms: wide } = stretches;
  const each = `in each ${duration(wide)}`;
  const high = Math.max(1, ...series.map((one) => one.p90 ?? 0));
  const [size, unit] = unitOf(high);
  const others = series.some((one) => one.who[named.length]);
  const provers = [...named.map((name, k) => [name, (one) => one.who[k]]), ...(others ? [["others", (one) => one.who[named.length]]] : [])];
  const at = (one) => one.time_ms;
  const many = market.rows > 0;
  return [
    chart("Who makes the proofs", each, bars(series, provers, "proofs", { format: ",.6~f" }), 200),
    chart("Requests and proofs", each, lines(series, [["asked", (one) => one.asked], ["settled", (one) => one.settled]], "number"), 200),
    chart("Price of a proof", "mean", lines(series, [["price", (one) => inTokens(one.price)]], "tokens")),
    chart("Time to proof", "half, and 90 %, within", lines(series, [["p50", (one) => (one.p50 === null ? null : one.p50 / size)], ["p90", (one) => (one.p90 === null ? null : one.p90 / size)]], unit)),
    chart("Locked in the market", "stakes and bonds", many ? lines(money, [["locked", (one) => inTokens(one.locked)]], "tokens", at, { area: true }) : null),
    chart("Slashed and burnt", "so far", many ? lines(money, [["slashed", (one) => inTokens(one.slashed)], ["burnt", (one) => inTokens(one.burnt)]], "tokens", at, { step: true }) : null),
  ];
}
