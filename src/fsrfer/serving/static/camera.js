// The camera: a still for the page, or frames that are followed live.
import { closed, cornered, make, one, show } from "./dom.js";
import { drawn } from "./picture.js";
import { LOOKS, glance } from "./words.js";
import { Live } from "./live.js";
import { COLOURS } from "./labels.js";

const SPOKEN_EVERY = 3000;
export const hasCamera = () => Boolean(navigator.mediaDevices?.getUserMedia);

const REFUSED = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it in the address bar, or choose a photo instead.",
  NotFoundError: "No camera was found. Choose a photo instead.",
  NotReadableError: "The camera is used by another program.",
};

export class Camera {
  // take gets the canvas of a still; aggregateOnly says whether no single face may be shown, smallest the least group.
  constructor(service, { take, aggregateOnly, smallest }) {
    Object.assign(this, { service, aggregateOnly, smallest });
    this.root = one("#camera");
    this.video = one("video", this.root);
    this.overlay = one("svg", this.root);
    const acts = { still: () => take(this.still()), live: () => this.toggle(), close: () => this.close() };
    for (const [name, act] of Object.entries(acts)) one(`[data-act=${name}]`, this.root).addEventListener("click", act);
  }

  async open() {
    this.tell("");
    show(this.root);
    try {
      this.stream ??= await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 720 } } });
      this.video.srcObject = this.stream;
      await this.video.play();
      one("[data-act=still]", this.root).focus();
    } catch (error) {
      this.tell(REFUSED[error.name] || `The camera could not be opened (${error.name}).`);
    }
  }

  close() {
    this.quiet();
    for (const track of this.stream?.getTracks() || []) track.stop();
    this.stream = this.video.srcObject = null;
    show(this.root, false);
    one("#camera-open").focus();
  }

  still() {
    this.quiet();
    const { videoWidth: width, videoHeight: height } = this.video;
    return width ? drawn(this.video, width, height) : null;
  }

  toggle() {
    if (this.live) return this.quiet();
    this.began = performance.now();
    this.answers = 0;
    this.live = new Live(this.service, this.video, {
      hear: (told) => this.heard(told),
      end: (why) => { this.quiet(); this.tell(why); },
    });
    this.press(true);
    this.tell("Following …");
  }

  // No face is followed any more.
  quiet() {
    this.live?.stop();
    this.live = null;
    this.press(false);
    this.overlay.replaceChildren();
    one(".glance", this.root).textContent = "";
    this.tell("");
  }

  heard(told) {
    this.answers += 1;
    if (told.error) return this.tell(told.error);
    const few = this.aggregateOnly() && (!told.group || told.group.faces - told.group.too_small < this.smallest());
    const text = few ? `Fewer than ${this.smallest()} people: nothing is told` : glance(told.group);
    one(".glance", this.root).textContent = text;
    this.speak(text);
    this.draw(this.aggregateOnly() ? [] : told.faces || [], told);
    const rate = this.answers / ((performance.now() - this.began) / 1000);
    this.tell(`${rate.toFixed(1)} frames a second are looked at, one at a time; the others are passed over, none is kept.`);
  }

  draw(faces, { width, height }) {
    this.overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.overlay.replaceChildren(...faces.flatMap((face) => {
      const path = face.certain ? closed(face.box) : cornered(face.box);
      const colour = face.too_small ? "#fff" : COLOURS[face.expression];
      const [x1, , x2, y2] = face.box;
      const place = { x: (x1 + x2) / 2, y: y2 + height / 32, "font-size": height / 36, "text-anchor": "middle" };
      const label = make("svg:text", place, face.too_small ? "" : LOOKS[face.expression]);
      return [make("svg:path", { d: path, class: "rim" }), make("svg:path", { d: path, stroke: colour }), label];
    }));
  }

  // Screen readers hear of what changes, and not of each frame.
  speak(text) {
    const now = performance.now();
    const place = one(".unseen", this.root);
    if (place.textContent === text || now - (this.spoken ?? -Infinity) < SPOKEN_EVERY) return;
    this.spoken = now;
    place.textContent = text;
  }

  press(pressed) {
    const button = one("[data-act=live]", this.root);
    button.setAttribute("aria-pressed", String(pressed));
    button.textContent = pressed ? "Stop following" : "Follow live";
  }

  tell(text) {
    one("[data-tell]", this.root).textContent = text;
  }
}
