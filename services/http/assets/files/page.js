// What both pages use: elements, numbers as people read them, the session, the feed.
import { money } from "/assets/money.js";

export const $ = (id) => document.getElementById(id);

/** An element with text or children; text is never read as HTML. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

export const words = (name) => String(name).replaceAll("_", " ");

// --- numbers

const plain = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });

export const number = (value) => (Math.abs(value) >= 1000 ? whole : plain).format(value);
export const share = (value) => percent.format(value);

export function span(seconds) {
  const total = Math.round(Math.abs(seconds)), sign = seconds < 0 ? "−" : "";
  if (Math.abs(seconds) < 10) return `${plain.format(seconds)} s`;
  if (total < 60) return `${sign}${total} s`;
  const [high, low, names] = total < 3600 ? [Math.floor(total / 60), total % 60, ["min", "s"]] : [Math.floor(total / 3600), Math.floor((total % 3600) / 60), ["h", "min"]];
  return `${sign}${whole.format(high)} ${names[0]}${low ? ` ${low} ${names[1]}` : ""}`;
}

/** Seconds of protobuf's JSON: "12.5s". */
export const seconds = (text) => (text ? Number.parseFloat(text) : 0);

/** A part of a measure, by the measure's unit. Integers that a double cannot hold are text. */
export function measured(value, unit, part, currency) {
  if (value == null) return "–";
  if (/count|pending|now$|sent$|answers|received/.test(part)) return whole.format(value);
  const isShare = /share|rate$/.test(part) || unit === "ratio";
  if (/minor units/.test(unit) && !isShare) return money(value, currency);
  if (part === "mean change" || part === "pay" || part === "pay an hour") return money(value, currency);
  if (isShare && Math.abs(value) <= 1) return share(value);
  if (unit === "s" || /seconds|age$|oldest|answer s/.test(part)) return span(value);
  return number(value);
}

export function moment(secondsSinceEpoch, withSeconds = true) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(withSeconds && { second: "2-digit" }) };
  return new Date(secondsSinceEpoch * 1000).toLocaleTimeString(undefined, options);
}

// --- small pieces of the page

export function figures(list, rows) {
  list.replaceChildren(...rows.map(([name, value, title, colour]) => {
    const dot = colour && el("span", { class: "dot", style: `color: var(--${colour})` });
    return el("div", { title }, el("dt", {}, dot, name), el("dd", {}, value));
  }));
}

/** Rows of cells; a cell is text, or [text, "number"]. */
export function table(caption, heads, rows) {
  const cell = (tag, content) => {
    const [text, kind] = Array.isArray(content) ? content : [content, null];
    return el(tag, { class: kind, scope: tag === "th" ? "col" : null }, text);
  };
  return el("table", {}, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...heads.map((head) => cell("th", head)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((content) => cell("td", content))))));
}

/** Open a dialog at its beginning, with the focus on its title, which has tabindex="-1". */
export function openDialog(dialog, title) {
  if (!dialog.open) dialog.showModal();
  title.focus({ preventScroll: true });
  dialog.scrollTop = 0;
}

export function themeButton(changed) {
  const order = ["", "light", "dark"], names = { "": "Theme: system", light: "Theme: light", dark: "Theme: dark" };
  const root = document.documentElement, button = $("theme");
  const show = () => { button.textContent = names[root.dataset.theme ?? ""]; };
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(root.dataset.theme ?? "") + 1) % order.length];
    if (next) { root.dataset.theme = next; localStorage.setItem("theme", next); }
    else { delete root.dataset.theme; localStorage.removeItem("theme"); }
    show();
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  show();
}

// --- talking to the suite

export async function ask(method, request) {
  const answer = await fetch(`/api/${method}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request),
  });
  return told(answer);
}

/** The answer's JSON; throws an Error with what the suite says is wrong. */
export async function told(answer) {
  const text = await answer.text();
  let body = {};
  try { body = JSON.parse(text); } catch { body = { message: text }; }
  if (!answer.ok) throw Object.assign(new Error(body.message || `HTTP ${answer.status}`), { status: answer.status });
  return body;
}

/** Signing in and out; ``changed(viewer)`` runs at the start too. A token after # in the address signs in at once. */
export async function session(changed) {
  const dialog = $("sign-in"), form = $("sign-in-form"), fault = $("sign-in-fault"), button = $("who");
  let viewer = { role: "", person_id: "" };
  const use = (found) => {
    viewer = found;
    button.textContent = viewer.role ? `${viewer.role} ${viewer.person_id}: sign out` : "Sign in";
    changed(viewer);
  };
  const signIn = async (token) => use(await told(await fetch("/session", { method: "POST", body: token })));
  button.addEventListener("click", async () => {
    if (viewer.role) use(await told(await fetch("/session", { method: "DELETE" })));
    else { fault.textContent = ""; dialog.showModal(); }
  });
  form.addEventListener("submit", async (event) => {
    if (event.submitter?.value !== "go") return;
    event.preventDefault();
    try { await signIn($("token").value); dialog.close(); } catch (problem) { fault.textContent = problem.message; }
  });
  const fromAddress = async () => {
    const found = /^#token=(.+)$/.exec(location.hash);
    if (!found) return false;
    history.replaceState(null, "", location.pathname);
    try { await signIn(decodeURIComponent(found[1])); return true; } catch (problem) { fault.textContent = problem.message; dialog.showModal(); return false; }
  };
  addEventListener("hashchange", fromAddress);
  if (!(await fromAddress())) use(await told(await fetch("/session")));
}

/** Server-sent events that outlive a restart of the suite. Returns a function that ends them. */
export function feed(path, handlers) {
  const RETRY_MS = 1500;
  let source, timer, ended = false;
  const status = $("connection");
  const say = (state, text) => { if (status.textContent !== text) { status.className = state; status.textContent = text; } };
  const open = () => {
    if (ended) return;
    source = new EventSource(path);
    source.addEventListener("open", () => handlers.open?.());
    for (const [name, handle] of Object.entries(handlers)) {
      if (name === "open") continue;
      source.addEventListener(name, (event) => { say("live", "live"); handle(JSON.parse(event.data)); });
    }
    source.addEventListener("error", () => {
      say("away", "away, trying again");
      source.close();
      clearTimeout(timer);
      timer = setTimeout(open, RETRY_MS);
    });
  };
  open();
  return () => { ended = true; clearTimeout(timer); source.close(); };
}
