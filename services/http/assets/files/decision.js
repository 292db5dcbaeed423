// A decision opened to its reason: the sentence, what it was made from, what else was compared, the rule.
import { currencyOf, money, moneyOf } from "/assets/money.js";
import { $, el, moment, number, openDialog, seconds, span, table, words } from "/assets/page.js";

const name = (text, prefix) => words((text ?? "").replace(prefix, "")).toLowerCase();

export const kindOf = (decision) => name(decision.kind, "DECISION_KIND_");
const deciderOf = (decision) => name(decision.decider, "DECIDER_");

function valued(input) {
  if (input.amount) return moneyOf(input.amount);
  return input.unit === "s" ? span(input.value ?? 0) : `${number(input.value ?? 0)} ${input.unit ?? ""}`;
}

const inSeconds = (cost) => `${number(Number(cost ?? 0) / 1000)} s`;

function inputs(rows) {
  return rows?.length ? table("Made from", ["what", ["value", "number"]], rows.map((row) => [words(row.name), [valued(row), "number"]])) : null;
}

function reason(offer) {
  const why = offer?.reason;
  if (!why) return [];
  const terms = table("Cost of this pair, in seconds of pickup time", ["term", ["cost", "number"]],
    [...(why.terms ?? []).map((term) => [words(term.name), [inSeconds(term.cost), "number"]]), ["in sum", [inSeconds(why.cost), "number"]]]);
  const others = (why.alternatives ?? []).map((other) => [other.courierId ?? "another", [inSeconds(other.cost), "number"],
    [other.pickupDuration ? span(seconds(other.pickupDuration)) : "", "number"], other.chosenForJobId ? `chosen for ${other.chosenForJobId}` : ""]);
  const gates = (why.gates ?? []).filter((gate) => gate.removed).map((gate) => [name(gate.gate, "GATE_"), [number(gate.removed), "number"]]);
  return [terms,
    others.length ? table("Compared, cheapest first", ["courier", ["cost", "number"], ["to the pickup", "number"], ""], others) : null,
    gates.length ? table("Could not take it", ["because of", ["couriers", "number"]], gates) : null];
}

function priced(label, price) {
  if (!price?.total) return null;
  const currency = currencyOf(price.total);
  const rows = (price.lines ?? []).map((line) => [name(line.kind, "PRICE_LINE_KIND_"), line.rule ?? "", [money(line.minorUnits, currency), "number"]]);
  return table(label, ["line", "arithmetic", ["amount", "number"]], [...rows, ["in sum", "", [moneyOf(price.total), "number"]]]);
}

function contested(review) {
  if (!review) return null;
  const answer = review.answer ? `${name(review.outcome, "REVIEW_OUTCOME_")}: ${review.answer}` : "waits for a human’s answer";
  return el("p", {}, el("strong", {}, "Contest: "), answer);
}

/** Fills and opens the dialog. */
export function open(decision) {
  $("decision-title").textContent = `${kindOf(decision)} decision, ${moment(Date.parse(decision.time) / 1000)}`;
  const offered = decision.offer ?? {};
  const facts = [["decided by", decision.decidedBy || deciderOf(decision)], ["rule", decision.rule || "–"], ["policy", `version ${decision.policyVersion ?? "–"}`]];
  if (decision.personId) facts.push(["about", decision.personId]);
  if (decision.jobId) facts.push(["job", decision.jobId]);
  $("decision-body").replaceChildren(...[
    decision.sentence ? el("p", { class: "sentence" }, decision.sentence) : null,
    table("", ["", ""], facts), inputs(decision.inputs), priced("Fare", decision.fare), priced("Pay", decision.pay), ...reason(offered), contested(decision.review),
  ].filter(Boolean));
  openDialog($("decision"), $("decision-title"));
}
