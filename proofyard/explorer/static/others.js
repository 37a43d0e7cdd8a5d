import { chart, inTokens, lines, pairs } from "./charts.js";
import { field, h, keep, marked } from "./dom.js";
import { asked, chips, only, pager, table, to } from "./table.js";
import { clock, count, HOW, NONE, percent, same, spread, tokens } from "./words.js";

const number = { number: true };

// Stake flows.
export async function stake(context) {
  const { query, ask } = context;
  const [found, told] = await Promise.all([ask("stake", asked(query)), ask("overview")]);
  const at = (one) => one.time_ms;
  const columns = [
    ["row", "row", (r) => count(r.row), number],
    ["time_ms", "when", (r) => clock(r.time_ms), { sort: false, nowrap: true }],
    ["what", "what", (r) => h("span", { class: r.what === "SLASH" ? "bad" : null }, r.what.toLowerCase()), { sort: false }],
    ["name", "who", (r) => (r.name ? to(r.name, `#/provers/${r.actor}`) : NONE), { name: true, sort: false }],
    ["amount", "tokens", (r) => tokens(r.amount), { number: true, sort: false }],
    ["to_cash", "its free money", (r) => (r.to_cash > 0 ? `+${tokens(r.to_cash)}` : r.to_cash < 0 ? `−${tokens(-r.to_cash)}` : "0"), { number: true, sort: false }],
    ["of_job", "for", (r) => (r.of_job === null ? "" : to(`request ${r.of_job}`, `#/requests/${r.of_job}`)), { sort: false, nowrap: true }],
  ];
  const kinds = ["stake", "unstake", "withdraw", "delegate", "undelegate", "deposit", "withdrawal", "slash"];
  return [
    h("h2", {}, "Stake flows"),
    h("div", { class: "charts" },
      chart("Locked in the market", "stakes and bonds", lines(told.money, [["locked", (one) => inTokens(one.locked)]], "tokens", at, { area: true })),
      chart("Slashed and burnt", "so far", lines(told.money, [["slashed", (one) => inTokens(one.slashed)], ["burnt", (one) => inTokens(one.burnt)]], "tokens", at, { step: true }))),
    h("div", { class: "bar" }, chips("kind", [["", "all"], ...kinds.map((kind) => [kind, kind])], context), only(found, context)),
    table("Stake flows", columns, found.rows, { sort: query.get("sort") ?? "row", down: query.get("dir") !== "up", go: context.go }),
    pager(found, context, "stake"),
  ];
}

// The journal.
export async function journal(context) {
  const { query, ask, go } = context;
  const found = await ask("journal", asked(query));
  const market = found.market;
  const kinds = ["REQUEST", "BID", "CLOSE", "PROVE", "EXPIRE", "SETTLE", "OFFER", "STAKE", "UNSTAKE", "WITHDRAW", "DELEGATE", "UNDELEGATE", "DECLINE", "CONTEST", "VOTE", "TRANSFER",
    ...(market.recorded_hashes ? ["GENESIS", "JOIN", "DEPOSIT", "WITHDRAWAL", "RESUME", "BEACON", "CANCEL", "SETTLEMENT", "UNCOVERED"] : [])];
  const pick = h("select", { "data-keep": "kind", "aria-label": "Kind of event", onchange: (event) => go({ kind: event.target.value, page: null }) },
    h("option", { value: "" }, "all events"), kinds.map((kind) => h("option", { value: kind, selected: query.get("kind") === kind }, kind)));
  const columns = [
    ["row", "row", (r) => h("a", { href: `#/journal?at=${r.row + 1}`, title: "Open this moment" }, count(r.row)), number],
    ["time_ms", "time", (r) => clock(r.time_ms), { sort: false, nowrap: true }],
    ["kind", "event", (r) => r.kind, { sort: false }],
    ["name", "by", (r) => (r.name ? to(r.name, `#/provers/${r.actor}`) : NONE), { name: true, sort: false }],
    ["job", "request", (r) => (r.job === null ? NONE : to(`${r.job}`, `#/requests/${r.job}`)), { number: true, sort: false }],
    ["amount", "amount", (r) => (r.amount ? count(r.amount) : NONE), { number: true, sort: false }],
    ["detail", "detail", (r) => (r.detail ? count(r.detail) : NONE), { number: true, sort: false }],
    ["word", "word", (r) => (r.word === "0" ? NONE : h("code", {}, r.word)), { sort: false, nowrap: true }],
    ["hash", "hash", (r) => h("code", { title: r.hash }, `${r.hash.slice(0, 12)}…`), { sort: false, nowrap: true }],
  ];
  return [
    h("h2", {}, "Journal"),
    h("p", { class: "soft" }, market.recorded_hashes
      ? ["Each row carries a hash over itself and the one before; all ", count(market.of), " were checked when they were read. Amounts in the smallest unit."]
      : ["A trace records no hashes: these are the ones a journal of the same events would have, so that two copies can be compared. Amounts in the smallest unit."]),
    h("div", { class: "bar" }, pick, only(found, context), h("span", { class: "grow" }), h("span", { class: "soft" }, "last: ", h("code", {}, market.hash))),
    table("Journal", columns, found.rows, { sort: query.get("sort") ?? "row", down: query.get("dir") !== "up", go }),
    pager(found, context, "journal"),
  ];
}

// Prediction beside reality.
export async function prediction(context) {
  const { ask, again } = context;
  const told = await ask("prediction");
  if (told.under_way) setTimeout(() => { if (location.hash.startsWith("#/prediction")) again(); }, 1_000);
  const say = (row, value) => (value === null || value === undefined ? NONE : HOW[row.how](value));
  const rows = told.provers.slice(0, 24);
  const shares = rows.filter((row) => row.share !== null || row.predicted_share !== null).map((row) => ({ name: row.name, predicted: row.predicted_share === null ? null : 100 * row.predicted_share, real: row.share === null ? null : 100 * row.share }));
  return [
    h("h2", {}, "Prediction beside reality"),
    h("p", { class: "soft" }, told.under_way ? "The simulator is running …" : told.said, told.ready && !told.whole ? " Counts and sums grow until the market's end." : ""),
    table("Prediction beside reality", [
      ["name", "figure", (row) => `${row.name}${row.how === "tokens" ? ", tokens" : ""}`],
      ["predicted", "predicted", (row) => [say(row, row.predicted), row.deviation ? h("span", { class: "soft" }, ` ± ${spread(row.how, row.predicted, row.deviation)}`) : ""], number],
      ["real", "real", (row) => say(row, row.real), number],
      ["error", "difference", (row) => (row.error === null ? NONE : h("span", { class: off(row) ? "warn" : null }, `${row.error > 0 ? "+" : ""}${percent(row.error)}`)), number],
    ], told.figures, { csv: "prediction" }),
    told.ready ? [
      h("div", { class: "charts" }, chart("Share of the proofs", "per cent", pairs(shares, "per cent"), 26 * shares.length + 50)),
      h("h3", {}, "The provers"), h("p", { class: "soft small" }, "Amounts in tokens."),
      table("The provers", [
        ["name", "prover", (row) => to(row.name, `#/provers/${row.prover}`), { name: true }],
        ["predicted_share", "share, predicted", (row) => percent(row.predicted_share), number], ["share", "real", (row) => percent(row.share), number],
        ["predicted_income", "earned, predicted", (row) => tokens(row.predicted_income), number], ["income", "real", (row) => tokens(row.income), number],
        ["predicted_missed", "missed, predicted", (row) => count(row.predicted_missed), number], ["missed", "real", (row) => count(row.missed), number],
        ["predicted_slashed", "slashed, predicted", (row) => tokens(row.predicted_slashed), number], ["slashed", "real", (row) => tokens(row.slashed), number],
      ], told.provers.slice(0, 200), { csv: "prediction-provers", all: told.provers }),
      told.provers.length > 200 ? h("p", { class: "soft small" }, `${count(told.provers.length - 200)} more are in the CSV.`) : null] : null,
  ];
}

const off = (row) => (row.deviation ? Math.abs(row.real - row.predicted) > 2 * row.deviation : Math.abs(row.error) > 0.1);

// The rule.
export async function rule({ ask }) {
  const told = await ask("rule");
  return [
    h("h2", {}, told.name), h("p", { class: "lead" }, told.line), h("p", { class: "soft" }, h("code", {}, told.text)),
    ruleText(told), told.source ? h("p", { class: "soft" }, "Source: ", told.source) : null,
    h("h3", {}, "Parameters in force"), parameters(told.parameters),
    h("h3", {}, "Steps that requests took so far"),
    told.life.length ? table("Steps that requests took so far", [["from", "from", (one) => one.from.toLowerCase()], ["kind", "by", (one) => h("code", {}, one.kind)], ["to", "to", (one) => one.to.toLowerCase()], ["count", "times", (one) => count(one.count), number]], told.life, { csv: "steps" }) : h("p", { class: "soft" }, "None yet."),
    h("h3", {}, "What the rule keeps, beside the book"),
    told.state.length ? table("What the rule keeps, beside the book", [["name", "name", (one) => field(one.name)], ["size", "size", (one) => one.size, { nowrap: true }], ["money", "holds", (one) => (one.money ? "money" : "")], ["meaning", "meaning", (one) => marked(one.meaning), { text: true }]], told.state, { csv: "state" }) : h("p", { class: "soft" }, "Nothing."),
  ];
}

export function ruleText(told) {
  const shown = ["Rules", "Randomness", "Units", "Simplified"].filter((title) => told.sections[title]);
  return h("div", {}, shown.map((title) => [h("h3", {}, title), h("div", { class: title === "Rules" ? "columns" : "" }, told.sections[title].map((text) => h("p", {}, marked(text))))]));
}

export function parameters(rows) {
  if (!rows.length) return h("p", { class: "soft" }, "It has none.");
  return table("Parameters in force", [
    ["name", "name", (one) => field(one.name)],
    ["value", "value", (one) => [count(one.value), one.unit && one.unit !== "switch" ? ` ${one.unit}` : ""], number],
    ["default", "default", (one) => (same(one.value, one.default) ? h("span", { class: "soft" }, "the same") : count(one.default)), number],
    ["meaning", "meaning", (one) => marked(one.meaning), { text: true }],
  ], rows, { csv: "parameters", won: (one) => !same(one.value, one.default) });
}

// The simulator's reports.
export async function reports({ ask }) {
  const { reports: found } = await ask("reports");
  return [
    h("h2", {}, "The simulator's reports"),
    found.length ? h("ul", {}, found.map((one) => h("li", {}, h("a", { href: `reports/${encodeURIComponent(one.name)}`, target: "_blank", rel: "noopener" }, one.name === "prediction" && !one.where ? "The scenario of this market, simulated with five seeds" : one.name), one.where ? h("span", { class: "soft" }, ` ${one.where}`) : "")))
      : h("p", { class: "soft" }, "None. Open the market with its scenario, or with ", h("code", {}, "--reports FOLDER"), "."),
    h("p", { class: "soft" }, "Beside them: ", h("a", { href: keep("#/prediction") }, "prediction beside reality"), "."),
  ];
}
