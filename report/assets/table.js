// A table of thousands of rows that sorts, searches, filters, prints, and is used by keyboard or screen reader.
//
//   const table = holdfast.table(mount, {
//     name: "accounts",                  what items are called, for "12 of 10,000 accounts"
//     caption: "Every account, …",       said before the table is read; shown too
//     items: [...],                      anything; never changed. Their order is the order among equals
//     columns: [{
//       key: "score", title: "Score",
//       value: (item) => item.score,     what is sorted by, and shown: a string, a number or null; null goes last
//       text: (item) => "38",            shown in place of the value
//       cell: (item, td) => {},          fills the cell itself, in place of both
//       number: true,                    figures: right-aligned
//       width: "8rem",                   CSS; left out: shares what is left
//       sortable: false,                 left out: yes
//     }],
//     sort: {key: "score", descending: false},           the first order; left out: as given
//     orders: [{key, title, value, descending}],         further orders, in a list "Sort by"; left out: none
//     filters: [{key: "band", title: "Band",             a list each, with how many items each choice has
//                of: (item) => "red" or ["a", "b"],      what the item counts as, each once; [] or null: nothing
//                label: (value) => "red",                how a choice is called; left out: as it is
//                order: ["red", "yellow"]}],             choices in this order first; the rest by name
//     matches: (item, chosen) => true,   whether an item is shown, beside what the lists say each for itself
//     text: (item) => "words",           what the search looks at; left out: what the columns show
//     detail: (item, td) => {},          what an item opens to, filled when it is opened; left out: nothing opens
//     rows: (item, chosen) => [tr],      an item of several rows, in place of `columns`' cells
//     size: (item, chosen) => 3,         how many rows `rows` gives
//     tally: (shown, chosen) => "words", said behind how many are shown
//     changed: (shown, chosen) => {},    called after each change of what is shown, with the items
//   });
//   table.choose({band: "red"})          sets lists (null: all);  table.find("acme") searches;  table.reset() shows all
//   table.sort("score", true)            orders by a column or an order
//   table.shown, table.chosen            what is shown, and {key: value} of the lists that are set
//
// Keys: "/" goes to the search, Escape empties it. Needs rows.js before it, and table.css.
"use strict";

(() => {
  const PAUSE = 80; // milliseconds without a key until what was typed is searched for
  const { Rows, element, collator, number } = globalThis.holdfast;
  const plain = /^[\x00-\x7f]*$/;
  const fold = (text) => (plain.test(text) ? text : text.normalize("NFKD").replace(/\p{M}/gu, "")).toLowerCase();
  const list = (value) => (value === null || value === undefined ? [] : Array.isArray(value) ? value : [value]);
  let serial = 0;

  const compare = (left, right) => {
    if (typeof left === "number" && typeof right === "number") return left - right;
    return collator.compare(String(left), String(right));
  };

  // Items in a new order; those without a value last, whichever the direction.
  const ordered = (items, value, descending) => {
    const keyed = items.map((item, place) => [value(item) ?? null, place, item]);
    keyed.sort(([left, first], [right, second]) => {
      if (left === null || right === null) return (left === null) - (right === null) || first - second;
      return (descending ? compare(right, left) : compare(left, right)) || first - second;
    });
    return keyed.map(([, , item]) => item);
  };

  class Table extends Rows {
    constructor(mount, options) {
      super(options);
      this.id = `table-${(serial += 1)}`;
      this.words = [];
      this.order = options.sort || null;
      this.texts = null;
      this.lists = new Map();
      mount.append(this.toolbar(), this.table());
      this.update();
      document.addEventListener("keydown", (event) => this.slash(event));
    }

    // -- what stands above -------------------------------------------------------------------------------------------

    toolbar() {
      const { name, filters = [], orders = [] } = this.options;
      this.search = element("input", { type: "search", id: `${this.id}-search`, placeholder: "press / to search" });
      this.search.addEventListener("focus", () => this.index());
      this.search.addEventListener("input", () => {
        clearTimeout(this.pause);
        this.pause = setTimeout(() => this.find(this.search.value), PAUSE);
      });
      this.search.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && this.search.value) {
          event.preventDefault();
          this.find("");
        }
      });
      this.count = element("output", { class: "count", for: this.search.id, "aria-live": "polite" });
      this.by = element("span", { class: "by" }); // paper shows no lists, and must say what it leaves out
      this.all = element("button", { type: "button", class: "reset screen" }, `Show all ${name}`);
      this.all.addEventListener("click", () => {
        this.reset();
        this.search.focus();
      });
      const boxes = [this.labelled("Search", this.search), ...filters.map((filter) => this.filterBox(filter))];
      if (orders.length) boxes.push(this.orderBox(orders));
      return element(
        "div",
        { class: "toolbar", role: "search", "aria-label": `Search and filter ${name}` },
        element("div", { class: "boxes screen" }, ...boxes),
        element("p", { class: "found" }, this.count, " ", this.by, " ", this.all),
      );
    }

    labelled(title, control) {
      return element("div", { class: "box" }, element("label", { for: control.id }, title), control);
    }

    filterBox({ key, title, of, label = (value) => value, order = [] }) {
      const numbers = new Map();
      for (const item of this.options.items) {
        for (const value of list(of(item))) numbers.set(value, (numbers.get(value) || 0) + 1);
      }
      const place = (value) => (order.includes(value) ? order.indexOf(value) : order.length);
      const values = [...numbers.keys()].sort((a, b) => place(a) - place(b) || compare(label(a), label(b)));
      const box = element("select", { id: `${this.id}-${key}`, "data-filter": key }, element("option", { value: "" }, "all"));
      values.forEach((value, at) => {
        box.append(element("option", { value: at + 1 }, `${label(value)} (${number(numbers.get(value))})`));
      });
      this.lists.set(key, { box, values, of, title });
      box.addEventListener("change", () => this.choose({ [key]: box.value ? values[box.value - 1] : null }));
      return this.labelled(title, box);
    }

    orderBox(orders) {
      this.orderList = element("select", { id: `${this.id}-order`, "data-order": true });
      for (const { key, title } of orders) this.orderList.append(element("option", { value: key }, title));
      this.orderList.addEventListener("change", () => {
        const { key, descending } = orders.find((one) => one.key === this.orderList.value);
        this.sort(key, Boolean(descending));
      });
      return this.labelled("Sort by", this.orderList);
    }

    slash(event) {
      const typing = event.target.closest && event.target.closest("input, select, textarea");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (!this.element.offsetParent || event.defaultPrevented) return; // not this table's page part
      event.preventDefault();
      this.search.focus();
      this.search.select();
    }

    // -- the table itself --------------------------------------------------------------------------------------------

    table() {
      const group = element("colgroup");
      const heads = element("tr", { "aria-rowindex": 1 });
      for (const column of this.columns) {
        const col = element("col");
        if (column.width) col.style.width = column.width;
        group.append(col);
        const head = element("th", { scope: "col", class: column.number ? "number" : null, "data-key": column.key });
        if (column.sortable === false) head.append(column.title);
        else {
          const button = element("button", { type: "button", class: "sorts" }, column.title);
          button.addEventListener("click", () => this.turn(column));
          head.append(button);
        }
        heads.append(head);
      }
      this.heads = heads;
      return this.frame(this.id, group, heads);
    }

    // Numbers begin with the largest, words with A; a second press turns the order round.
    turn(column) {
      const now = this.order && this.order.key === column.key;
      this.sort(column.key, now ? !this.order.descending : Boolean(column.number));
    }

    sort(key, descending) {
      this.order = { key, descending };
      this.update();
    }

    find(text) {
      clearTimeout(this.pause);
      if (this.search.value !== text) this.search.value = text;
      this.words = fold(text).split(/\s+/).filter(Boolean);
      this.update();
    }

    choose(wanted) {
      this.chosen = { ...this.chosen }; // another object whenever it says something else
      for (const [key, value] of Object.entries(wanted)) {
        const { box, values } = this.lists.get(key);
        if (value === null) delete this.chosen[key];
        else this.chosen[key] = value;
        box.value = value === null ? "" : String(values.indexOf(value) + 1);
      }
      this.update();
    }

    reset() {
      this.chosen = {};
      for (const { box } of this.lists.values()) box.value = "";
      this.find("");
    }

    // -- what is shown -----------------------------------------------------------------------------------------------

    update() {
      const { items, name, changed, tally, orders = [] } = this.options;
      let shown = items.filter((item, place) => this.matches(item, place));
      if (this.order) {
        const { key, descending } = this.order;
        const found = this.columns.find((column) => column.key === key) || orders.find((one) => one.key === key);
        shown = ordered(shown, found.value, descending);
      }
      this.shown = shown;
      this.active = 0;
      for (const head of this.heads.children) {
        const now = this.order && head.dataset.key === this.order.key;
        if (now) head.setAttribute("aria-sort", this.order.descending ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      }
      if (this.orderList) this.orderList.value = this.order ? this.order.key : "";
      const all = shown.length === items.length;
      this.all.hidden = all;
      this.count.textContent = all
        ? `${number(items.length)} ${items.length === 1 ? name.replace(/s$/, "") : name}`
        : `${number(shown.length)} of ${number(items.length)} ${name}`;
      const set = [...this.lists.values()].map(({ box, title }) => box.value && `${title}: ${box.selectedOptions[0].text}`);
      if (this.words.length) set.push(`Search: ${this.words.join(" ")}`);
      this.by.textContent = all ? "" : `Shown by ${set.filter(Boolean).join("; ")}.`;
      if (tally) this.count.append(`: ${tally(shown, this.chosen)}`);
      this.lay();
      if (changed) changed(shown, this.chosen);
    }

    matches(item, place) {
      for (const [key, value] of Object.entries(this.chosen)) {
        if (!list(this.lists.get(key).of(item)).includes(value)) return false;
      }
      if (this.options.matches && !this.options.matches(item, this.chosen)) return false;
      if (!this.words.length) return true;
      return this.words.every((word) => this.index()[place].includes(word));
    }

    // What is searched, made when somebody is about to search.
    index() {
      this.texts = this.texts || this.options.items.map((one) => fold(this.said(one)));
      return this.texts;
    }

    said(item) {
      if (this.options.text) return this.options.text(item);
      return this.columns.map((column) => (column.text ? column.text(item) : (column.value(item) ?? ""))).join(" ");
    }
  }

  globalThis.holdfast.table = (mount, options) => new Table(mount, options);
})();
