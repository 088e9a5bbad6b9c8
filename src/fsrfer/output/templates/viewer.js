"use strict";
// Looks into pictures of faces. mount(root, data) fills an element; data is the document of fsrfer.output.viewer.
// Comes after viewer_parts.js and viewer_table.js.
(() => {
  const { make, percent, pixels, closed, cornered, middle, swatch, judged, told, bar, shareBars, FaceTable } = window.fsrferViewer;
  const DEEPEST = 64;
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  class Viewer {
    constructor(root, data) {
      this.data = data;
      this.root = root;
      this.entries = data.scenes.flatMap((scene, index) =>
        scene.faces.map((face, number) => ({ scene: index, number, face, name: scene.name })));
      this.pictures = data.scenes.map((scene) => this.pictureOf(scene.picture));
      this.active = null;
      this.build();
      this.showScene(0);
      this.filter();
    }

    pictureOf(address) {
      if (!address) return null;
      if (address.startsWith("#")) return document.getElementById(address.slice(1));
      const picture = new Image();
      picture.src = address;
      return picture;
    }

    // ---- what stands where

    build() {
      this.stage = make("svg:svg", { class: "stage", role: "group", onkeydown: (event) => this.stageKey(event) });
      this.layer = make("svg:g");
      this.ring = make("svg:path", { class: "ring", "aria-hidden": "true" });
      this.status = make("p", { role: "status", class: "status" });
      this.detail = make("section", { class: "detail", "aria-label": "The face chosen" },
        make("p", { class: "note" }, "Point at a face, or press Tab and the arrow keys, to see it large."));
      this.group = make("section", { class: "group", hidden: true });
      this.table = new FaceTable(this.data, this.entries, {
        goTo: (entry) => this.goTo(entry, true),
        hover: (entry) => entry.scene === this.scene && this.show(entry),
      });
      this.followPointers();
      const help = make("p", { class: "note" },
        "Wheel or two fingers zoom, dragging moves. Keys: arrows go from face to face, Enter shows one large, ",
        "+ and − zoom, Shift and arrows move, 0 shows the whole picture.");
      const sight = make("div", { class: "sight" }, this.bar(), this.stage, help);
      const body = make("div", { class: "body" }, sight, make("div", { class: "side" }, this.detail, this.group));
      this.root.replaceChildren(this.filters(), this.status, body, this.table.element);
      this.root.classList.add("live");
    }

    bar() {
      const button = (name, text, action) =>
        make("button", { type: "button", "aria-label": name, title: name, onclick: action }, text);
      const tools = make("div", { class: "bar", role: "toolbar", "aria-label": "Picture" });
      if (this.data.scenes.length > 1) {
        const choices = this.data.scenes.map((scene, index) =>
          make("option", { value: index }, `${index + 1}. ${scene.name} (${scene.faces.length})`));
        this.choice = make("select", { "aria-label": "Picture shown", onchange: () => this.showScene(+this.choice.value) },
          ...choices);
        const turn = (by) => this.showScene((this.scene + by + choices.length) % choices.length);
        tools.append(button("Previous picture", "‹", () => turn(-1)), this.choice,
          button("Next picture", "›", () => turn(1)));
      }
      tools.append(button("Zoom in", "+", () => this.zoom(1.5)), button("Zoom out", "−", () => this.zoom(1 / 1.5)),
        button("Move left", "←", () => this.move(-0.2, 0)), button("Move right", "→", () => this.move(0.2, 0)),
        button("Move up", "↑", () => this.move(0, -0.2)), button("Move down", "↓", () => this.move(0, 0.2)),
        button("Show the whole picture", "Whole", () => this.whole()));
      return tools;
    }

    filters() {
      const counts = {};
      for (const { face } of this.entries) if (!face.too_small) counts[face.expression] = (counts[face.expression] || 0) + 1;
      const boxes = this.data.expressions.map((name) => make("label", {},
        make("input", { type: "checkbox", name: "expression", value: name, checked: true }),
        swatch(this.data.colours[name]), ` ${name} `, make("small", {}, String(counts[name] || 0))));
      const kinds = [["", "all faces"], ["certain", "certain"], ["uncertain", "uncertain"], ["too small to tell", "too small"]];
      const choices = kinds.map(([value, text]) => make("option", { value }, text));
      const size = (name, text) => make("label", {}, `${text} `,
        make("input", { type: "number", name, min: 0, step: 1, inputmode: "numeric" }), " px");
      this.form = make("form", {
        class: "filters", "aria-label": "Which faces are shown",
        oninput: () => this.filter(), onsubmit: (event) => event.preventDefault(),
        onreset: () => setTimeout(() => this.filter()),
      },
        make("fieldset", {}, make("legend", {}, "Expression"), ...boxes),
        make("fieldset", {}, make("legend", {}, "Answer"), make("label", {}, swatch("#f4f4f4", true),
          " ", make("select", { name: "judged", "aria-label": "Answer" }, ...choices))),
        make("fieldset", {}, make("legend", {}, "Height"), size("least", "from"), size("most", "to")),
        make("button", { type: "reset" }, "Show all"));
      return this.form;
    }

    // ---- which faces

    filter() {
      const fields = new FormData(this.form);
      const names = new Set(fields.getAll("expression"));
      const [least, most, kind] = [+fields.get("least") || 0, +fields.get("most") || Infinity, fields.get("judged")];
      const every = names.size === this.data.expressions.length;
      for (const entry of this.entries) {
        const { face } = entry;
        const named = face.too_small ? every : names.has(face.expression);
        entry.shown = named && face.size_px >= least && face.size_px <= most && (!kind || judged(face) === kind);
        if (entry.mark) entry.mark.toggleAttribute("hidden", !entry.shown);
      }
      const shown = this.entries.filter((entry) => entry.shown).length;
      const place = this.data.scenes.length > 1 ? ` in ${this.data.scenes.length} pictures` : "";
      this.status.textContent = `${shown} of ${this.entries.length} faces shown${place}`;
      this.rove();
      this.table.fill();
    }

    here() {
      return this.entries.filter((entry) => entry.scene === this.scene && entry.shown !== false);
    }

    // ---- the picture

    showScene(index) {
      this.scene = index;
      const scene = this.data.scenes[index];
      if (this.choice) this.choice.value = index;
      const picture = this.pictures[index];
      const size = { width: scene.width, height: scene.height };
      const ground = picture
        ? make("svg:image", { ...size, href: picture.src, preserveAspectRatio: "none" })
        : make("svg:rect", { ...size, class: "ground" });
      this.layer.replaceChildren();
      for (const entry of this.entries) entry.mark = null;
      const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
      const mine = this.entries.filter((entry) => entry.scene === index);
      for (const entry of mine) entry.mark = this.markOf(entry);
      this.layer.append(...[...mine].sort((a, b) => area(b.face.box) - area(a.face.box)).map((entry) => entry.mark));
      this.stage.replaceChildren(ground, this.layer, this.ring);
      this.stage.setAttribute("aria-label", `${scene.name}, ${scene.faces.length} faces`);
      this.stage.style.aspectRatio = `${scene.width} / ${scene.height}`;
      this.ring.removeAttribute("d");
      this.active = null;
      this.table.choose(null);
      const heights = scene.faces.map((face) => face.size_px).sort((a, b) => a - b);
      this.typical = heights[Math.floor(heights.length / 2)] || scene.height;
      this.look({ x: 0, y: 0, w: scene.width, h: scene.height }, false);
      this.rove();
      this.showGroup(scene);
    }

    markOf(entry) {
      const { face } = entry;
      const path = face.certain ? closed(face.box) : cornered(face.box);
      const colour = face.too_small ? "#000" : this.data.colours[face.expression];
      return make("svg:g", {
        class: face.too_small ? "mark small" : "mark", role: "button", tabindex: -1, "aria-label": told(entry),
        hidden: entry.shown === false,
        onpointerenter: () => this.show(entry), onclick: () => this.goTo(entry),
        onfocus: () => { this.show(entry); this.rove(entry); this.reveal(entry); },
      },
        make("svg:path", { class: "hit", d: closed(face.box) }),
        make("svg:path", { class: "rim", d: path }), make("svg:path", { class: "line", d: path, stroke: colour }));
    }

    // One face alone is reached by Tab; arrows go on from there.
    rove(entry) {
      const here = this.here();
      const target = entry || (here.includes(this.stop) ? this.stop : here[0]);
      if (this.stop && this.stop.mark) this.stop.mark.setAttribute("tabindex", -1);
      this.stop = target;
      if (target && target.mark) target.mark.setAttribute("tabindex", 0);
      this.stage.toggleAttribute("tabindex", false);
      if (!target) this.stage.setAttribute("tabindex", 0);
    }

    look(view, moved = true) {
      const scene = this.data.scenes[this.scene];
      const w = Math.min(scene.width, Math.max(view.w, scene.width / DEEPEST));
      const h = (w * scene.height) / scene.width;
      const x = Math.min(Math.max(view.x, 0), scene.width - w);
      const y = Math.min(Math.max(view.y, 0), scene.height - h);
      const end = { x, y, w, h };
      cancelAnimationFrame(this.moving);
      if (!moved || calm() || !this.view) return this.draw(end);
      const [start, begun] = [this.view, performance.now()];
      const step = (now) => {
        const part = Math.min(1, Math.max(0, (now - begun) / 160));
        const between = (key) => start[key] + (end[key] - start[key]) * part;
        this.draw({ x: between("x"), y: between("y"), w: between("w"), h: between("h") });
        if (part < 1) this.moving = requestAnimationFrame(step);
      };
      this.target = end;
      this.moving = requestAnimationFrame(step);
    }

    draw(view) {
      this.view = view;
      const whole = view.w >= this.data.scenes[this.scene].width - 1e-6;
      this.stage.classList.toggle("zoomed", !whole);
      this.stage.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);
      // Lines as thin as the faces are small, so that they leave the faces to be seen.
      const seen = (this.typical * this.stage.clientWidth) / view.w;
      this.layer.style.setProperty("--line", `${Math.min(2.4, Math.max(1, seen / 14)).toFixed(2)}px`);
    }

    zoom(factor, at, moved = true) {
      const { x, y, w, h } = this.view;
      const [cx, cy] = at || [x + w / 2, y + h / 2];
      this.look({ x: cx - (cx - x) / factor, y: cy - (cy - y) / factor, w: w / factor }, moved);
    }

    move(right, down, moved = true) {
      const { x, y, w, h } = this.view;
      this.look({ x: x + right * w, y: y + down * h, w }, moved);
    }

    whole() {
      this.look({ x: 0, y: 0, w: this.data.scenes[this.scene].width });
    }

    // A face that is outside the part shown is brought into it.
    reveal({ face }) {
      const [cx, cy] = middle(face.box);
      const { x, y, w, h } = this.view;
      if (cx < x || cx > x + w || cy < y || cy > y + h) this.look({ x: cx - w / 2, y: cy - h / 2, w });
    }

    goTo(entry, close = false) {
      if (entry.scene !== this.scene) this.showScene(entry.scene);
      if (close) {
        const scene = this.data.scenes[this.scene];
        const [x1, y1, x2, y2] = entry.face.box;
        const w = Math.min(scene.width, Math.max((x2 - x1) * 4, ((y2 - y1) * 4 * scene.width) / scene.height));
        const [cx, cy] = middle(entry.face.box);
        this.look({ x: cx - w / 2, y: cy - (w * scene.height) / scene.width / 2, w });
      }
      this.show(entry);
      this.rove(entry);
      entry.mark.focus({ preventScroll: !close });
      if (close) this.stage.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    }

    at(event) {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.stage.getScreenCTM().inverse());
      return [point.x, point.y];
    }

    followPointers() {
      const down = new Map();
      const spread = () => {
        const [a, b] = [...down.values()];
        return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
      };
      const stage = this.stage;
      let dragged = false;
      stage.addEventListener("wheel", (event) => {
        const whole = !stage.classList.contains("zoomed");
        if (whole && event.deltaY > 0) return;
        event.preventDefault();
        const lines = event.deltaMode === 1 ? 30 : 1;
        this.zoom(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) / 400), this.at(event), false);
      }, { passive: false });
      stage.addEventListener("dblclick", (event) => this.zoom(2.5, this.at(event)));
      stage.addEventListener("pointerdown", (event) => {
        if (!down.size) dragged = false;
        down.set(event.pointerId, event);
      });
      stage.addEventListener("pointermove", (event) => {
        const last = down.get(event.pointerId);
        if (!last) return;
        const far = Math.hypot(event.clientX - last.clientX, event.clientY - last.clientY);
        if (!dragged && far < 4 && down.size < 2) return;
        if (!dragged) for (const id of down.keys()) stage.setPointerCapture(id);
        dragged = true;
        const before = down.size > 1 ? spread() : 0;
        const [ax, ay] = this.at(last);
        const [bx, by] = this.at(event);
        down.set(event.pointerId, event);
        if (down.size > 1) return this.zoom(spread() / Math.max(before, 1), [bx, by], false);
        const { x, y, w } = this.view;
        this.look({ x: x + ax - bx, y: y + ay - by, w }, false);
      });
      for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => down.delete(event.pointerId));
      stage.addEventListener("pointerleave", (event) => dragged || down.delete(event.pointerId));
      stage.addEventListener("click", (event) => dragged && event.stopPropagation(), true);
    }

    stageKey(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const arrow = ARROWS[event.key];
      const here = this.here();
      const at = this.stop && middle(this.stop.face.box);
      const acts = {
        "+": () => this.zoom(1.5, at), "=": () => this.zoom(1.5, at), "-": () => this.zoom(1 / 1.5, at),
        0: () => this.whole(), Escape: () => this.whole(),
        Enter: () => this.stop && this.goTo(this.stop, true), " ": () => this.stop && this.goTo(this.stop, true),
        Home: () => here.length && this.goTo(here[0]), End: () => here.length && this.goTo(here[here.length - 1]),
      };
      const act = !arrow ? acts[event.key]
        : event.shiftKey || !this.stop ? () => this.move(arrow[0] * 0.2, arrow[1] * 0.2)
          : () => this.step(arrow);
      if (!act) return;
      event.preventDefault();
      act();
    }

    // To the nearest face in a direction; what lies to the side counts double.
    step([right, down]) {
      const [x, y] = middle(this.stop.face.box);
      let [best, least] = [null, Infinity];
      for (const entry of this.here()) {
        const [ex, ey] = middle(entry.face.box);
        const along = (ex - x) * right + (ey - y) * down;
        const across = Math.abs((ex - x) * down) + Math.abs((ey - y) * right);
        const cost = along + 2 * across;
        if (along > 1e-6 && along >= across / 2 && cost < least) [best, least] = [entry, cost];
      }
      if (best) this.goTo(best);
    }

    // ---- one face

    show(entry) {
      if (this.active === entry) return;
      this.active = entry;
      this.ring.setAttribute("d", closed(entry.face.box));
      const { face } = entry;
      const rows = [["answer", judged(face)], ["size", pixels(face.size_px)]];
      if (face.effective_px != null) rows.push(["effective size", pixels(face.effective_px)]);
      if (face.legible != null) rows.push(["legible", percent(face.legible)]);
      rows.push(["detection score", percent(face.detection_score)]);
      if (face.track != null) rows.push(["track", face.track]);
      const facts = rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]);
      const bars = this.data.expressions.map((name) => bar(name, face.probabilities[name], this.data.colours[name]));
      const title = face.too_small ? `Face ${entry.number}` : `Face ${entry.number}: ${face.expression}`;
      const crop = this.cropOf(entry);
      this.detail.replaceChildren(make("h3", {}, title), ...(crop ? [crop] : []), make("ul", { class: "bars" }, ...bars),
        make("dl", {}, ...facts));
      this.table.choose(entry);
    }

    cropOf({ face, scene, number }) {
      const picture = this.pictures[scene];
      if (!picture) return null;
      const [x1, y1, x2, y2] = face.box;
      const side = 1.4 * Math.max(x2 - x1, y2 - y1);
      const [cx, cy] = middle(face.box);
      const canvas = make("canvas", { width: 320, height: 320, role: "img", "aria-label": `Face ${number} enlarged` });
      const paint = () => {
        const scale = picture.naturalWidth / this.data.scenes[scene].width;
        const context = canvas.getContext("2d");
        context.imageSmoothingQuality = "high";
        context.drawImage(picture, (cx - side / 2) * scale, (cy - side / 2) * scale, side * scale, side * scale, 0, 0, 320, 320);
      };
      if (picture.complete && picture.naturalWidth) paint();
      else picture.addEventListener("load", paint, { once: true });
      return canvas;
    }

    showGroup(scene) {
      this.group.hidden = !scene.shares;
      if (!scene.shares) return;
      this.group.replaceChildren(make("h3", {}, "Group in this picture"), shareBars(scene.shares, this.data.colours),
        make("p", { class: "note" }, "Lines are 95% intervals."));
    }
  }

  const mount = (root, data) => new Viewer(root, data);
  window.fsrferViewer.mount = mount;
  for (const root of document.querySelectorAll("[data-viewer]")) {
    mount(root, JSON.parse(root.querySelector("script").textContent));
  }
})();
