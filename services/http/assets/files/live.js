// The live page: one picture of the market a second, by server-sent events.
import * as charts from "/assets/charts.js";
import * as decision from "/assets/decision.js";
import { MarketMap } from "/assets/map.js";
import { money } from "/assets/money.js";
import { $, ask, el, feed, figures, measured, moment, number, session, share, span, table, themeButton, told, words } from "/assets/page.js";

const map = new MarketMap();
const catalogue = new Map();
let picture = null, zones = null, viewer = { role: "" }, end = null, listed = "";

const seesAll = () => ["operator", "reviewer"].includes(viewer.role);

const currency = () => ({ code: picture.currency, digits: picture.currency_digits });

// --- now

function showNow() {
  const { jobs, couriers, waits, measures } = picture, sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);
  const waiting = (jobs.queued ?? 0) + (jobs.offered ?? 0);
  figures($("now"), [
    ["jobs waiting", number(waiting)], ["on the way to", number((jobs.assigned ?? 0) + (jobs.at_pickup ?? 0))], ["on board", number(jobs.picked_up ?? 0)],
    ["completed", number(jobs.completed ?? 0)], ["couriers online", number(sum(couriers))],
    ["free", number(couriers.free ?? 0), "", "free"], ["to pickup", number(couriers.to_pickup ?? 0), "", "to-pickup"],
    ["at pickup", number(couriers.at_pickup ?? 0), "", "at-pickup"], ["with job", number(couriers.with_job ?? 0), "", "with-job"],
    ["mean wait to accept", waits.accept.counts.some(Boolean) ? span(waits.accept.mean) : "–"],
    ["decisions explained", measures[27] == null ? "–" : share(measures[27])],
  ]);
}

// --- the round

function showRound() {
  const round = picture.round;
  if (!round) return;
  const stages = Object.entries(round.stages_ms).map(([stage, ms]) => `${words(stage)} ${number(ms)} ms`).join(", ");
  figures($("round"), [
    ["at", moment(round.time)], ["jobs", number(round.jobs)], ["couriers", number(round.couriers)], ["offers made", number(round.offers)],
    ["held for a better pair", number(round.held)], ["shared a courier", number(round.bundled)], ["nobody could take", number(round.stranded)],
    ["took", `${number(Object.values(round.stages_ms).reduce((a, b) => a + b, 0))} ms`, stages],
  ]);
  const gates = Object.entries(round.gates).filter(([, removed]) => removed).sort((a, b) => b[1] - a[1]).slice(0, 6);
  const most = gates[0]?.[1] ?? 1;
  $("gates").replaceChildren(...(gates.length ? gates.map(([gate, removed]) => el("li", {},
    el("span", {}, words(gate)), el("span", { class: "bar", style: `width: ${Math.max(1, (100 * removed) / most)}%` }), el("span", { class: "number" }, number(removed))))
    : [el("li", {}, "no job was left over")]));
}

// --- distributions

function showCharts() {
  const { accept, pickup } = picture.waits, total = (bars) => bars.counts.reduce((a, b) => a + b, 0);
  const waitsText = total(accept) ? `${number(total(accept))} jobs were accepted after ${span(accept.mean)} on average; ${number(total(pickup))} were picked up after ${span(pickup.mean)}.` : "No job has been accepted yet.";
  charts.buckets("waits", "from placing", [{ name: "to acceptance", colour: "with-job", ...accept }, { name: "to pickup", colour: "to-pickup", ...pickup }], span, waitsText);
  $("waits-text").textContent = waitsText;
  const { online, engaged } = picture.earnings, pay = (value) => money(value, currency(), true);
  const earningsText = online ? `This week, without tips: ${pay(online.mean)} for an hour online on average, ${engaged ? pay(engaged.mean) : "–"} for an hour on a job.`
    : "Not shown for fewer than ten couriers.";
  charts.buckets("earnings", "an hour", [["an hour online", "free", online], ["an hour on a job", "taken", engaged]].filter(([, , bars]) => bars).map(([name, colour, bars]) => ({ name, colour, ...bars })), pay, earningsText);
  $("earnings-text").textContent = earningsText;
}

// --- the four families

const FAMILIES = ["monetisation", "qualification", "automation", "governmentality"];
// What stands at the head of each: measure, part, name.
const HEADS = {
  monetisation: [[2, "all", "utilisation"], [4, "mean", "an hour online"], [9, "all", "take rate"], [13, "gini", "Gini of pay"]],
  qualification: [[16, "mean_stars", "mean stars"], [16, "five_star_share", "five stars"], [18, "", "near a threshold"], [43, "median", "one-star ratings to the cut"]],
  automation: [[23, "offer", "offers by machine alone"], [23, "standing", "standing by machine alone"], [25, "rate", "contests upheld for the worker"], [45, "", "meaningful reviews"]],
  governmentality: [[41, "", "commanded, unpaid"], [3, "all", "unpaid share of time"], [31, "", "offers that show all"], [44, "share", "lost by the policy’s change"]],
};

function showFamilies() {
  const box = $("families");
  if (!box.children.length) {
    for (const family of FAMILIES) {
      const all = el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": `All measures of ${family}` });
      box.append(el("div", { "data-family": family }, el("h3", {}, family), el("dl", { class: "figures" }), el("details", {}, el("summary", {}, `All measures of ${family}`), all)));
    }
  }
  for (const column of box.children) {
    const { family } = column.dataset;
    figures(column.querySelector("dl"), HEADS[family].map(([id, part, name]) => {
      const value = picture.measures[id], row = catalogue.get(id);
      return [name, measured(part ? value?.[part] : value, row?.unit ?? "", part, currency()), row ? `${row.name}: ${row.formula}` : ""];
    }));
    if (column.querySelector("details").open) column.querySelector(".scrolls").replaceChildren(familyTable(family));
  }
}

function familyTable(family) {
  const rows = [...catalogue.values()].filter((row) => row.family === family).map((row) => {
    const value = picture.measures[row.number];
    const lines = value !== null && typeof value === "object"
      ? Object.entries(value).map(([part, one]) => el("div", {}, `${words(part)}: ${measured(one, row.unit, part, currency())}`))
      : [measured(value, row.unit, "", currency())];
    return [`${row.number}. ${row.name}`, el("div", {}, ...lines), row.formula];
  });
  return table("A dash: nothing of the kind yet, or fewer than ten people", ["measure", "value", "formula"], rows);
}

// --- decisions

function showDecisions() {
  const select = $("decision-kind"), chosen = select.value;
  const rows = picture.decisions.filter((row) => !chosen || row.kind === chosen);
  const key = JSON.stringify(rows);
  if (key === listed || $("decisions").contains(document.activeElement)) return; // nobody's place in the list is lost
  listed = key;
  $("decisions").replaceChildren(...rows.map((row) => el("li", {}, el("button", { type: "button", "data-decision": row.decision_id, onclick: () => openDecision(row) },
    el("span", {}, moment(row.time, seesAll())), el("span", {}, row.kind), el("span", {}, `by ${row.decider}${row.person_id ? `, about ${row.person_id}` : ""}`)))));
}

async function openDecision(row) {
  const { decision_id: decisionId } = row;
  try {
    decision.open(seesAll() ? (await ask("TransparencyService/ExplainDecision", { decisionId })).decision
      : await told(await fetch(`/live/decisions/${encodeURIComponent(decisionId)}`)));
  }
  catch (problem) { $("decisions-hint").textContent = problem.message; }
}

// --- all together

async function show(next) {
  picture = next;
  $("market-name").textContent = next.market;
  $("clock").textContent = `${moment(next.time)}${next.speed === 1 ? "" : ` (${number(next.speed)}×)`}`;
  $("policy").textContent = `version ${next.policy_version}`;
  if (zones !== next.zones) {
    zones = next.zones;
    map.setZones(await told(await fetch("/live/zones")));
  }
  draw();
}

function draw() {
  if (!picture) return;
  showNow(); showRound(); showCharts(); showFamilies(); showDecisions();
  map.show(picture);
  document.body.dataset.sequence = picture.sequence;
}

themeButton(draw);
$("decision-kind").append(...["offer", "price", "surge", "score", "standing", "exclusion", "contest", "flag"].map((kind) => el("option", { value: kind }, kind)));
$("decision-kind").addEventListener("change", () => { listed = ""; draw(); });
for (const row of await told(await fetch("/live/catalogue"))) catalogue.set(row.number, row);
await session((who) => {
  viewer = who;
  const all = seesAll();
  $("decisions-hint").textContent = all ? "" : "How offers were chosen, without the people. Operators and reviewers see every decision.";
  $("decision-kind").hidden = !all;
  listed = "";
  end?.();
  end = feed("/live/feed", { shapes: (shapes) => map.addShapes(shapes), picture: show });
});
