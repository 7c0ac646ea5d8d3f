// The rows of a table of thousands: opened, gone over by keyboard, printed; search, filters and order are in table.js.
//
// Only the rows near the window are in the document; the rest are empty row groups of the right height, filled when
// they come near, and all of them before printing. `aria-rowcount` and `aria-rowindex` say what is really there.
// Keys: arrows, Home, End go over the items, Enter opens one. Text is only ever set as text.
//
// Here is also what every script of a page may use: `holdfast.element`, `holdfast.collator`, `holdfast.number`.
"use strict";
globalThis.holdfast = globalThis.holdfast || {};

(() => {
  const CHUNK_ROWS = 60; // rows filled and emptied together
  const ROW_HEIGHT = 37; // pixels, until a row of the table was measured
  const NEAR = "1200px"; // how far beyond the window rows are filled
  const number = new Intl.NumberFormat("en");

  // An element with attributes and children; strings become text, never markup.
  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
    }
    made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return made;
  };

  // What a table shows: `shown`, the items in their order; `chosen`, which is handed on to `options.rows` and `.size`.
  class Rows {
    constructor(options) {
      this.options = options;
      this.columns = options.columns;
      this.shown = [];
      this.chosen = {};
      this.opened = new Set();
      this.height = ROW_HEIGHT;
      this.active = 0;
      this.printing = false;
      this.watcher = new IntersectionObserver((seen) => this.seen(seen), { rootMargin: `${NEAR} 0px` });
      window.addEventListener("beforeprint", () => this.print(true));
      window.addEventListener("afterprint", () => this.print(false));
    }

    // The table without rows, by its columns and its head.
    frame(id, group, heads) {
      const { caption } = this.options;
      this.element = element(
        "table",
        { class: "long", id },
        caption ? element("caption", {}, caption) : null,
        group,
        element("thead", {}, heads),
      );
      this.element.addEventListener("keydown", (event) => this.key(event));
      this.element.addEventListener("focusin", (event) => {
        const row = event.target.closest("tr[data-item]");
        if (row) this.active = Number(row.dataset.item);
      });
      return this.element;
    }

    size(item) {
      const own = this.options.size ? this.options.size(item, this.chosen) : 1;
      return own + (this.opened.has(item) ? 1 : 0);
    }

    // Cuts what is shown into row groups, none of them filled yet but those that are near.
    lay() {
      this.watcher.disconnect();
      for (const body of [...this.element.tBodies]) body.remove();
      this.chunks = [];
      let chunk = null;
      let row = 2;
      this.shown.forEach((item, place) => {
        if (!chunk || chunk.rows >= CHUNK_ROWS) {
          chunk = { first: place, last: place, row, rows: 0, height: 0, filled: false, body: element("tbody") };
          this.chunks.push(chunk);
        }
        const rows = this.size(item);
        chunk.last = place;
        chunk.rows += rows;
        row += rows;
      });
      this.element.setAttribute("aria-rowcount", String(row - 1));
      this.of = new Map(this.chunks.map((one) => [one.body, one]));
      this.chunks.forEach((one, place) => (place === 0 || this.printing ? this.fill(one) : this.empty(one)));
      this.element.append(...this.chunks.map((one) => one.body));
      for (const one of this.chunks) this.watcher.observe(one.body);
    }

    seen(entries) {
      this.still(() => {
        for (const { target, isIntersecting } of entries) {
          const chunk = this.of.get(target);
          if (!chunk || this.printing) continue;
          if (isIntersecting && !chunk.filled) this.fill(chunk);
          else if (!isIntersecting && chunk.filled && !target.contains(document.activeElement)) this.empty(chunk);
        }
      });
    }

    // Rows may be higher than they were taken for: what somebody looks at stays where it is all the same.
    still(change) {
      const inside = (row) => row && row.getBoundingClientRect().bottom > 0 && row.getBoundingClientRect().top < innerHeight;
      const focused = this.element.contains(document.activeElement) ? document.activeElement.closest("tbody tr") : null;
      const middle = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
      const mark = inside(focused) ? focused : middle && middle.closest("tbody tr:not(.space)");
      const before = mark && mark.getBoundingClientRect().top;
      change();
      if (mark && mark.isConnected) window.scrollBy(0, mark.getBoundingClientRect().top - before);
    }

    fill(chunk) {
      const home = this.chunks.find((one) => one.first <= this.active && this.active <= one.last);
      if (home !== chunk && !home.filled) this.active = chunk.first; // one item can always be reached by Tab
      const rows = [];
      let index = chunk.row;
      for (let place = chunk.first; place <= chunk.last; place += 1) {
        const item = this.shown[place];
        const made = this.options.rows ? this.options.rows(item, this.chosen) : [this.row(item)];
        if (this.opened.has(item)) made.push(this.opening(item));
        made[0].dataset.item = place;
        made[0].tabIndex = place === this.active ? 0 : -1;
        for (const row of made) {
          row.setAttribute("aria-rowindex", String(index));
          index += 1;
        }
        rows.push(...made);
      }
      chunk.body.replaceChildren(...rows);
      chunk.filled = true;
    }

    empty(chunk) {
      if (chunk.filled) {
        chunk.height = chunk.body.getBoundingClientRect().height;
        this.height = chunk.height / chunk.rows || this.height;
      }
      const space = element("td", { colspan: this.columns.length });
      space.style.height = `${chunk.height || chunk.rows * this.height}px`;
      chunk.body.replaceChildren(element("tr", { class: "space", "aria-hidden": "true" }, space));
      chunk.filled = false;
    }

    row(item) {
      const row = element("tr");
      this.columns.forEach((column, place) => {
        const cell = element(place ? "td" : "th", { scope: place ? null : "row", class: column.number ? "number" : null });
        if (!place && this.options.detail) cell.append(this.opener(item));
        if (column.cell) column.cell(item, cell);
        else cell.append(String(column.text ? column.text(item) : (column.value(item) ?? "")));
        row.append(cell);
      });
      return row;
    }

    // -- opening -----------------------------------------------------------------------------------------------------

    opener(item) {
      const open = this.opened.has(item);
      const label = `Details of ${this.columns[0].text ? this.columns[0].text(item) : this.columns[0].value(item)}`;
      const button = element("button", { type: "button", class: "opens", "aria-expanded": open, "aria-label": label });
      button.addEventListener("click", () => this.toggle(item));
      return button;
    }

    opening(item) {
      const cell = element("td", { colspan: this.columns.length });
      this.options.detail(item, cell);
      return element("tr", { class: "detail" }, cell);
    }

    // Opens or closes an item where it stands: the rows below keep their places in the order.
    toggle(item) {
      const place = this.shown.indexOf(item);
      const chunk = this.chunks.find((one) => one.first <= place && place <= one.last);
      const change = this.opened.delete(item) ? -1 : (this.opened.add(item), 1);
      chunk.rows += change;
      for (const later of this.chunks) {
        if (later.row > chunk.row) later.row += change;
        if (later.row > chunk.row && later.filled) this.fill(later);
      }
      this.element.setAttribute("aria-rowcount", String(Number(this.element.getAttribute("aria-rowcount")) + change));
      this.fill(chunk);
      const button = this.element.querySelector(`tr[data-item="${place}"] .opens`);
      if (button) button.focus();
    }

    // -- keys ---------------------------------------------------------------------------------------------------------

    key(event) {
      const row = event.target.closest("tr[data-item]");
      if (!row || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input")) return;
      const last = this.shown.length - 1;
      const goal = { ArrowDown: this.active + 1, ArrowUp: this.active - 1, Home: 0, End: last }[event.key];
      if (goal !== undefined) {
        event.preventDefault();
        this.go(Math.max(0, Math.min(last, goal)));
      } else if (event.key === "Enter" && event.target === row && this.options.detail) {
        event.preventDefault();
        this.toggle(this.shown[this.active]);
        this.go(this.active);
      }
    }

    go(place) {
      const chunk = this.chunks.find((one) => one.first <= place && place <= one.last);
      if (!chunk.filled) this.fill(chunk);
      const before = this.element.querySelector('tr[data-item][tabindex="0"]');
      if (before) before.tabIndex = -1;
      this.active = place;
      const row = chunk.body.querySelector(`tr[data-item="${place}"]`);
      row.tabIndex = 0;
      row.focus({ preventScroll: true });
      row.scrollIntoView({ block: "nearest" });
    }

    // -- paper -------------------------------------------------------------------------------------------------------

    print(on) {
      if (on === this.printing) return;
      this.printing = on;
      if (on) for (const chunk of this.chunks) if (!chunk.filled) this.fill(chunk);
      if (on) for (const folded of this.element.querySelectorAll("details:not([open])")) folded.open = true;
      if (!on) this.lay();
    }
  }

  Object.assign(globalThis.holdfast, {
    Rows,
    element,
    collator: new Intl.Collator("en", { numeric: true, sensitivity: "base" }),
    number: (value) => number.format(value),
  });
})();
