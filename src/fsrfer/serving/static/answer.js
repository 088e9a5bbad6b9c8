// The answer to a photo: the mood first, then figures, shares with intervals, and the photo to look around in.
import { one, make, show, shareBars } from "./dom.js";
import { mood } from "./words.js";
import { COLOURS, EXPRESSIONS } from "./labels.js";

const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(Math.round(value * 100))}`;

// Fill the answer and the faces. photo is the service's; url is of the picture, or null; smallest is the least group told of.
export function showAnswer(photo, name, url, smallest) {
  const told = mood(photo, smallest);
  one("#told").replaceChildren(headline(told), ...(photo.estimate?.counted ? [shares(photo.estimate), figures(photo.estimate)] : []));
  show(one("#answer"));
  one("#heard").textContent = `${told.title}. ${told.detail}`;
  const looked = Boolean(photo.faces?.length);
  show(one("#faces"), looked);
  show(one("#unshown"), !url);
  const viewer = one("#faces .viewer");
  if (!looked) return viewer.replaceChildren();
  const faces = photo.faces.map(({ landmarks, ...face }) => face);
  window.fsrferViewer.mount(viewer, {
    expressions: EXPRESSIONS, colours: COLOURS,
    scenes: [{ name, width: photo.width, height: photo.height, faces, picture: url, shares: null }],
  });
  fold(one(".filters", viewer), "Choose which faces are shown");
  fold(one(".faces", viewer), "All faces in a table");
}

// What few visitors need is one step away.
function fold(element, title) {
  const place = make("details", {}, make("summary", {}, title));
  element.replaceWith(place);
  place.append(element);
}

function headline({ title, detail, expression, sure }) {
  const dot = make("span", { class: sure ? "dot" : "dot unsure", "aria-hidden": "true" });
  if (expression) dot.style.setProperty("--colour", COLOURS[expression]);
  return make("div", { class: "headline" }, make("h2", { id: "mood" }, ...(expression ? [dot] : []), title), make("p", {}, detail));
}

function figures({ faces, too_small: small, uncertain, counted, valence }) {
  const cards = [
    ["faces found", String(faces)],
    ["with a certain expression", String(faces - uncertain)],
    ["seen, but not certain", String(uncertain - small)],
    ...(small ? [["too small to tell", String(small)]] : []),
    ...(valence && counted > 1 ? [[valence.low == null ? "mood balance, −100 to +100" : `mood balance, ${signed(valence.low)} to ${signed(valence.high)}`, signed(valence.value)]] : []),
  ];
  return make("div", { class: "cards" }, ...cards.map(([name, value]) => make("div", { class: "card" }, make("b", {}, value), make("span", {}, name))));
}

function shares(estimate) {
  const some = Object.values(estimate.shares)[0];
  const notes = [
    some.low == null ? "Too few faces for intervals." : "Lines are 95% intervals: wide where faces are few, small or unsure.",
    estimate.corrected ? "Corrected for what the model is known to confuse at these face sizes." : "",
    estimate.valence && estimate.counted > 1 ? "The mood balance is the share of happy faces less those of sad, angry, afraid and disgusted ones." : "",
  ];
  return make("div", { class: "viewer shares" }, make("h3", {}, "Share of each expression"), shareBars(estimate.shares, COLOURS),
    make("p", { class: "note" }, notes.join(" ")));
}

export function forget() {
  for (const id of ["#answer", "#faces", "#shrink"]) show(one(id), false);
  one("#told").replaceChildren();
  one("#faces .viewer").replaceChildren();
}

