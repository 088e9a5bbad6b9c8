"use strict";
// Pieces of pages about faces, as window.fsrferViewer. Text goes into the page as text nodes only, never as markup.
window.fsrferViewer = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const percent = (value) => `${Math.round(value * 100)}%`;
  const pixels = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} px`;

  function make(name, attributes = {}, ...children) {
    const svg = name.startsWith("svg:");
    const element = svg ? document.createElementNS(SVG, name.slice(4)) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value === true) element.setAttribute(key, "");
      else if (value !== false && value != null) element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  function cornered([x1, y1, x2, y2]) {
    const [h, v] = [(x2 - x1) / 3.2, (y2 - y1) / 3.2];
    return `M${x1} ${y1 + v}V${y1}H${x1 + h}M${x2 - h} ${y1}H${x2}V${y1 + v}` +
      `M${x2} ${y2 - v}V${y2}H${x2 - h}M${x1 + h} ${y2}H${x1}V${y2 - v}`;
  }

  const closed = ([x1, y1, x2, y2]) => `M${x1} ${y1}H${x2}V${y2}H${x1}Z`;
  function swatch(colour, dashed = false) {
    const box = [3, 3, 15, 15];
    return make("svg:svg", { viewBox: "0 0 18 18", class: "swatch", "aria-hidden": "true" },
      make("svg:path", { d: dashed ? cornered(box) : closed(box), fill: "none", stroke: colour, "stroke-width": 1.8 }));
  }

  const middle = ([x1, y1, x2, y2]) => [(x1 + x2) / 2, (y1 + y2) / 2];

  function judged(face) {
    return face.too_small ? "too small to tell" : face.certain ? "certain" : "uncertain";
  }

  function told(entry) {
    const { face, number } = entry;
    const answer = face.too_small ? "" : ` ${face.expression}, ${percent(face.probability)},`;
    return `Face ${number}:${answer} ${judged(face)}, ${pixels(face.size_px)} high`;
  }

  function bar(name, value, colour) {
    const fill = make("span", { class: "fill" });
    fill.style.width = percent(value);
    fill.style.background = colour;
    return make("li", {}, make("span", { class: "name" }, name), make("span", { class: "track" }, fill),
      make("span", { class: "figure" }, percent(value)));
  }

  // A bar with its 95% interval.
  function shareBar(name, { value, low, high }, colour) {
    const item = bar(name, value, colour);
    if (low == null) return item;
    const whisker = make("span", { class: "whisker" });
    whisker.style.left = percent(low);
    whisker.style.width = percent(high - low);
    item.querySelector(".track").append(whisker);
    item.querySelector(".figure").append(make("small", {}, ` ${percent(low)}–${percent(high)}`));
    return item;
  }

  // Of a group, the largest share first.
  function shareBars(shares, colours) {
    const ranked = Object.entries(shares).sort((a, b) => b[1].value - a[1].value);
    return make("ul", { class: "bars wide" }, ...ranked.map(([name, share]) => shareBar(name, share, colours[name])));
  }

  return { make, percent, pixels, closed, cornered, middle, swatch, judged, told, bar, shareBars };
})();
