// The gallery: as many cells as the window shows, whatever the number of records. What a source
// says is only ever set as text.
"use strict";

const CELL = { width: 144, height: 176 }; // pixels
const PAGE = 200; // rows asked for at once
const TALLEST = 8e6; // pixels of the scrolled area: browsers end at some 16 million
const at = (id) => document.getElementById(id);
const grid = at("grid"), space = at("space"), dialog = at("one");

let total = 0, chosen = 0, across = 1, version = 0, label = null;
let pages = new Map(); // number of a page: its rows, or a promise of them
const cells = new Map(); // place: element

async function ask(path, query) {
  const answer = await fetch(`${path}?${new URLSearchParams(query)}`);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function filter() {
  const query = { out: at("out").value || 0, words: at("words").value, state: at("state").value };
  if (at("column").value && at("value").value !== "") {
    query.column = at("column").value;
    query.value = at("value").selectedOptions[0].dataset.value;
  }
  return query;
}

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function options(select, pairs) {
  select.replaceChildren(...pairs.map(([value, text, kept]) => {
    const made = element("option", text);
    made.value = value;
    if (kept !== undefined) made.dataset.value = kept;
    return made;
  }));
}

async function rowsOf(page) {
  if (!pages.has(page)) {
    const mine = version;
    pages.set(page, ask("/api/rows", { ...filter(), from: page * PAGE, count: PAGE }).then((found) => {
      if (mine !== version) return [];
      if (found.total !== total) { total = found.total; layout(); }
      return found.rows;
    }).catch((error) => { at("count").textContent = error.message; return []; }));
    if (pages.size > 40) pages.delete(pages.keys().next().value);
  }
  return pages.get(page);
}

async function rowAt(place) {
  return (await rowsOf(Math.floor(place / PAGE)))[place % PAGE];
}

const lines = () => Math.ceil(total / across);
const height = () => Math.min(lines() * CELL.height, TALLEST);
// Which line is at the top: where all lines do not fit into the scrolled area, by its share.
function topLine() {
  const all = lines() * CELL.height - grid.clientHeight, area = height() - grid.clientHeight;
  return area > 0 ? (grid.scrollTop / area) * (all / CELL.height) : 0;
}
function scrollTo(line) {
  const all = lines() * CELL.height - grid.clientHeight, area = height() - grid.clientHeight;
  if (all > 0) grid.scrollTop = (line * CELL.height / all) * area;
}

function layout() {
  across = Math.max(1, Math.floor(grid.clientWidth / CELL.width));
  space.style.height = `${height()}px`;
  at("count").textContent = `${total.toLocaleString("en")} records`;
  draw();
}

function draw() {
  const top = topLine(), first = Math.max(0, Math.floor(top) - 1);
  const last = Math.min(lines(), Math.ceil(top + grid.clientHeight / CELL.height) + 1);
  for (const [place, cell] of cells) {
    if (place < first * across || place >= last * across) { cell.remove(); cells.delete(place); }
  }
  const width = grid.clientWidth / across, begin = grid.scrollTop; // read in the loop, each is a layout
  for (let place = first * across; place < Math.min(last * across, total); place++) {
    if (!cells.has(place)) { cells.set(place, cellOf(place)); space.append(cells.get(place)); }
    const cell = cells.get(place), line = Math.floor(place / across);
    cell.style.width = `${width}px`;
    cell.style.height = `${CELL.height}px`;
    cell.style.left = `${(place % across) * width}px`;
    cell.style.top = `${begin + (line - top) * CELL.height}px`;
    cell.setAttribute("aria-selected", String(place === chosen));
  }
  if (cells.has(chosen)) grid.setAttribute("aria-activedescendant", `cell-${chosen}`);
  else grid.removeAttribute("aria-activedescendant");
}

function cellOf(place) {
  const cell = element("div", undefined, "cell"), mine = version;
  cell.id = `cell-${place}`;
  cell.setAttribute("role", "option");
  cell.setAttribute("aria-setsize", total);
  cell.setAttribute("aria-posinset", place + 1);
  cell.setAttribute("aria-label", `record ${place + 1}`);
  cell.append(element("div"));
  cell.addEventListener("click", () => { choose(place); open(); });
  // What is only passed by while scrolling is not asked for.
  setTimeout(() => cell.isConnected && rowAt(place).then((row) => {
    if (!row || mine !== version) return;
    cell.setAttribute("aria-label", [row.id, label && row.label, row.reason].filter(Boolean).join(", "));
    const box = cell.firstChild;
    if (row.file) box.append(pictureOf(row, 192, ""));
    else box.append(element("span", row.reason || "no file", "none"));
    box.append(element("b", row.id));
    if (label) box.append(element("b", row.label));
  }), pages.has(Math.floor(place / PAGE)) && !hurried ? 0 : 80);
  return cell;
}

function pictureOf(row, side, alt) {
  const image = element("img");
  image.alt = alt;
  image.loading = "lazy";
  image.src = `/picture?${new URLSearchParams({ out: filter().out, n: row.n, side, v: version })}`;
  image.addEventListener("error", () => image.replaceWith(element("span", "no picture to show", "none")));
  return image;
}

function choose(place) {
  chosen = Math.min(Math.max(place, 0), Math.max(total - 1, 0));
  const line = Math.floor(chosen / across), top = topLine();
  const shown = grid.clientHeight / CELL.height;
  if (line < top) scrollTo(line);
  else if (line + 1 > top + shown) scrollTo(line + 1 - shown);
  draw();
}

async function open() {
  const wanted = chosen, row = await rowAt(wanted);
  if (!row) return;
  const found = await ask("/api/record", { out: filter().out, n: row.n });
  if (wanted !== chosen) return; // an arrow was pressed meanwhile
  at("one-id").textContent = row.id;
  const picture = row.file ? pictureOf(row, 1024, `picture of ${row.id}`) : element("p", row.reason);
  picture.id = "one-picture";
  at("one-picture").replaceWith(picture);
  at("one-row").replaceChildren(...Object.entries(found).map(([name, cell]) => {
    const line = element("tr"), head = element("th", name || "(none)");
    head.scope = "row";
    line.append(head, element("td", cell));
    return line;
  }));
  if (!dialog.open) dialog.showModal();
}

function step(by) { choose(chosen + by); open(); }

async function show() { // other records than before
  version++;
  pages = new Map();
  for (const cell of cells.values()) cell.remove();
  cells.clear();
  chosen = 0;
  grid.scrollTop = 0;
  total = -1;
  await rowsOf(0);
}

async function showOut(anew) {
  const found = await ask("/api/columns", { out: at("out").value, anew: anew ? 1 : 0 });
  label = found.label;
  options(at("column"), [["", "any"], ...found.columns.map((name) => [name, name])]);
  await showValues();
}

async function showValues() {
  const column = at("column").value;
  at("value").disabled = !column;
  const found = column ? await ask("/api/values", { out: at("out").value, column }) : [];
  options(at("value"), [["", "any"],
    ...found.map(([value, many], n) => [n + 1, `${value.slice(0, 80) || "(none)"} (${many})`, value])]);
  await show();
}

let seen = null, shown = 0; // what was told last, and how many records were there for the index
async function look() { // how far the crawls are
  if (!document.hidden) {
    const outs = await ask("/api/outs", {}).catch(() => null);
    if (outs === null) at("run").textContent = "The server has ended.";
    else tell(outs);
  }
  setTimeout(look, 2000);
}

function tell(outs) {
  if (!at("out").options.length) options(at("out"), outs.map((out, n) => [n, out.name]));
  const out = outs[at("out").value] || outs[0];
  const parts = Object.entries(out.outcomes).sort((a, b) => b[1] - a[1]).map(([name, n]) => `${name} ${n.toLocaleString("en")}`);
  const done = Object.values(out.outcomes).reduce((sum, n) => sum + n, 0), now = Date.now();
  const same = seen && seen.name === out.name;
  const rate = same && out.state === "running" && now > seen.at
    ? `, ${((done - seen.done) * 1000 / (now - seen.at)).toFixed(1)} a second` : "";
  at("run").textContent = `${out.words}: ${parts.join(", ") || "no records yet"}${rate}`;
  if (!same) shown = done;
  at("more").hidden = done === shown;
  seen = { name: out.name, done, at: now };
}

let drawn = 0, hurried = false; // when the last frame was drawn, and whether it was just now
grid.addEventListener("scroll", () => {
  hurried = performance.now() - drawn < 60;
  drawn = performance.now();
  draw();
}, { passive: true });
new ResizeObserver(layout).observe(grid);
grid.addEventListener("keydown", (event) => {
  const page = across * Math.max(1, Math.floor(grid.clientHeight / CELL.height));
  const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across,
    PageDown: page, PageUp: -page, Home: -total, End: total };
  if (event.key in moves) choose(chosen + moves[event.key]);
  else if (event.key === "Enter" || event.key === " ") open();
  else return;
  event.preventDefault();
});
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") step(1);
  if (event.key === "ArrowLeft") step(-1);
});
at("before").addEventListener("click", () => step(-1));
at("after").addEventListener("click", () => step(1));
at("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => grid.focus());
at("more").addEventListener("click", () => { shown = seen.done; at("more").hidden = true; showOut(true); });
at("out").addEventListener("change", () => {
  seen = null;
  version++; // what was asked for of the other dataset is not shown
  total = 0;
  options(at("column"), [["", "any"]]); // its columns may not be in this one
  options(at("value"), []);
  layout();
  showOut(false);
});
at("column").addEventListener("change", showValues);
at("value").addEventListener("change", show);
at("state").addEventListener("change", show);
let typing = 0;
at("words").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(show, 200); });

ask("/api/outs", {}).then((outs) => { tell(outs); return showOut(false); })
  .catch((error) => { at("count").textContent = error.message; })
  .finally(() => setTimeout(look, 2000));
