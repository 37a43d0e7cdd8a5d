// The pages, in the order of their keys.
import { Told } from "./dom.js";
import { overview } from "./overview.js";
import { request, requests } from "./requests.js";
import { prover, provers } from "./provers.js";
import { journal, prediction, reports, rule, stake } from "./others.js";

export const PAGES = [
  ["", "Overview"], ["requests", "Requests"], ["provers", "Provers"], ["stake", "Stake"], ["journal", "Journal"],
  ["prediction", "Prediction"], ["rule", "Rule"], ["reports", "Reports"],
];
const MANY = { "": overview, requests, provers, stake, journal, prediction, rule, reports };
const ONE = { requests: request, provers: prover };

export function pageOf(path) {
  const [name = "", number] = path;
  const found = number === undefined ? MANY[name] : ONE[name];
  if (!found) return async () => { throw new Told(`There is no page “${path.join("/")}”.`); };
  return found;
}
