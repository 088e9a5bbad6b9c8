// The slider that shrinks the photo in the browser and asks the service again: what becomes of each face, and of the group.
import { closed, cornered, judged, make, one, percent, pixels, show } from "./dom.js";
import { drawn, encoded, shrunk } from "./picture.js";
import { counted, matched, median } from "./matching.js";
import { LOOKS, faces, mood, trouble } from "./words.js";
import { COLOURS } from "./labels.js";

const LEAST_SIDE = 24;
const PAUSE = 250;
const MOST_TILES = 24;
const TILE = 72;
const RETRIES = 5;
const NAMES = { kept: "kept their expression", changed: "show another one now", small: "too small to tell", lost: "not found any more" };

export class Shrinking {
  constructor(service) {
    this.service = service;
    this.root = one("#shrink");
    this.range = one("#size");
    this.output = one("output", this.root);
    this.state = one(".state", this.root);
    this.result = one(".result", this.root);
    this.range.addEventListener("input", () => this.chosen());
  }

  // Begin with a new photo: its canvas, the answer to it, whether the group alone is asked for, and the least group.
  begin(canvas, photo, aggregateOnly, smallest) {
    this.stop();
    const useful = canvas && (photo.estimate?.counted || aggregateOnly);
    show(this.root, Boolean(useful));
    if (!useful) return;
    Object.assign(this, { canvas, photo, aggregateOnly, smallest });
    const seen = photo.faces ? "which faces keep their expression" : "whether the answer stays the same";
    one(".lead", this.root).textContent =
      `Shrink it, and see ${seen}. Your browser shrinks it; the service sees the small photo alone.`;
    this.sizes = sizesOf(canvas, photo);
    this.range.min = 0;
    this.range.max = this.sizes.length - 1;
    this.range.value = this.sizes.length - 1;
    this.rest();
  }

  rest() {
    this.tell();
    this.root.classList.remove("waiting");
    this.result.replaceChildren();
    this.state.textContent = "This is the photo as it was looked at. Move the slider to the left, or press the left arrow key.";
  }

  stop() {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.asked = null;
  }

  get size() {
    return this.sizes[Number(this.range.value)];
  }

  tell() {
    const { width, height, scale } = this.size;
    const typical = median((this.photo.faces || []).filter((face) => !face.too_small).map((face) => face.size_px));
    const high = typical ? `, faces about ${pixels(typical * scale)} high` : "";
    this.output.textContent = `${width} × ${height} pixels (${percent(scale)})${high}`;
    this.range.setAttribute("aria-valuetext", `${percent(scale)}, ${width} by ${height} pixels${high}`);
  }

  // What is under way is of a size that nobody asks for any more.
  chosen() {
    this.stop();
    if (Number(this.range.value) === this.sizes.length - 1) return this.rest();
    this.tell();
    this.root.classList.add("waiting");
    this.timer = setTimeout(() => this.ask(), PAUSE);
  }

  async ask(tries = RETRIES) {
    const asked = (this.asked = new AbortController());
    const { width, height, scale } = this.size;
    this.state.textContent = "Looking at the smaller photo …";
    try {
      const small = shrunk(this.canvas, width, height);
      const photo = await this.service.look(await encoded(small), this.aggregateOnly, asked.signal);
      if (asked === this.asked) this.show(small, photo, scale);
    } catch (error) {
      if (error.name === "AbortError" || asked !== this.asked) return;
      this.fail(error, tries);
    }
  }

  fail(error, tries) {
    const again = error.wait && tries > 0;
    this.state.textContent = trouble(error, this.service.info.limits) + (again ? ` Asking again in ${error.wait} s.` : "");
    if (again) this.timer = setTimeout(() => this.ask(tries - 1), error.wait * 1000);
    else this.root.classList.remove("waiting");
  }

  show(small, photo, scale) {
    this.root.classList.remove("waiting");
    const [before, now] = [mood(this.photo, this.smallest), mood(photo, this.smallest)];
    const moods = make("div", { class: "beside" },
      make("div", {}, make("h3", {}, "Whole photo"), make("p", { class: "mood" }, before.title)),
      make("div", {}, make("h3", {}, `At ${percent(scale)}`), make("p", { class: "mood" }, now.title)));
    const parts = [moods];
    if (this.photo.faces && photo.faces) {
      const pairs = matched(this.photo.faces, photo.faces, scale);
      parts.push(fates(pairs), sight(small, pairs, scale), tiles(this.canvas, small, pairs, scale, this.photo.width));
      this.state.textContent = spoken(pairs);
    } else {
      this.state.textContent = `Whole photo: ${before.title}. At ${percent(scale)}: ${now.title}.`;
    }
    const groups = comparison(this.photo.estimate, photo.estimate);
    if (groups) parts.splice(1 + Boolean(photo.faces), 0, groups);
    this.result.replaceChildren(...parts);
  }
}

// Each step has half the pixels of the one before; the whole photo comes last.
function sizesOf(canvas, photo) {
  const sizes = [];
  for (let step = 0; step < 16; step += 1) {
    const scale = 2 ** (-step / 2);
    const [width, height] = [Math.round(photo.width * scale), Math.round(photo.height * scale)];
    if (Math.min(width, height) < LEAST_SIDE) break;
    if (width <= canvas.width) sizes.unshift({ width, height, scale });
  }
  return sizes.length ? sizes : [{ width: photo.width, height: photo.height, scale: 1 }];
}

function spoken(pairs) {
  const counts = counted(pairs);
  const rest = ["changed", "small", "lost"].filter((fate) => counts[fate]).map((fate) => `${counts[fate]} ${NAMES[fate]}`);
  const wrong = pairs.filter(({ fate, now }) => fate === "changed" && now.certain).length;
  const warned = counts.changed ? ` Of the changed answers ${wrong || "none"} ${wrong === 1 ? "is" : "are"} called certain.` : "";
  return `${counts.kept} of ${faces(pairs.length)} kept their expression${rest.length ? `; ${rest.join(", ")}` : ""}.${warned}`;
}

function fates(pairs) {
  const counts = counted(pairs);
  const bar = make("div", { class: "fates", "aria-hidden": "true" });
  for (const [fate, count] of Object.entries(counts)) {
    if (!count) continue;
    const part = make("span", { class: fate }, String(count));
    part.style.flexGrow = count;
    bar.append(part);
  }
  const legend = Object.entries(NAMES).map(([fate, name]) => make("span", {}, make("i", { class: fate }), name));
  return make("div", { "aria-hidden": "true" }, bar, make("p", { class: "legend note" }, ...legend));
}

// The small photo as large as the whole one was, as the service sees it.
function sight(small, pairs, scale) {
  const canvas = drawn(small, small.width, small.height);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `The shrunken photo, ${small.width} by ${small.height} pixels, enlarged`);
  const svg = make("svg:svg", { viewBox: `0 0 ${small.width} ${small.height}`, "aria-hidden": "true" }, ...pairs.flatMap((pair) => marks(pair, scale)));
  const view = make("div", { class: "view" }, canvas, svg);
  view.style.aspectRatio = `${small.width} / ${small.height}`;
  const note = make("p", { class: "note" }, "The small photo, enlarged. Closed frames kept their expression, corners changed it, crosses were lost.");
  return make("figure", {}, view, note);
}

function marks({ face, now, fate }, scale) {
  if (fate === "kept" || fate === "changed") {
    const path = fate === "kept" ? closed(now.box) : cornered(now.box);
    return [make("svg:path", { d: path, class: "rim" }), make("svg:path", { d: path, stroke: COLOURS[now.expression] })];
  }
  const [x1, y1, x2, y2] = face.box.map((end) => end * scale);
  const cross = `M${x1} ${y1}L${x2} ${y2}M${x2} ${y1}L${x1} ${y2}`;
  return [make("svg:path", { d: cross, class: "rim" }), make("svg:path", { d: cross, stroke: "#fff" })];
}

function comparison(whole, small) {
  if (!whole?.counted || !small) return null;
  const names = Object.keys(whole.shares).sort((a, b) => whole.shares[b].value - whole.shares[a].value);
  const rows = names.map((name) => make("tr", {}, make("th", { scope: "row" }, name), ...[whole, small].map(({ shares }) => cell(name, shares[name]))));
  const head = make("tr", {}, ...["expression", "whole photo", "shrunken"].map((text) => make("th", { scope: "col" }, text)));
  return make("table", { class: "groups" }, make("caption", {}, "Share of each expression at both sizes"), make("thead", {}, head), make("tbody", {}, ...rows));
}

function cell(name, share) {
  if (!share) return make("td", {}, "–");
  const fill = make("span", { class: "fill" });
  fill.style.width = percent(share.value);
  fill.style.background = COLOURS[name];
  const interval = share.low == null ? [] : [make("small", {}, ` ${percent(share.low)} to ${percent(share.high)}`)];
  return make("td", {}, make("span", { class: "track", "aria-hidden": "true" }, fill), make("span", {}, percent(share.value), ...interval));
}

// Face by face, the ones that changed first.
function tiles(whole, small, pairs, scale, width) {
  const order = ["changed", "lost", "small", "kept"];
  const chosen = [...pairs].sort((a, b) => order.indexOf(a.fate) - order.indexOf(b.fate)).slice(0, MOST_TILES);
  const list = chosen.map(({ face, now, fate }) => make("li", { class: fate },
    make("div", { class: "pair" }, crop(whole, face.box, whole.width / width), crop(small, now ? now.box : face.box.map((end) => end * scale), 1)),
    make("span", {}, `${LOOKS[face.expression]} ${percent(face.probability)}`),
    make("span", {}, `→ ${answer(now)}`)));
  const left = pairs.length - chosen.length;
  return make("div", {}, make("h3", {}, "Face by face"), make("ul", { class: "tiles" }, ...list),
    ...(left ? [make("p", { class: "note" }, `${faces(left)} more.`)] : []));
}

function answer(now) {
  if (!now) return "not found";
  return now.too_small ? "too small" : `${LOOKS[now.expression]} ${percent(now.probability)}${judged(now) === "certain" ? "" : "?"}`;
}

function crop(canvas, [x1, y1, x2, y2], scale) {
  const side = 1.3 * Math.max(x2 - x1, y2 - y1) * scale;
  const [cx, cy] = [((x1 + x2) / 2) * scale, ((y1 + y2) / 2) * scale];
  const tile = make("canvas", { width: TILE, height: TILE, "aria-hidden": "true" });
  const context = tile.getContext("2d");
  context.imageSmoothingEnabled = side > TILE;
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, cx - side / 2, cy - side / 2, side, side, 0, 0, TILE, TILE);
  return tile;
}
