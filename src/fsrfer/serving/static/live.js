// Live frames over a WebSocket: one is under way at a time, and whatever the camera shows meanwhile is passed over.
import { drawn } from "./picture.js";

const QUALITY = 0.8;
const LEAST_SCALE = 0.2;

export class Live {
  // hear takes each answer, end the reason why the session is over (null where the page ended it).
  constructor(service, video, { hear, end }) {
    Object.assign(this, { video, hear, end });
    this.socket = new WebSocket(service.live);
    this.socket.addEventListener("open", () => service.token && this.socket.send(JSON.stringify({ token: service.token })));
    this.socket.addEventListener("message", (event) => this.heard(JSON.parse(event.data)));
    this.socket.addEventListener("close", (event) => this.closed(event));
  }

  heard(told) {
    if (told.ready) this.limits = told;
    else if (!this.over) this.hear(told);
    this.send();
  }

  async send() {
    const blob = await this.frame();
    if (!blob || this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(blob);
  }

  // The newest frame as a JPEG within the service's limits.
  async frame() {
    await new Promise((done) => requestAnimationFrame(done));
    const { videoWidth: width, videoHeight: height } = this.video;
    if (this.over || !width) return null;
    for (let scale = Math.min(1, Math.sqrt(this.limits.max_pixels / (width * height))); scale > LEAST_SCALE; scale *= 0.7) {
      const canvas = drawn(this.video, Math.floor(width * scale), Math.floor(height * scale));
      const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
      if (blob && blob.size <= this.limits.max_bytes) return blob;
    }
    return null;
  }

  stop() {
    this.over = true;
    this.socket.close();
  }

  closed({ code, reason }) {
    if (this.over) return;
    this.over = true;
    const texts = { 1013: "Too many cameras are followed at the moment. Try again later.", 1012: "The service stops." };
    this.end(texts[code] || reason || "The connection broke off.");
  }
}
