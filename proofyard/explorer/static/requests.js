import { facts, h, keep, link, marked, meter, phase, pieces } from "./dom.js";
import { asked, chips, only, pager, table, to } from "./table.js";
import { clock, count, duration, kept, keptIn, NONE, percent, tokens } from "./words.js";

const number = { number: true };
const who = (name, k) => (name ? link(name, k === null ? "" : keep(`#/provers/${k}`)) : NONE);

export async function requests(context) {
  const { query, go, ask } = context;
  const found = await ask("requests", asked(query));
  const columns = [
    ["job", "request", (r) => to(`${r.job}`, `#/requests/${r.job}`), number],
    ["phase", "state", (r) => phase(r.phase)],
    ["asked_ms", "asked", (r) => clock(r.asked_ms), { nowrap: true }],
    ["prover", "prover", (r) => who(r.prover, r.prover_number), { name: true }],
    ["size", "size", (r) => count(r.size), number],
    ["ceiling", "at most", (r) => tokens(r.ceiling), number],
    ["paid", "paid", (r) => tokens(r.paid), number],
    ["bids", "bids", (r) => count(r.bids), number],
    ["turns", "given", (r) => (r.turns ? `${r.turns} ×` : "0"), number],
    ["time_to_proof_ms", "time to proof", (r) => [duration(r.time_to_proof_ms), r.late ? h("span", { class: "bad" }, " late") : ""], number],
  ];
  return [
    h("h2", {}, "Requests"),
    h("div", { class: "bar" },
      chips("state", [["", "all"], ["open", "under way"], ["settled", "settled"], ["late", "late"], ["lost", "lost"]], context),
      h("span", { class: "grow" }), find(), only(found, context)),
    table("Requests", columns, found.rows, { sort: query.get("sort"), down: query.get("dir") !== "up", go }),
    pager(found, context, "requests"),
    h("p", { class: "soft small" }, "Amounts in tokens. “At most”: what the requester put aside. “Given”: how often it went to a prover."),
  ];
}

function find() {
  const box = h("input", { "data-keep": "find", inputmode: "numeric", size: "10", placeholder: "request …", "aria-label": "Number of a request" });
  return h("form", { onsubmit: (event) => { event.preventDefault(); const job = Number.parseInt(box.value, 10); if (job >= 0) location.hash = keep(`#/requests/${job}`); } }, box);
}

let reasons = { of: "", text: "", parts: [] }; // of the page shown last: they stay while the rule is asked again

function explain(place, of, found, r) {
  const text = JSON.stringify([found, r]);
  if (of === reasons.of && text === reasons.text && place.contains(reasons.parts[0])) return;
  reasons = { of, text, parts: why(found, r).flat(Infinity) };
  place.replaceChildren(...reasons.parts);
}

export async function request({ path, ask }) {
  const job = Number(path[1]);
  const of = location.hash;
  const told = await ask(`requests/${encodeURIComponent(path[1])}`);
  const r = told.request;
  const reason = h("div", {}, reasons.of === of ? reasons.parts : h("p", { class: "soft" }, "Asking the rule again with other dice …"));
  ask(`requests/${job}/why`).then((found) => explain(reason, of, found, r)).catch((error) => reason.replaceChildren(h("p", { class: "bad" }, error.message)));
  return [
    h("div", { class: "bar" }, h("h2", {}, `Request ${r.job} `), phase(r.phase), r.late ? h("span", { class: "bad" }, "late") : null, h("span", { class: "grow" }),
      h("span", { class: "chips" }, told.before === null ? null : to("← before", `#/requests/${told.before}`), told.next === null ? null : to("next →", `#/requests/${told.next}`))),
    facts([
      ["asked", `${clock(r.asked_ms)} by `, r.requester],
      ["size, at most", `${count(r.size)}, ${tokens(r.ceiling)} tokens`],
      ["prover", who(r.prover, r.prover_number)],
      ["timings", timings(r)],
      ["money", `${tokens(r.paid)} tokens paid${told.pool_paid ? `, ${tokens(told.pool_paid)} of it to delegators` : ""}; ${tokens(told.escrow)} still put aside`],
      told.slashes.length && ["slashed", told.slashes.map((s, k) => [k ? ", " : "", `${tokens(s.amount)} tokens of `, to(s.name, `#/provers/${s.prover}`)])],
      ["proof", proof(told.proof, r.phase)],
      ["on chain", chain(told.settlement, told.market)],
    ]),
    h("h3", {}, "Its life"),
    h("ol", { class: "steps" }, told.steps.map((event) => h("li", {}, h("span", { class: "when" }, clock(event.time_ms)), pieces(event)))),
    told.left_out ? h("p", { class: "soft" }, `${count(told.left_out)} more events.`) : null,
    h("h3", {}, "Why this prover"), reason,
    bids(told),
    skips(told),
    h("h3", {}, "In the journal"),
    table("In the journal", [
      ["row", "row", (one) => count(one.row), number], ["kind", "event", (one) => one.kind], ["name", "by", (one) => one.name ?? NONE, { name: true }],
      ["amount", "amount, tokens", (one) => (one.amount ? tokens(one.amount) : NONE), number], ["hash", "hash", (one) => h("code", { title: one.hash }, one.hash.slice(0, 16)), { nowrap: true }],
    ], told.rows),
    h("div", { class: "bar" }, h("a", { class: "button", href: `api/journal.csv?job=${job}${told.market.rows < told.market.of ? `&at=${told.market.rows}` : ""}`, download: "" }, "CSV")),
  ];
}

function timings(r) {
  const parts = [];
  if (r.assigned_ms !== null) parts.push(`given after ${duration(r.assigned_ms - r.asked_ms)}`);
  if (r.proven_ms !== null) parts.push(`proven after ${duration(r.proven_ms - r.asked_ms)}`);
  if (r.final_ms !== null) parts.push(`final after ${duration(r.final_ms - r.asked_ms)}`);
  if (r.deadline_ms !== null) parts.push(`time until ${clock(r.deadline_ms)}`);
  return parts.join(", ") || NONE;
}

function proof(found, phase) {
  if (!found) return ["SETTLED", "LOST"].includes(phase) ? "none" : "none yet";
  const { proof: digest, signature, sheet } = found.body;
  const signed = signature ?? sheet;
  return [`row ${count(found.row)}`, digest ? [", ", h("code", {}, digest)] : ", verified before its event was made", signed ? [signature ? ", signed " : ", signed in sheet ", h("code", { title: signed }, `${signed.slice(0, 18)}…`)] : ""];
}

function chain(settlement, market) {
  if (!settlement) return market.chain_id ? `not settled on chain ${market.chain_id} yet` : market.recorded_hashes ? "play money: this market has no chain" : "a simulated market has no chain";
  const { row, batch, block, seq, transaction } = settlement;
  return [`batch ${count(batch)}${block === undefined ? "" : ` in block ${count(block)}`}, transaction `, h("code", {}, transaction), `; row ${count(row)}${seq === undefined ? "" : `, which settles all up to row ${count(seq)}`}`];
}

function why({ decision: d, rules }, r) {
  const words = h("details", { "data-keep": "rules" }, h("summary", {}, "The rule in words"), h("div", { class: "columns" }, rules.map((text) => h("p", {}, marked(text)))));
  if (!d) return [h("p", {}, r.prover ? "It was given together with others, by an event of another request; the rule says how." : "Nobody has been given this request."), words];
  const name = to(d.name, `#/provers/${d.chosen}`);
  if (!d.trials) return [h("p", {}, "Anybody could prove it, and ", name, " was first."), words];
  const said = d.by_lot
    ? [name, ` was drawn: asked again with ${d.trials} other random words at that very moment, the rule chose it ${Math.round(d.chance * d.trials)} times`, d.nobody ? `, and nobody ${Math.round(d.nobody * d.trials)} times.` : "."]
    : [name, ` was the only choice: with ${d.trials} other random words the rule chose it every time; chance had no part.`];
  const bid = d.candidates.some((one) => one.bid !== null);
  const shown = d.columns.filter(({ path }) => new Set(d.candidates.map((one) => String(one[path]))).size > 1 || d.candidates[0]?.[path]).slice(0, 8)
    .map((column) => ({ ...column, name: column.path.replace("book.", "") }));
  const columns = [
    ["name", "prover", (one) => to(one.name, `#/provers/${one.prover}`), { name: true }],
    ["chance", "chance", (one) => [meter(one.chance), percent(Math.round(1000 * one.chance) / 1000)], { nowrap: true }],
    ...(bid ? [["bid", "bid, tokens", (one) => tokens(one.bid), number]] : []),
    ...shown.map(({ path, name, unit }) => [path, keptIn(unit) ? `${name}, ${keptIn(unit)}` : name, (one) => kept(one[path], unit), number]),
  ];
  return [
    h("p", {}, said, h("span", { class: "soft" }, ` Decided by ${d.by} in row ${count(d.row)}.`), r.prover_number === null || r.prover_number === d.chosen ? "" : [" In the end ", to(r.prover, `#/provers/${r.prover_number}`), " proved it."]),
    table("Why this prover", columns, d.candidates, { won: (one) => one.prover === d.chosen, csv: "candidates" }),
    h("p", { class: "soft small" }, "What the rule knew about them just before. ", shown.filter((one) => one.meaning).map(({ name, meaning }) => [h("code", {}, name), ": ", marked(meaning), ". "]), d.others ? `${count(d.others)} others are not shown.` : ""),
    words,
  ];
}

function bids(told) {
  if (!told.bids.length) return null;
  return [h("h3", {}, "Bids"), table("Bids", [
    ["name", "bidder", (one) => to(one.name, `#/provers/${one.prover}`), { name: true }],
    ["amount", "bid, tokens", (one) => tokens(one.amount), number],
    ["time_ms", "when", (one) => clock(one.time_ms), { nowrap: true }],
    ["won", "now", (one) => (one.won ? "holds it" : "")],
  ], [...told.bids].sort((a, b) => a.amount - b.amount), { won: (one) => one.won, csv: "bids" })];
}

function skips(told) {
  if (!told.skips.length) return null;
  return [h("h3", {}, "Who left it to others, and why"), table("Who left it to others, and why", [["name", "prover", (one) => to(one.name, `#/provers/${one.prover}`), { name: true }], ["reason", "reason", (one) => one.reason]], told.skips, { csv: "skips" })];
}
