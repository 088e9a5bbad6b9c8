// The page of the service: a photo in, the answer out. Everything happens in this page and at its own service.
import { make, one, show } from "./dom.js";
import { Refusal, Service } from "./service.js";
import { decoded, encoded, shrunk } from "./picture.js";
import { formats, megabytes, trouble } from "./words.js";
import { forget, showAnswer } from "./answer.js";
import { Shrinking } from "./shrinking.js";
import { Camera, hasCamera } from "./camera.js";

const RETRIES = 5;
const service = new Service();
const shrinking = new Shrinking(service);
const aggregateOnly = () => service.info.aggregate_only || one("#aggregate").checked;
// Asked for less by a visitor, the service tells of groups as small as where it tells less to all.
const smallest = () => service.info.min_group;
const camera = new Camera(service, { take: (canvas) => canvas && takeCanvas(canvas), aggregateOnly, smallest });
let photo = null; // { blob, name, picture: what `decoded` gives, url }
let asked = null;
let timer = null;

// ---- the service

async function open() {
  try {
    await service.open();
  } catch (error) {
    if (error.kind === "token") return askForToken();
    complain(error);
    if (error.wait) timer = setTimeout(open, error.wait * 1000);
    return;
  }
  show(one("#token"), false);
  complain(null);
  introduce(service.info);
  if (photo) look();
}

function askForToken() {
  const known = Boolean(service.token);
  service.token = "";
  show(one("#token"));
  show(one("#input"), false);
  if (known) complain(new Refusal("token", 401, ""));
  one("#token-field").focus();
}

function introduce({ version, model, detector, limits, aggregate_only: always, min_group: least }) {
  show(one("#input"));
  one("#limits").textContent = `Up to ${megabytes(limits.upload_bytes)} and ${Math.round(limits.pixels / 1e6)} megapixels: ${formats(limits)}.`;
  show(one("#aggregate-switch"), !always);
  show(one("#aggregate-always"), always);
  one("#aggregate-note").textContent = `No box, no face, and nothing of fewer than ${least} people.`;
  one("#aggregate-always").textContent = `This service tells of groups alone: no box, no face, and nothing of fewer than ${least} people.`;
  one("#about").textContent = `fsrfer ${version}, model ${model.name} ${model.version}, detector ${detector}. Nothing is loaded from elsewhere.`;
  if (!hasCamera()) withoutCamera();
}

// Browsers give cameras to pages over https and of this machine alone.
function withoutCamera() {
  show(one("#camera-open"), false);
  show(one("#snap"));
  const why = isSecureContext ? "This browser has no camera to offer." :
    "Over plain http, browsers give no page the camera: live pictures need https, or the address localhost.";
  one("#limits").after(make("p", { class: "note", id: "no-camera" }, `${why} “Take a photo” works on phones.`));
}

// ---- a photo

async function take(blob, name) {
  drop();
  if (blob.type.startsWith("video/")) return say("This is a video. The page looks at photos; for videos use the camera here, or the service's /v1/video.");
  if (!blob.size) return complain(new Refusal("empty", 400, ""));
  busy("Reading the photo …");
  const mine = (asked = new AbortController());
  const picture = await decoded(blob);
  const url = picture && URL.createObjectURL(await encoded(picture.canvas));
  if (mine !== asked) return url && URL.revokeObjectURL(url);
  photo = { blob, name, picture, url };
  const { limits } = service.info;
  if (blob.size > limits.upload_bytes) return offerSmaller(`This photo has ${megabytes(blob.size)}; the service takes up to ${megabytes(limits.upload_bytes)}.`);
  const megapixels = picture && (picture.width * picture.height) / 1e6;
  if (megapixels > limits.pixels / 1e6) {
    return offerSmaller(`This photo has ${Math.round(megapixels)} megapixels; the service takes up to ${Math.round(limits.pixels / 1e6)}.`);
  }
  await look();
}

async function takeCanvas(canvas) {
  camera.close();
  await take(await encoded(canvas), "camera");
}

async function look(tries = RETRIES) {
  const mine = (asked = new AbortController());
  const less = aggregateOnly();
  complain(null);
  shrinking.stop();
  busy("Looking at the faces …");
  try {
    const answer = await service.look(photo.blob, less, mine.signal);
    if (mine !== asked) return;
    busy("");
    // Where no single face is told, no photo is shown either.
    showAnswer(answer, photo.name, less ? null : photo.url, smallest());
    shrinking.begin(photo.picture?.canvas, answer, less, smallest());
    one("#drop").classList.add("done");
    one("#answer").scrollIntoView({ block: "nearest" });
  } catch (error) {
    if (error.name === "AbortError" || mine !== asked) return;
    fail(error, tries);
  }
}

function fail(error, tries) {
  busy("");
  if (error.kind === "token") return askForToken();
  const again = error.wait && tries > 0;
  complain(error, again ? ` It is asked again in ${error.wait} s.` : "");
  if (again) timer = setTimeout(() => look(tries - 1), error.wait * 1000);
  else if (error.kind === "too-large" || error.kind === "too-many-pixels") offerSmaller(trouble(error, service.info.limits));
}

// A photo that is too large can be shrunk here first, where the browser can read it.
function offerSmaller(why) {
  busy("");
  const { canvas } = photo.picture || {};
  if (!canvas) return say(`${why} Shrink it in another program first.`);
  const { pixels, upload_bytes: most } = service.info.limits;
  const scale = Math.min(1, Math.sqrt(Math.min(pixels, most / 2) / (canvas.width * canvas.height)));
  const [width, height] = [Math.floor(canvas.width * scale), Math.floor(canvas.height * scale)];
  const act = async () => {
    photo.blob = await encoded(shrunk(canvas, width, height));
    await look();
  };
  say(`${why} `, make("button", { type: "button", onclick: act }, `Shrink it here to ${width} × ${height} and go on`));
}

function drop() {
  asked?.abort();
  clearTimeout(timer);
  shrinking.stop();
  forget();
  complain(null);
  if (photo?.url) URL.revokeObjectURL(photo.url);
  photo = null;
}

// ---- what is said

function busy(text) {
  one("#busy").textContent = text;
  if (text) one("#heard").textContent = text;
  document.body.classList.toggle("busy", Boolean(text));
  if (text) show(one("#answer"));
  else if (!one("#told").hasChildNodes()) show(one("#answer"), false);
}

function say(...content) {
  const place = one("#problem");
  busy("");
  show(place);
  place.replaceChildren(...content);
}

// With what can be done about it, where trying again may help.
function complain(error, more = "") {
  if (!error) return show(one("#problem"), false);
  const again = () => (service.info ? look() : open());
  const later = ["full", "not-ready", "unreachable", "too-slow"].includes(error.kind) && !more && (photo || !service.info);
  say(`${trouble(error, service.info?.limits)}${more} `, ...(later ? [make("button", { type: "button", onclick: again }, "Try again")] : []));
}

// ---- hands and keys

function takeFirst(files) {
  if (!service.info) return;
  if (files.length) take(files[0], files[0].name || "pasted picture");
}

one("#token form").addEventListener("submit", (event) => {
  event.preventDefault();
  service.token = one("#token-field").value.trim();
  one("#token-field").value = "";
  open();
});
for (const [button, field] of [["#choose", "#file"], ["#snap", "#snap-file"]]) {
  one(button).addEventListener("click", () => one(field).click());
  one(field).addEventListener("change", (event) => {
    takeFirst([...event.target.files]);
    event.target.value = "";
  });
}
one("#camera-open").addEventListener("click", () => camera.open());
one("#aggregate").addEventListener("change", () => photo && look());
document.addEventListener("paste", (event) => takeFirst([...event.clipboardData.files]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  one("#drop").classList.add("over");
});
document.addEventListener("dragleave", (event) => event.relatedTarget || one("#drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  one("#drop").classList.remove("over");
  takeFirst([...event.dataTransfer.files]);
});
open();
