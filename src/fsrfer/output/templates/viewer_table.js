"use strict";
// The table of a viewer's faces: sorted by its heads, gone through by arrow keys; a face's number leads to it.
(() => {
  const { make, percent, swatch, judged, told } = window.fsrferViewer;
  const ROWS = 200;

  class FaceTable {
    // entries are the viewer's; goTo and hover take one of them.
    constructor(data, entries, { goTo, hover }) {
      Object.assign(this, { data, entries, goTo, hover });
      this.element = make("div", { class: "faces" });
      this.order = { key: "scene", falling: false };
      this.most = ROWS;
      this.chosen = null;
    }

    // After other faces are shown than before.
    fill() {
      this.most = ROWS;
      this.draw();
    }

    choose(entry) {
      this.chosen = entry;
      for (const row of this.element.querySelectorAll("tr.chosen")) row.classList.remove("chosen");
      if (entry && entry.row) entry.row.classList.add("chosen");
    }

    columns() {
      const many = this.data.scenes.length > 1;
      const has = (name) => this.entries.some(({ face }) => face[name] != null);
      const number = (name) => ({ face }) => (face[name] == null ? "" : face[name].toFixed(1));
      return [
        ...(many ? [{ key: "scene", name: "picture", value: (one) => one.scene, text: (one) => one.name }] : []),
        { key: "number", name: "face", value: (one) => one.number, text: (one) => String(one.number), leads: true },
        { key: "expression", name: "expression", value: ({ face }) => (face.too_small ? "~" : face.expression),
          text: ({ face }) => (face.too_small ? "" : face.expression), swatch: true },
        { key: "probability", name: "probability", value: ({ face }) => face.probability,
          text: ({ face }) => percent(face.probability), figure: true },
        { key: "judged", name: "answer", value: ({ face }) => judged(face), text: ({ face }) => judged(face) },
        { key: "size_px", name: "height, px", value: ({ face }) => face.size_px, text: number("size_px"), figure: true },
        ...(has("effective_px") ? [{ key: "effective_px", name: "effective, px", value: ({ face }) => face.effective_px,
          text: number("effective_px"), figure: true }] : []),
        ...(has("legible") ? [{ key: "legible", name: "legible", value: ({ face }) => face.legible,
          text: ({ face }) => (face.legible == null ? "" : percent(face.legible)), figure: true }] : []),
        ...(has("track") ? [{ key: "track", name: "track", value: ({ face }) => face.track,
          text: ({ face }) => String(face.track ?? ""), figure: true }] : []),
      ];
    }

    sortBy(key) {
      this.order = { key, falling: this.order.key === key && !this.order.falling };
      this.draw();
      this.element.querySelector(`button[data-key="${key}"]`).focus();
    }

    draw() {
      const columns = this.columns();
      const { key, falling } = this.order;
      const { value } = columns.find((column) => column.key === key) || { value: (one) => one.scene };
      const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0) * (falling ? -1 : 1);
      const shown = this.entries.filter((entry) => entry.shown).sort((a, b) => compare(value(a), value(b)));
      for (const entry of this.entries) entry.row = null;
      const heads = columns.map((column) => make("th", {
        scope: "col", class: column.figure ? "figure" : null,
        "aria-sort": column.key === key ? (falling ? "descending" : "ascending") : null,
      }, make("button", { type: "button", "data-key": column.key, onclick: () => this.sortBy(column.key) }, column.name)));
      const rows = shown.slice(0, this.most).map((entry, index) => this.rowOf(entry, columns, index === 0));
      const body = make("tbody", { onkeydown: (event) => this.key(event) }, ...rows);
      const table = make("table", {}, make("caption", {}, "Faces; a face's number leads to it in the picture"),
        make("thead", {}, make("tr", {}, ...heads)), body);
      const left = shown.length - rows.length;
      const more = make("button", { type: "button", onclick: () => { this.most += 5 * ROWS; this.draw(); } },
        `Show more (${left} left)`);
      this.element.replaceChildren(make("div", { class: "scroll" }, table), ...(left > 0 ? [more] : []));
    }

    rowOf(entry, columns, first) {
      const cells = columns.map((column) => {
        const text = column.text(entry);
        if (column.leads) {
          const lead = { type: "button", tabindex: first ? 0 : -1, "aria-label": told(entry), onclick: () => this.goTo(entry) };
          return make("th", { scope: "row" }, make("button", lead, text));
        }
        const marked = column.swatch && text ? [swatch(this.data.colours[text], !entry.face.certain), " "] : [];
        return make("td", { class: column.figure ? "figure" : null }, ...marked, text);
      });
      entry.row = make("tr", { onpointerenter: () => this.hover(entry), class: entry === this.chosen ? "chosen" : null }, ...cells);
      return entry.row;
    }

    key(event) {
      const buttons = [...this.element.querySelectorAll("tbody button")];
      const index = buttons.indexOf(document.activeElement);
      const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: buttons.length - 1 }[event.key];
      if (to === undefined || index < 0 || !buttons[to]) return;
      event.preventDefault();
      buttons[index].tabIndex = -1;
      buttons[to].tabIndex = 0;
      buttons[to].focus();
    }
  }

  window.fsrferViewer.FaceTable = FaceTable;
})();
