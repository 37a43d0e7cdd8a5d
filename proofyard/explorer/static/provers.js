import { bars, chart, inTokens, lines } from "./charts.js";
import { facts, h, keep, marked, meter } from "./dom.js";
import { asked, pager, table, to } from "./table.js";
import { count, duration, kept, keptIn, percent, tokens } from "./words.js";

const number = { number: true };

export async function provers(context) {
  const { query, go, ask } = context;
  const found = await ask("provers", asked(query));
  const has = (key) => found.rows.some((row) => row[key]);
  const columns = [
    ["name", "prover", (r) => to(r.name, `#/provers/${r.prover}`), { name: true }],
    ["proofs", "proofs", (r) => count(r.proofs), number],
    ["share", "share", (r) => [meter(r.share), h("span", { class: "of" }, percent(r.share))], number],
    ["income", "earned", (r) => tokens(r.income), number],
    ["cost", "spent", (r) => tokens(r.cost), number],
    ["profit", "profit", (r) => h("span", { class: r.profit < 0 ? "bad" : null }, tokens(r.profit)), number],
    ["stake", "stake", (r) => tokens(r.stake), number],
    ...(has("delegated") ? [["delegated", "delegated", (r) => tokens(r.delegated), number]] : []),
    ["capacity", "at once", (r) => count(r.capacity), number],
    ["open_jobs", "working on", (r) => count(r.open_jobs), number],
    ["missed", "missed", (r) => h("span", { class: r.missed ? "bad" : null }, count(r.missed)), number],
    ["slashed", "slashed", (r) => h("span", { class: r.slashed ? "bad" : null }, tokens(r.slashed)), number],
    ...(has("skips") ? [["skips", "skipped", (r) => count(r.skips), number]] : []),
  ];
  return [
    h("h2", {}, "Provers"),
    table("Provers", columns, found.rows, { sort: query.get("sort"), down: query.get("dir") !== "up", go }),
    pager(found, context, "provers"),
    h("p", { class: "soft small" }, `Amounts in tokens. “Spent”: ${found.costs}`),
  ];
}

export async function prover({ path, ask }) {
  const told = await ask(`provers/${encodeURIComponent(path[1])}`);
  const r = told.prover;
  const wide = told.work.length ? told.work[0].to_ms - told.work[0].from_ms : 0;
  const missed = told.work.some((one) => one.missed);
  return [
    h("h2", {}, r.name),
    h("p", { class: "soft" }, told.proves ? "" : "It does not prove. ", r.address ? h("code", {}, r.address) : ""),
    h("div", { class: "tiles" },
      tile("Proofs", count(r.proofs), `${percent(r.share)} of all`), tile("Earned", tokens(r.income), r.cost === null ? "cost unknown" : `spent ${tokens(r.cost)}`),
      tile("Profit", tokens(r.profit), "tokens, after slashes"), tile("Stake", tokens(r.stake), r.delegated !== null ? `delegated ${tokens(r.delegated)}` : "tokens"),
      tile("Capacity", count(r.capacity), `working on ${count(r.open_jobs)}`), tile("Missed", count(r.missed), `slashed ${tokens(r.slashed)}`)),
    h("div", { class: "charts" },
      chart("Its proofs", `in each ${duration(wide)}`, bars(told.work, missed ? [["proven", (one) => one.proofs], ["missed", (one) => one.missed]] : [["proven", (one) => one.proofs]], "proofs")),
      chart("What it was paid", `in each ${duration(wide)}`, bars(told.work, [["paid", (one) => inTokens(one.paid)]], "tokens")),
      told.stake.length ? chart("Its stake", "", lines(told.stake, [["stake", (one) => inTokens(one.stake)]], "tokens", (one) => one.time_ms, { step: true })) : null),
    h("div", { class: "bar" }, h("a", { class: "button", href: keep(`#/requests?actor=${r.prover}`) }, "Its requests"), h("a", { class: "button", href: keep(`#/stake?actor=${r.prover}`) }, "Its stake"), h("a", { class: "button", href: keep(`#/journal?actor=${r.prover}`) }, "Its rows in the journal")),
    h("h3", {}, "Why it skipped requests"),
    told.skips.length ? table("Why it skipped requests", [["reason", "reason", (one) => one.reason], ["count", "times", (one) => count(one.count), number]], told.skips.map(([reason, times]) => ({ reason, count: times })), { csv: "skip-reasons" }) : h("p", { class: "soft" }, "No skip was recorded."),
    h("h3", {}, "What the rule keeps about it"),
    facts(told.columns.map((one) => [h("code", {}, one.name), `${kept(one.value, one.unit)} ${keptIn(one.unit)}`, one.meaning ? h("span", { class: "soft" }, "  ", marked(one.meaning)) : ""])),
    h("p", { class: "soft small" }, `“Spent”: ${told.costs}`),
  ];
}

const tile = (name, value, more) => h("div", { class: "tile" }, h("div", { class: "name" }, name), h("div", { class: "value" }, value), h("div", { class: "more" }, more));
