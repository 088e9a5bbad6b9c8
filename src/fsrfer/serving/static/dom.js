// Elements by their place in the page, and small ones made anew. Text goes into the page as text nodes only.
export const { make, percent, pixels, closed, cornered, swatch, judged, bar, shareBars } = window.fsrferViewer;

export const one = (selector, within = document) => within.querySelector(selector);

export function show(element, shown = true) {
  element.hidden = !shown;
}
