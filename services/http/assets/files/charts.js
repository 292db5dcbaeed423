// Distributions, drawn by Plotly in the page's colours, each with a sentence for those who do not see it.
import { $ } from "/assets/page.js";

const probe = document.createElement("span");

/** What a colour of the sheet is, in the theme of now. */
export function colour(name) {
  if (!probe.isConnected) { probe.hidden = true; document.body.append(probe); }
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

const NARROW = 520;

function layout(axis, extra = {}) {
  const ink = colour("ink"), line = colour("line");
  const axes = { gridcolor: line, zerolinecolor: line, linecolor: line, fixedrange: true };
  return {
    margin: { l: 44, r: 8, t: 8, b: 42 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink, size: innerWidth < NARROW ? 11 : 12, family: "system-ui, sans-serif" }, bargap: 0.08,
    legend: { orientation: "h", y: 1.12, x: 0 }, xaxis: { ...axes, title: { text: axis } }, yaxis: { ...axes, rangemode: "tozero" }, ...extra,
  };
}

const OPTIONS = { displayModeBar: false, responsive: true };

/** ``series``: [{name, colour, edges, counts}], bars over buckets by their upper edges; ``say``: edge -> text. */
export function buckets(id, axis, series, say, sentence) {
  const used = series.filter((one) => one.counts.some((count) => count));
  const first = Math.min(...used.map((one) => one.counts.findIndex((count) => count)), 0);
  const last = Math.max(...used.map((one) => one.counts.findLastIndex((count) => count)), 1);
  const traces = used.map((one) => {
    const edges = one.edges.map(say), names = [...edges.map((edge) => `≤ ${edge}`), `> ${edges.at(-1)}`];
    return { type: "bar", name: one.name, x: names.slice(first, last + 1), y: one.counts.slice(first, last + 1), marker: { color: colour(one.colour) } };
  });
  const shown = layout(axis, { showlegend: used.length > 1 }), labels = traces[0]?.x ?? [];
  const every = Math.ceil(labels.length / (innerWidth < NARROW ? 4 : 7));
  const ticks = labels.filter((_, place) => place % every === 0);
  Object.assign(shown.xaxis, { tickvals: ticks, tickangle: 0, showgrid: false });
  Plotly.react($(id), traces, shown, OPTIONS);
  $(id).setAttribute("aria-label", sentence);
}

/** One bar, cut into parts: [{name, colour, value, text}]. */
export function parts(id, rows, sentence) {
  const traces = rows.map((row) => ({
    type: "bar", orientation: "h", name: row.name, x: [row.value], y: ["time"], marker: { color: colour(row.colour) },
    text: [row.text], textposition: "inside", insidetextanchor: "middle", hovertemplate: `${row.name}: ${row.text}<extra></extra>`,
  }));
  // An object of its own for each axis: Plotly writes the axis's range into it.
  const hidden = () => ({ visible: false, fixedrange: true });
  Plotly.react($(id), traces, layout("", { barmode: "stack", xaxis: hidden(), yaxis: hidden(), margin: { l: 4, r: 4, t: 4, b: 4 }, legend: { orientation: "h", y: -0.2, x: 0, traceorder: "normal" } }), OPTIONS);
  $(id).setAttribute("aria-label", sentence);
}
