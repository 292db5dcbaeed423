// The worker's page: hours, pay and decisions of whoever has signed in, asked anew when the feed says that they changed.
import * as charts from "/assets/charts.js";
import * as decision from "/assets/decision.js";
import { currencyOf, minorUnits, money, moneyOf, sum } from "/assets/money.js";
import { $, ask, el, feed, figures, measured, moment, seconds, session, share, span, table, themeButton, words } from "/assets/page.js";

const PAGE = 20;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
let me = "", end = null, now = Date.now() / 1000, statement = null, shown = null, older = [], nextPage = "", busy = false, again = false;

const lineOf = (line) => words(line.kind.replace("PRICE_LINE_KIND_", "")).toLowerCase();

// --- hours and pay

const localDate = () => {
  const day = new Date(now * 1000), two = (value) => String(value).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
};

async function loadStatement() {
  statement = await ask("PayService/GetStatement", { workerId: me, period: { date: localDate(), length: $("period").value, timeZone: zone } });
  drawHours();
  const { total, tips, perOnlineHour, perEngagedHour, jobs } = statement, currency = currencyOf(total);
  figures($("pay-figures"), [
    ["paid", moneyOf(total)], ["of that tips", moneyOf(tips)], ["jobs", String(jobs ?? 0)],
    ["an hour online, without tips", moneyOf(perOnlineHour)], ["an hour on jobs, without tips", moneyOf(perEngagedHour)],
  ]);
  const lines = statement.lines ?? [], byLine = Map.groupBy(lines, lineOf);
  $("pay-sums").replaceChildren(table("In this period", ["line", ["amount", "number"]],
    [...[...byLine].map(([name, found]) => [name, [money(sum(found.map((line) => minorUnits(line.minorUnits))), currency), "number"]]), ["in sum", [moneyOf(total), "number"]]]));
  $("pay-lines").replaceChildren(table("Newest first", ["time", "line", "arithmetic", ["amount", "number"]], lines.toReversed().map((line) =>
    [moment(Date.parse(line.time) / 1000), lineOf(line), line.rule ?? "", [money(line.minorUnits, currency), "number"]])));
}

function drawHours() {
  if (!statement) return;
  const atPickup = seconds(statement.atPickup), toPickup = seconds(statement.toPickup) - atPickup;
  const rows = [["waiting for work", "free", seconds(statement.waiting)], ["to pickups", "to-pickup", toPickup], ["waiting there", "at-pickup", atPickup], ["with a job", "with-job", seconds(statement.withJob)]]
    .map(([name, colour, value]) => ({ name, colour, value, text: span(value) }));
  const all = rows.reduce((sum, row) => sum + row.value, 0);
  const sentence = `${span(all)} online: ${rows.map((row) => `${row.text} ${row.name}`).join(", ")}.`;
  charts.parts("hours", rows, sentence);
  $("hours-text").textContent = all ? `${sentence} ${share(rows[3].value / all)} of the time with a job.` : "You were not online in this period.";
}

// --- decisions

function row(one) {
  const review = one.review ? (one.review.answer ? " · answered" : " · contested") : "";
  return el("li", {}, el("button", { type: "button", "data-decision": one.decisionId, onclick: () => openDecision(one) },
    el("span", {}, moment(Date.parse(one.time) / 1000)), el("span", {}, decision.kindOf(one)), el("span", {}, `${one.sentence ?? ""}${review}`)));
}

async function loadDecisions() {
  const page = await ask("TransparencyService/ListDecisions", { personId: me, pageSize: PAGE });
  const newest = page.decisions ?? [], seen = new Set(newest.map((one) => one.decisionId));
  if (!older.length) nextPage = page.nextPageToken ?? "";
  const rows = [...newest, ...older.filter((one) => !seen.has(one.decisionId))];
  if (!$("decisions").contains(document.activeElement)) $("decisions").replaceChildren(...rows.map(row)); // nobody's place is lost
  $("more").hidden = !nextPage;
}

async function loadOlder() {
  const page = await ask("TransparencyService/ListDecisions", { personId: me, pageSize: PAGE, pageToken: nextPage });
  const found = page.decisions ?? [];
  older.push(...found);
  nextPage = page.nextPageToken ?? "";
  $("decisions").append(...found.map(row));
  $("more").hidden = !nextPage;
}

async function openDecision(one) {
  shown = (await ask("TransparencyService/ExplainDecision", { decisionId: one.decisionId })).decision;
  decision.open(shown);
  $("contested").textContent = "";
  $("contest").hidden = Boolean(shown.review) || !shown.contestByTime || Date.parse(shown.contestByTime) / 1000 < now;
}

async function contest(event) {
  event.preventDefault();
  $("contest-fault").textContent = "";
  try {
    const { reviewId, answerByTime } = await ask("TransparencyService/ContestDecision", { requestId: `contest:${shown.decisionId}`, personId: me, decisionId: shown.decisionId, statement: $("statement").value });
    $("contest").hidden = true;
    $("statement").value = "";
    $("contested").textContent = `A human will answer by ${new Date(answerByTime).toLocaleString()} (review ${reviewId}).`;
    await loadDecisions();
  } catch (problem) { $("contest-fault").textContent = problem.message; }
}

// --- standing and measures

async function loadStanding() {
  const standing = await ask("RatingService/GetStanding", { personId: me });
  $("standing").textContent = standing.sentence || `Your account is in ${words((standing.level ?? "STANDING_LEVEL_GOOD").replace("STANDING_LEVEL_", "")).toLowerCase()} standing.`;
}

async function loadMeasures() {
  const { measures, currencyCode, currencyDigits, guarantees, comparison } = await ask("TransparencyService/GetMyMeasures", { courierId: me });
  const currency = { code: currencyCode, digits: currencyDigits ?? 0 };
  const rows = (measures ?? []).flatMap((one) => (one.values ?? []).map((part) => [
    part.name === "all" ? one.name : `${one.name}: ${words(part.name)}`, [measured(part.minorUnits ?? part.value, one.unit, part.name, currency), "number"],
    [part.market == null ? "" : measured(part.market, one.unit, part.name, currency), "number"], one.formula]));
  $("measures").replaceChildren(table("Mine beside everyone’s; empty where nothing is comparable or too few people are behind it", ["measure", ["mine", "number"], ["everyone", "number"], "formula"], rows));
  const topUp = (measures ?? []).find((one) => one.number === 8)?.values.find((part) => part.name === "minor_units");
  const added = `Guarantees have added ${money(topUp?.minorUnits, currency)} so far; their lines are called “top up” and say which floor they come from.`;
  $("floor").textContent = [...(guarantees?.length ? guarantees : ["The policy guarantees no pay beyond the price of each job."]), comparison, added].filter(Boolean).join(" ");
}

// --- all together

async function load() {
  if (busy) { again = true; return; }
  busy = true;
  try { await Promise.all([loadStatement(), loadDecisions(), loadStanding(), loadMeasures()]); }
  catch (problem) { $("hours-text").textContent = problem.message; }
  busy = false;
  if (again) { again = false; await load(); }
}

themeButton(drawHours);
$("period").addEventListener("change", load);
$("more").addEventListener("click", loadOlder);
$("contest").addEventListener("submit", contest);
await session((viewer) => {
  end?.();
  me = viewer.person_id;
  older = []; nextPage = "";
  $("worker-name").textContent = me;
  $("welcome").hidden = Boolean(me);
  $("mine").hidden = !me;
  $("connection").className = "";
  $("connection").textContent = me ? "connecting…" : "not signed in";
  if (me) end = feed("/me/feed", { changed: ({ time }) => { now = time; $("clock").textContent = moment(time); load(); } });
});
