// The market's H3 cells as SVG: each cell can be reached by keyboard and read aloud, which a chart's canvas cannot offer.
import { $, el, table, words } from "/assets/page.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1000, MARGIN = 0.04;
const COURIERS = ["free", "to_pickup", "at_pickup", "with_job"];
const JOBS = ["waiting", "taken"];
const POINT_COLOURS = { free: "free", to_pickup: "to-pickup", at_pickup: "at-pickup", with_job: "with-job" };
const WAITING = new Set(["queued", "offered"]);

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Every ring of a GeoJSON geometry: none of one without positions, which may be null. */
function ringsOf(geometry) {
  const { type, coordinates, geometries } = geometry ?? {};
  if (type === "GeometryCollection") return geometries.flatMap(ringsOf);
  return (type === "Polygon" ? [coordinates] : coordinates ?? []).flat().filter((ring) => ring.length);
}

// Spreading a whole document of zones into Math.min would exceed the limit of arguments.
const least = (values) => values.reduce((a, b) => Math.min(a, b));
const most = (values) => values.reduce((a, b) => Math.max(a, b));

/** The range of longitudes, and the shift by which a market across the antimeridian lies in one piece. */
function widthOf(lngs) {
  const range = (shift) => {
    const shifted = lngs.map(shift);
    return { west: least(shifted), east: most(shifted), shift };
  };
  const plain = range((lng) => lng), around = range((lng) => (lng < 0 ? lng + 360 : lng));
  return around.east - around.west < plain.east - plain.west ? around : plain;
}

export class MarketMap {
  #map = $("map"); #zonesGroup = svg("g", {}); #cellsGroup = svg("g", {}); #pointsGroup = svg("g", {});
  #shapes = {}; #rows = new Map(); #cells = new Map(); #zones = []; #view = null; #picture = null; #current = "";

  constructor() {
    this.#map.append(this.#cellsGroup, this.#zonesGroup, this.#pointsGroup);
    for (const radio of document.querySelectorAll("[name=layer]")) radio.addEventListener("change", () => this.draw());
    this.#map.addEventListener("keydown", (event) => this.#move(event));
    $("cells-table").parentElement.addEventListener("toggle", () => this.#drawTable());
  }

  get layer() { return document.querySelector("[name=layer]:checked").value; }

  setZones(geojson) {
    this.#zones = geojson.features.flatMap(({ geometry, properties }, index) => {
      const rings = ringsOf(geometry);
      return rings.length ? [{ name: properties?.name || `feature ${index}`, rule: properties?.rule ?? "service_area", rings }] : [];
    });
    this.#view = null;
  }

  addShapes(shapes) { Object.assign(this.#shapes, shapes); }

  show(picture) {
    this.#picture = picture;
    this.#rows = new Map(picture.cells.map((row) => [row.cell, row]));
    for (const [cell, percent] of picture.surge) this.#rows.set(cell, { ...this.#rows.get(cell), cell, surge: percent });
    this.draw();
  }

  draw() {
    if (!this.#picture) return;
    if (this.#picture.planar) { $("cell").textContent = "This market lies in a plane: there is no map of it."; return; }
    this.#fit();
    if (!this.#view) return;
    const layer = this.layer, most = Math.max(1, ...[...this.#rows.values()].map((row) => this.#value(row, layer)));
    // The current cell stays, with nothing in it: it may hold the focus.
    for (const [cell, path] of this.#cells) if (!this.#rows.has(cell) && cell !== this.#current) { path.remove(); this.#cells.delete(cell); }
    for (const row of this.#rows.values()) if (this.#shapes[row.cell]) this.#drawCell(row, layer, most);
    if (this.#cells.has(this.#current) && !this.#rows.has(this.#current)) this.#drawCell({ cell: this.#current }, layer, most);
    if (!this.#cells.has(this.#current)) this.#choose([...this.#cells.keys()][0] ?? "", false);
    this.#drawPoints();
    this.#drawLegend(layer, most);
    this.#drawTable();
    if (this.#current && this.#map.contains(document.activeElement)) this.#tell(this.#current);
  }

  // --- where things are drawn

  #fit() {
    if (this.#view) return;
    const rings = this.#zones.length ? this.#zones.flatMap((zone) => zone.rings) : Object.values(this.#shapes);
    const points = rings.flat();
    if (!points.length) return;
    const lats = points.map(([, lat]) => lat);
    const south = least(lats), north = most(lats);
    const { west, east, shift } = widthOf(points.map(([lng]) => lng));
    const stretch = Math.cos(((south + north) / 2) * Math.PI / 180), scale = WIDTH / Math.max((east - west) * stretch, 1e-6);
    const height = Math.max((north - south) * scale, 1);
    this.#view = { at: ([lng, lat]) => [(shift(lng) - west) * stretch * scale, (north - lat) * scale] };
    const pad = MARGIN * Math.max(WIDTH, height);
    this.#map.setAttribute("viewBox", `${-pad} ${-pad} ${WIDTH + 2 * pad} ${height + 2 * pad}`);
    this.#view.dot = Math.max(WIDTH, height) / 160;
    this.#cells.clear();
    this.#cellsGroup.replaceChildren();
    this.#zonesGroup.replaceChildren(...this.#zones.map((zone) => {
      const path = svg("path", { class: "zone", d: zone.rings.map((ring) => this.#outline(ring)).join("") });
      path.append(Object.assign(svg("title", {}), { textContent: `${zone.name}: ${words(zone.rule)}` }));
      return path;
    }));
  }

  #outline(ring) {
    return `M${ring.map((point) => this.#view.at(point).map((value) => value.toFixed(1)).join(",")).join("L")}Z`;
  }

  #value(row, layer) {
    if (layer === "surge") return Math.abs((row.surge ?? 100) - 100);
    return (layer === "couriers" ? COURIERS : JOBS).reduce((sum, state) => sum + (row[state] ?? 0), 0);
  }

  #drawCell(row, layer, most) {
    let path = this.#cells.get(row.cell);
    if (!path) {
      path = svg("path", { class: "cell", role: "option", tabindex: "-1", "aria-selected": "false", d: this.#outline(this.#shapes[row.cell]), "data-cell": row.cell });
      path.addEventListener("click", () => this.#choose(row.cell, true));
      path.addEventListener("pointerenter", () => this.#tell(row.cell));
      this.#cells.set(row.cell, path);
      this.#cellsGroup.append(path);
    }
    const strength = Math.round(100 * Math.sqrt(this.#value(row, layer) / most)), name = layer === "surge" ? "surge" : "fill";
    path.style.fill = `color-mix(in oklab, var(--${name}-high) ${strength}%, var(--${name}-low))`;
    path.setAttribute("aria-label", this.#sentence(row));
  }

  #drawPoints() {
    const { points } = this.#picture;
    const dots = [];
    for (const [lat, lng, state, stale] of points?.couriers ?? []) {
      const [cx, cy] = this.#view.at([lng, lat]);
      dots.push(svg("circle", { class: stale ? "point stale" : "point", cx, cy, r: this.#view.dot, style: `fill: var(--${POINT_COLOURS[state]})` }));
    }
    for (const [lat, lng, state] of points?.jobs ?? []) {
      const [x, y] = this.#view.at([lng, lat]), side = this.#view.dot * 1.8;
      const fill = WAITING.has(state) ? "waiting" : "taken";
      dots.push(svg("rect", { class: "point", x: x - side / 2, y: y - side / 2, width: side, height: side, style: `fill: var(--${fill})` }));
    }
    this.#pointsGroup.replaceChildren(...dots);
  }

  // --- what is said of it

  #sentence(row) {
    const some = (names, rest) => names.filter((name) => row[name]).map((name) => `${row[name]} ${words(name)}${rest}`);
    const couriers = some(COURIERS, ""), jobs = [];
    if (row.waiting) jobs.push(`${row.waiting} waiting for a courier`);
    if (row.taken) jobs.push(`${row.taken} waiting for their courier to arrive`);
    const text = [`Couriers: ${couriers.join(", ") || "none"}.`, `Jobs: ${jobs.join(", ") || "none"}.`];
    if (row.surge) text.push(`Surge ${row.surge} %.`);
    return text.join(" ");
  }

  #tell(cell) { $("cell").textContent = `Cell ${cell}. ${this.#sentence(this.#rows.get(cell) ?? {})}`; }

  #drawLegend(layer, most) {
    const name = layer === "surge" ? "surge" : "fill";
    const ends = layer === "surge" ? ["100 %", `${100 + most} %`] : ["0", `${most} ${layer} a cell`];
    const rows = [["low", ends[0]], ["high", ends[1]]].map(([end, text]) =>
      el("li", {}, el("span", { class: "swatch", style: `background: var(--${name}-${end})` }), text));
    if (this.#picture.points) {
      for (const state of COURIERS) rows.push(el("li", {}, el("span", { class: "dot", style: `color: var(--${POINT_COLOURS[state]})` }), `courier ${words(state)}`));
      rows.push(el("li", {}, el("span", { class: "dot stale" }), "position too old for offers"));
      for (const state of JOBS) rows.push(el("li", {}, el("span", { class: "swatch", style: `background: var(--${state})` }), `job ${state === "waiting" ? "without a courier" : "awaiting its courier"}`));
    }
    $("legend").replaceChildren(...rows);
  }

  #drawTable() {
    const box = $("cells-table");
    if (!box.parentElement.open || !this.#picture) return;
    const heads = ["cell", ...[...COURIERS, ...JOBS].map((state) => [words(state), "number"]), ["surge", "number"]];
    const rows = [...this.#rows.values()].sort((a, b) => this.#value(b, "jobs") - this.#value(a, "jobs"));
    box.replaceChildren(table("Couriers and jobs by cell, most jobs first", heads, rows.map((row) =>
      [row.cell, ...[...COURIERS, ...JOBS].map((state) => [String(row[state] ?? 0), "number"]), [`${row.surge ?? 100} %`, "number"]])));
  }

  // --- by keyboard

  #choose(cell, focus) {
    const before = this.#cells.get(this.#current), path = this.#cells.get(cell);
    before?.setAttribute("aria-selected", "false");
    before?.setAttribute("tabindex", "-1");
    this.#current = cell;
    if (!path) return;
    path.setAttribute("tabindex", "0");
    if (focus) {
      path.setAttribute("aria-selected", "true");
      this.#cellsGroup.append(path);
      path.focus();
      this.#tell(cell);
    }
  }

  #move(event) {
    const way = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    const from = this.#cells.get(this.#current);
    if (!way || !from) return;
    event.preventDefault();
    const centre = (path) => { const box = path.getBBox(); return [box.x + box.width / 2, box.y + box.height / 2]; };
    const [x, y] = centre(from);
    let best = null, least = Infinity;
    for (const [cell, path] of this.#cells) {
      const [px, py] = centre(path), along = (px - x) * way[0] + (py - y) * way[1], across = Math.abs((px - x) * way[1]) + Math.abs((py - y) * way[0]);
      const cost = along + 2 * across;
      if (along > 0.5 && cost < least) { best = cell; least = cost; }
    }
    if (best) this.#choose(best, true);
  }
}
