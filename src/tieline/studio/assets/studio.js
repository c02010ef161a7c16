// What pages need of the browser itself: the viewer's time zone, theme, clipboard, visibility, and the completing of
// $variables. Everything shown is set as text, never as markup.
(() => {
  "use strict";

  // -- <tl-time datetime="ISO" show="full|time|ago"> : in the viewer's zone, UTC on hover --------------------------
  const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const spans = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [2592000, "day", 86400]];
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

  function ago(date) {
    const s = (date.getTime() - Date.now()) / 1000;
    for (const [limit, unit, size] of spans) {
      if (Math.abs(s) < limit) return relative.format(Math.trunc(s / size), unit);
    }
    return day.format(date);
  }

  class ViewersTime extends HTMLElement {
    static observedAttributes = ["datetime", "show"];
    connectedCallback() {
      this.draw();
      if (this.getAttribute("show") === "ago") this.timer = setInterval(() => this.draw(), 10000);
    }
    disconnectedCallback() { clearInterval(this.timer); }
    attributeChangedCallback() { this.draw(); }
    draw() {
      const text = this.getAttribute("datetime");
      const date = new Date(text || "");
      if (!text || Number.isNaN(date.getTime())) { this.textContent = "–"; return; }
      const kind = this.getAttribute("show");
      const full = `${day.format(date)}, ${clock.format(date)}`;
      this.textContent = kind === "ago" ? ago(date) : kind === "time" ? clock.format(date) : full;
      const utc = `${date.toISOString().replace("T", " ").replace(/\.\d+Z$/, "")} UTC`;
      this.title = kind === "ago" ? `${full}\n${utc}` : utc;
    }
  }
  customElements.define("tl-time", ViewersTime);

  // Some things are drawn in the viewer's zone by the server (fields for times): it is told by a cookie. A page that was
  // drawn before that, or for another zone, is drawn once more.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
  document.cookie = `tieline_zone=${zone}; path=/; max-age=31536000; samesite=lax`;

  class DrawnFor extends HTMLElement {
    connectedCallback() {
      const told = this.getAttribute("zone") || "";
      if (told !== zone && document.cookie.split("; ").includes(`tieline_zone=${zone}`)) window.location.reload();
    }
  }
  customElements.define("tl-drawn-for", DrawnFor);

  // -- <tl-source> : lines of coloured source; `tokens` is [[kind, text], ...] ------------------------------------
  class Source extends HTMLElement {
    set tokens(tokens) { this.given = tokens; this.draw(); }
    set hits(lines) { this.lines = new Set(lines); this.draw(); }
    set first(line) { this.start = line; this.draw(); }
    connectedCallback() { this.setAttribute("tabindex", "0"); this.setAttribute("role", "region"); this.draw(); }
    draw() {
      if (!this.given) return;
      const rows = [[]];
      for (const [kind, text] of this.given) {
        text.split("\n").forEach((part, i) => {
          if (i > 0) rows.push([]);
          if (part) rows[rows.length - 1].push([kind, part]);
        });
      }
      if (rows.length > 1 && rows[rows.length - 1].length === 0) rows.pop();
      const first = this.start || 1;
      this.replaceChildren(...rows.map((row, i) => {
        const line = document.createElement("div");
        line.className = this.lines && this.lines.has(first + i) ? "line hit" : "line";
        const number = document.createElement("span");
        number.className = "no";
        number.textContent = String(first + i);
        line.append(number);
        for (const [kind, text] of row) {
          const span = document.createElement("span");
          if (kind) span.className = kind;
          span.textContent = text;
          line.append(span);
        }
        return line;
      }));
    }
  }
  customElements.define("tl-source", Source);

  // -- focus: where it was, when a page was drawn anew -----------------------------------------------------------
  const FOCUSABLE = "button, a, input, textarea, [tabindex='0']";
  let focused = "";

  function nameOf(element) {
    return `${element.tagName} ${element.getAttribute("aria-label") || element.textContent.trim().slice(0, 80)}`;
  }

  document.addEventListener("focusin", (event) => {
    // Quasar's buttons hand the focus to a span within.
    const target = event.target.closest(FOCUSABLE);
    if (target && target.closest(".tl-page")) focused = nameOf(target);
  });

  function refocus() {
    setTimeout(() => { // by then a dialog that led here has gone
      const page = document.querySelector(".tl-page");
      const active = document.activeElement;
      if (!page || (active && active !== document.body && active.isConnected && !active.contains(page))) return;
      const names = page.querySelectorAll(FOCUSABLE);
      const found = [...names].find((one) => nameOf(one) === focused) || page;
      if (!found.hasAttribute("tabindex") && found === page) found.setAttribute("tabindex", "-1");
      found.focus({ preventScroll: true });
    }, 350);
  }

  // -- theme, clipboard, visibility ----------------------------------------------------------------------------
  function keepTheme(theme) {
    document.cookie = `tieline_theme=${theme}; path=/; max-age=31536000; samesite=lax`;
  }

  async function copyText(button) {
    const text = button.closest("[data-copy]").querySelector("[data-copied]").textContent;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch (_) { // over plain HTTP there is no clipboard object; the old way still works
      const area = document.createElement("textarea");
      area.value = text;
      area.style.position = "fixed";
      area.style.opacity = "0";
      button.parentElement.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    button.setAttribute("aria-label", done ? "Copied" : "Could not copy");
    const icon = button.querySelector(".q-icon");
    if (icon) icon.textContent = done ? "check" : "error_outline";
    setTimeout(() => {
      button.setAttribute("aria-label", "Copy");
      if (icon) icon.textContent = "content_copy";
    }, 1500);
  }

  document.addEventListener("visibilitychange", () => {
    if (typeof emitEvent === "function") emitEvent("tieline_visible", !document.hidden);
  });

  // -- $variables ------------------------------------------------------------------------------------------------
  // An input below [data-variables] (JSON: [[name, meaning], ...]) offers the names as `$` and letters are typed.
  let list = null;
  let field = null;
  let chosen = 0;
  let found = [];

  function close() {
    if (list) list.remove();
    if (field) {
      field.setAttribute("aria-expanded", "false");
      field.removeAttribute("aria-activedescendant");
    }
    list = null;
    found = [];
  }

  function typed(input) {
    return /\$(\w*)$/.exec(input.value.slice(0, input.selectionStart ?? 0));
  }

  function take(index) {
    const input = field;
    const match = input && typed(input);
    if (!match || !found[index]) { close(); return; }
    const at = match.index;
    const after = input.value.slice(input.selectionStart).replace(/^\w*/, "");
    const name = `$${found[index][0]}`;
    input.value = input.value.slice(0, at) + name + after;
    input.setSelectionRange(at + name.length, at + name.length);
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function mark() {
    [...list.children].forEach((item, i) => {
      item.setAttribute("aria-selected", String(i === chosen));
      if (i === chosen) { item.scrollIntoView({ block: "nearest" }); field.setAttribute("aria-activedescendant", item.id); }
    });
  }

  function offer(input, variables) {
    const match = typed(input);
    close();
    if (!match) return;
    field = input;
    const start = match[1].toLowerCase();
    found = variables.filter(([name]) => name.toLowerCase().startsWith(start));
    if (found.length === 1 && found[0][0] === match[1]) found = [];
    if (!found.length) return;
    list = document.createElement("div");
    list.className = "tl-suggestions";
    list.id = "tl-suggestions";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Variables");
    found.forEach(([name, meaning], i) => {
      const item = document.createElement("div");
      item.className = "tl-suggestion";
      item.id = `tl-suggestion-${i}`;
      item.setAttribute("role", "option");
      const word = document.createElement("b");
      word.textContent = `$${name}`;
      const about = document.createElement("span");
      about.textContent = meaning || "";
      item.append(word, about);
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(i); });
      list.append(item);
    });
    const box = input.getBoundingClientRect();
    (input.closest(".q-dialog") || document.body).append(list);
    const below = window.innerHeight - box.bottom;
    list.style.left = `${Math.min(box.left, window.innerWidth - list.offsetWidth - 8)}px`;
    list.style.top = below > list.offsetHeight + 8 ? `${box.bottom + 4}px` : `${box.top - list.offsetHeight - 4}px`;
    input.setAttribute("aria-expanded", "true");
    input.setAttribute("aria-controls", "tl-suggestions");
    chosen = 0;
    mark();
  }

  document.addEventListener("input", (event) => {
    const holder = event.target.closest && event.target.closest("[data-variables]");
    if (holder) offer(event.target, JSON.parse(holder.dataset.variables));
  });
  document.addEventListener("keydown", (event) => {
    if (!list || event.target !== field) return;
    if (event.key === "ArrowDown") chosen = (chosen + 1) % found.length;
    else if (event.key === "ArrowUp") chosen = (chosen + found.length - 1) % found.length;
    else if (event.key === "Enter" || event.key === "Tab") { event.preventDefault(); event.stopPropagation(); take(chosen); return; }
    else if (event.key === "Escape") { event.stopPropagation(); close(); return; }
    else return;
    event.preventDefault();
    mark();
  }, true);
  document.addEventListener("focusout", (event) => { if (event.target === field) close(); });
  window.addEventListener("scroll", () => { if (list) close(); }, true);

  window.tieline = { keepTheme, copyText, refocus };
})();
