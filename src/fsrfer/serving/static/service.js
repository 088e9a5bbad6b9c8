// The service behind the page: what it says of itself, and its answers. Addresses are relative to the page's own.
const at = (path) => new URL(path, document.baseURI);

// Whatever is not an answer: kind is the last word of the problem's type, or "unreachable".
export class Refusal extends Error {
  constructor(kind, status, message, wait = null) {
    super(message);
    Object.assign(this, { kind, status, wait });
  }
}

export class Service {
  constructor() {
    this.token = "";
    this.info = null;
  }

  // What the service is and takes; a Refusal of kind "token" where it wants one.
  async open() {
    this.info = await this.ask("v1/info", {});
  }

  // The answer to one photo.
  async look(blob, aggregateOnly, signal) {
    const address = aggregateOnly ? "v1/predict?aggregate_only=true" : "v1/predict";
    const headers = { "Content-Type": "application/octet-stream" };
    const { photos } = await this.ask(address, { method: "POST", body: blob, headers, signal });
    return photos[0];
  }

  // The address of live frames.
  get live() {
    const address = at("v1/live");
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    return address;
  }

  async ask(path, request) {
    const headers = { ...request.headers, ...(this.token && { Authorization: `Bearer ${this.token}` }) };
    let response;
    try {
      response = await fetch(at(path), { ...request, headers, cache: "no-store", credentials: "omit", redirect: "error" });
      if (response.ok) return await response.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal("unreachable", 0, "");
    }
    throw await refusalOf(response);
  }
}

async function refusalOf(response) {
  let told = {};
  try {
    told = await response.json();
  } catch { /* a proxy's own page */ }
  const wait = Number(response.headers.get("Retry-After"));
  const kind = String(told.type || "").split(":").at(-1) || { 413: "too-large", 502: "unreachable", 503: "full", 504: "too-slow" }[response.status] || "";
  return new Refusal(kind, response.status, String(told.detail || ""), wait > 0 ? wait : null);
}
