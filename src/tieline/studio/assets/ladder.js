// <tl-ladder> : a SIP ladder. `ladder` is {columns: [text], messages: [{from, to, label, at, tone, notes: [text], name}]}
// where `from` and `to` are columns. A click on an arrow, or Enter, tells the server its place by an `open` event.
// Everything that a peer wrote is set as text, never as markup.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const TIME = 74, ROW = 30, NOTE = 17, HEAD = 34, LEAST = 150;

  function make(parent, tag, attributes, text) {
    const one = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, String(value));
    if (text !== undefined) one.textContent = text;
    parent.append(one);
    return one;
  }

  function fitted(text, width) {
    const most = Math.max(4, Math.floor(width / 6.9));
    return text.length > most ? `${text.slice(0, most - 1)}…` : text;
  }

  class Ladder extends HTMLElement {
    set ladder(given) { this.given = given; this.draw(); }
    connectedCallback() {
      this.watcher = new ResizeObserver(() => { if (this.clientWidth !== this.drawn) this.draw(); });
      this.watcher.observe(this);
      this.draw();
    }
    disconnectedCallback() { this.watcher.disconnect(); }

    draw() {
      if (!this.given || !this.isConnected) return;
      const { columns, messages } = this.given;
      this.drawn = this.clientWidth;
      const time = this.drawn < 560 ? 54 : TIME;
      const step = Math.max(LEAST, Math.min(330, (Math.max(this.drawn, 320) - time - 8) / columns.length));
      const width = time + step * columns.length;
      const x = (column) => time + step * (column + 0.5);
      let height = HEAD;
      for (const one of messages) height += ROW + NOTE * one.notes.length;
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("width", String(width));
      svg.setAttribute("height", String(height + 12));
      svg.setAttribute("role", "group");
      columns.forEach((name, column) => {
        make(svg, "text", { x: x(column), y: 16, class: "end" }, fitted(name, step - 8));
        make(svg, "line", { x1: x(column), y1: HEAD - 8, x2: x(column), y2: height + 8, class: "bar" });
      });
      let y = HEAD;
      messages.forEach((one, index) => {
        this.arrow(svg, one, index, y + 18, x, step, width);
        y += ROW;
        for (const text of one.notes) {
          const left = x(Math.min(one.from, one.to)) + 10;
          make(svg, "text", { x: left, y: y + 8, class: "note" },
               fitted(text, step * Math.abs(one.to - one.from) - 14));
          y += NOTE;
        }
      });
      this.replaceChildren(svg);
    }

    arrow(svg, one, index, y, x, step, width) {
      const group = make(svg, "g", { class: `arrow ${one.tone}`, role: "button", tabindex: 0, "aria-label": one.name });
      make(group, "rect", { x: 0, y: y - 18, width, height: ROW - 2, class: "hit" });
      make(group, "text", { x: 2, y: y + 3, class: "at" }, one.at);
      const [start, end] = [x(one.from), x(one.to)];
      const way = end > start ? 1 : -1;
      make(group, "line", { x1: start, y1: y + 4, x2: end - way * 2, y2: y + 4, class: "shaft" });
      make(group, "path", { d: `M ${end} ${y + 4} l ${-way * 8} -4 l 0 8 z`, class: "tip" });
      make(group, "text", { x: (start + end) / 2, y: y - 2, class: "label" }, fitted(one.label, Math.abs(end - start) - 12));
      const open = () => this.dispatchEvent(new CustomEvent("open", { detail: index }));
      group.addEventListener("click", open);
      group.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); }
      });
    }
  }
  customElements.define("tl-ladder", Ladder);
})();
