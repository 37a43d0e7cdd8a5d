// Numbers, times and events as people read them. Nothing here makes HTML: names are users' input and stay text.

export const NONE = "–";

// An integer that the browser's numbers would round: counts like one, is written in full.
export class Whole extends Number {
  constructor(text) { super(text); this.text = text; }
  toString() { return this.text; }
  toJSON() { return this.text; }
  toLocaleString() { return BigInt(this.text).toLocaleString("en-US"); }
}

// Read JSON without rounding: whole numbers of 16 digits or more become Whole.
export function readJson(text) {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (part) => (/^-?\d{16,}$/.test(part) ? `{"whole":"${part}"}` : part));
  return JSON.parse(marked, (_, value) => (typeof value?.whole === "string" && /^-?\d{16,}$/.test(value.whole) ? new Whole(value.whole) : value));
}

export const same = (one, other) => String(one) === String(other);

let unit = 1e9; // smallest units of a token

export function setDecimals(decimals) { unit = 10 ** decimals; }

export function digits(value, significant = 3) {
  if (!value) return "0";
  const size = Math.abs(value);
  const whole = size >= 1 ? Math.floor(size).toString().length : 0;
  const leading = whole ? 0 : -Math.floor(Math.log10(size)) - 1;
  const places = Math.min(12, Math.max(0, significant - whole + leading));
  const text = value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

export function tokens(amount) {
  if (amount === null || amount === undefined) return NONE;
  const value = amount / unit;
  return Math.abs(value) >= 1e7 ? digits(value / 1e6) + " M" : digits(value);
}

export const money = (amount) => `${tokens(amount)} ${Number(amount) === unit ? "token" : "tokens"}`;

export const inTokens = (amount) => (amount === null ? null : amount / unit);

const TIMES = [[86_400_000, "days"], [3_600_000, "h"], [60_000, "min"], [1_000, "s"], [1, "ms"]];

export function unitOf(ms) { return TIMES.find(([size]) => Math.abs(ms) >= 2 * size) ?? TIMES[4]; }

export function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  const [size, name] = unitOf(ms);
  return `${digits(ms / size)} ${name}`;
}

export function clock(ms) {
  if (ms === null || ms === undefined) return NONE;
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  const day = Math.floor(ms / 86_400_000);
  const text = `${two((ms / 3_600_000) % 24)}:${two((ms / 60_000) % 60)}:${two((ms / 1_000) % 60)}`;
  return day ? `day ${day + 1}, ${text}` : text;
}

export function percent(share) {
  if (share === null || share === undefined) return NONE;
  const value = 100 * share;
  const least = Math.min(Math.abs(value), Math.abs(100 - value));
  const places = least >= 1 || !least ? 1 : Math.min(9, 1 + Math.ceil(-Math.log10(least)));
  const text = value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  return `${text.replace(/\.?0+$/, "")} %`;
}

export function count(value) {
  if (value === null || value === undefined) return NONE;
  return value.toLocaleString("en-US", { maximumFractionDigits: Math.abs(value) >= 100 ? 0 : 1 });
}

export function index(value) { return value === null || value === undefined ? NONE : value.toFixed(3); }

export const HOW = { count, duration, tokens, percent, index };

// What a rule keeps, by its unit: how a value is told, and what its heading adds.
const KEPT = {
  gwei: [tokens, "tokens"], time: [(value) => (value ? clock(value) : NONE), ""], "ms + 1": [(value) => (value ? clock(value - 1) : NONE), ""], ms: [duration, ""],
  bips: [(value) => percent(value / 1e4), ""], billionths: [(value) => percent(value / 1e9), ""],
};
export const kept = (value, unit) => (KEPT[unit]?.[0] ?? count)(value);
export const keptIn = (unit) => KEPT[unit]?.[1] ?? unit;

// An event in a sentence: pieces of text, and [text, address] for what can be opened.
export function sentence(e) {
  const whom = [e.whom ?? "", `#/provers/${e.detail}`];
  const who = e.name ? [e.name, e.actor === null ? "" : `#/provers/${e.actor}`] : "";
  const job = e.job === null ? "" : [`request ${e.job}`, `#/requests/${e.job}`];
  const amount = money(e.amount);
  const given = after(e);
  switch (e.kind) {
    case "OFFER": return [who, ` offers: ${tokens(e.amount)} tokens a unit or proof, ${count(e.detail)} at once`];
    case "STAKE": return [who, ` stakes ${amount}`];
    case "UNSTAKE": return [who, ` takes ${amount} out of its stake`];
    case "WITHDRAW": return [who, " withdraws what has matured"];
    case "DELEGATE": return [who, ` delegates ${amount} to `, whom];
    case "UNDELEGATE": return [who, ` takes ${amount} back from `, whom];
    case "TRANSFER": return [who, ` pays ${amount} to `, whom];
    case "REQUEST": return [e.name || "somebody", " asks: ", job, `, size ${count(e.detail)}, at most ${amount}`, ...given];
    case "BID": return [who, ` bids ${amount} on `, job, ...given];
    case "CLOSE": return ["Bidding on ", job, " ends", ...given];
    case "DECLINE": return [who, " declines ", job, ...given];
    case "PROVE": return [who, " proves ", job, ...given];
    case "CONTEST": return [who, " contests the proof of ", job, ...given];
    case "EXPIRE": return ["Time is up for ", job, ...given];
    case "SETTLE": return [job, " is settled up", ...given];
    case "VOTE": return [who, " votes on ", job, ...given];
    case "JOIN": return [e.name || "somebody", " joins"];
    case "DEPOSIT": return [e.name || "somebody", ` puts ${amount} in`];
    case "WITHDRAWAL": return [e.name || "somebody", ` takes ${amount} out`];
    case "GENESIS": return ["The market begins"];
    case "RESUME": return ["A coordinator begins to write"];
    case "BEACON": return ["New random words are committed to"];
    case "CANCEL": return [e.name || "somebody", " makes a message void"];
    case "UNCOVERED": return ["Money of ", who, " that the rule holds has left the vault"];
    case "SETTLEMENT": return [`Batch ${e.amount} is sent to the chain`];
    default: return [e.kind];
  }
}

function after(e) {
  const paid = e.paid ? `; ${money(e.paid)} paid` : "";
  switch (e.to) {
    case "BIDDING": return e.kind === "BID" ? [] : ["; bids are taken"];
    case "ASSIGNED": return e.kind === "VOTE" ? [paid] : ["; ", [e.prover ?? "", `#/provers/${e.prover_number}`], ` has until ${clock(e.deadline_ms)}`, paid];
    case "OPEN": return ["; anybody may prove it", paid];
    case "PROVEN": return [e.kind === "PROVE" ? "; final once the cooldown is over" : "", paid];
    case "CONTESTED": return ["; a better proof decides", paid];
    case "SETTLED": return ["; final", paid];
    case "LOST": return ["; it is lost, the rest of the money goes back", paid];
    default: return [paid];
  }
}

// How far values spread, told in the unit of their mean.
export function spread(how, mean, deviation) {
  if (how !== "duration") return HOW[how](deviation);
  const [size, name] = unitOf(mean);
  return `${digits(deviation / size, 2)} ${name}`;
}
