// The list of accounts: a row each with its last weeks as a line, opening to its history and to the parts of its score.
// Data is what report/accounts.py packs. Text is only ever set as text.
"use strict";

(() => {
  const FIRST = 0x100;
  const UNKNOWN = FIRST + 101;
  const { element, table: makeTable, number } = globalThis.holdfast;
  const data = JSON.parse(document.getElementById("data").textContent);
  const mount = document.getElementById("list");
  const place = Object.fromEntries(data.columns.map((name, at) => [name, at]));
  const get = (row, name) => row[place[name]];
  const word = (row, name) => data.words[get(row, name)];
  const segments = (row) => get(row, "segments").map((one) => data.words[one]);
  const label = (segment) => (Object.hasOwn(data.labels, segment) ? data.labels[segment] : segment);
  const BANDS = ["red", "yellow", "green", "unknown"];
  const MOVES = { worse: "worse", better: "better", other: "new or known again" };
  const OUTCOMES = { open: "open", in_time: "done in time", late: "done late", gone: "deleted" };
  const readable = (text) => text.replaceAll("_", " ");

  const drawn = (tag, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
    made.append(...children);
    return made;
  };

  const band = (name) => element("span", { class: `band ${BANDS.includes(name) ? name : "unknown"}` }, name);
  const named = (text) => element("span", { class: "name" }, text);

  // Weeks with their scores; null where there is none. The last is now.
  const history = (row) => [...get(row, "history")].map((sign) => {
    const code = sign.charCodeAt(0);
    return code < UNKNOWN ? code - FIRST : null;
  });

  // Runs of weeks that have a score, as points of lines that are broken where nothing is known.
  const lines = (scores, x, y) => {
    const found = [[]];
    scores.forEach((score, at) => {
      if (score === null) found.push([]);
      else found[found.length - 1].push(`${x(at).toFixed(1)},${y(score).toFixed(1)}`);
    });
    return found.filter((points) => points.length).map((points) => {
      const only = points.length === 1 ? [points[0], points[0].replace(/^[\d.]+/, (text) => String(Number(text) + 0.5))] : points;
      return drawn("polyline", { points: only.join(" ") });
    });
  };

  const told = (scores) => {
    const known = scores.filter((score) => score !== null);
    if (!known.length) return "no score yet";
    return `${known.length} weeks: from ${known[0]} to ${known[known.length - 1]}, lowest ${Math.min(...known)}, highest ${Math.max(...known)}`;
  };

  const spark = (row) => {
    const scores = history(row);
    const last = data.weeks.length - 1;
    const first = last - scores.length + 1;
    const x = (at) => (last ? (100 * (first + at)) / last : 50);
    return drawn(
      "svg",
      { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", role: "img", "aria-label": told(scores) },
      ...lines(scores, x, (score) => 22 - (20 * score) / 100),
    );
  };

  const chart = (row) => {
    const scores = history(row);
    const days = data.weeks.slice(data.weeks.length - scores.length);
    const [left, right, top, bottom] = [30, 480, 10, 150];
    const x = (at) => (scores.length > 1 ? left + ((right - left) * at) / (scores.length - 1) : right);
    const y = (score) => bottom - ((bottom - top) * score) / 100;
    const svg = drawn("svg", { class: "history", viewBox: "0 0 500 175", role: "img", "aria-label": told(scores) });
    for (const score of [0, 50, 100]) {
      svg.append(
        drawn("line", { class: "guide", x1: left, x2: right, y1: y(score), y2: y(score) }),
        drawn("text", { x: left - 6, y: y(score) + 4, "text-anchor": "end" }, String(score)),
      );
    }
    svg.append(...lines(scores, x, y));
    scores.forEach((score, at) => {
      if (score === null) return;
      const dot = drawn("circle", { cx: x(at), cy: y(score), r: at === scores.length - 1 ? 3.5 : 2 });
      dot.append(drawn("title", {}, `${days[at]}: ${score}`));
      svg.append(dot);
    });
    if (days.length > 1) svg.append(drawn("text", { x: left, y: 168 }, days[0]));
    svg.append(drawn("text", { x: right, y: 168, "text-anchor": "end" }, days[days.length - 1]));
    return svg;
  };

  const signed = (tenths) => `${tenths < 0 ? "\u2212" : "+"}${(Math.abs(tenths) / 10).toFixed(1)}`;

  const bar = (tenths, most) => {
    const width = (50 * Math.abs(tenths)) / most;
    return drawn(
      "svg",
      { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      drawn("rect", { class: tenths < 0 ? "down" : "up", x: tenths < 0 ? 50 - width : 50, y: 1, width, height: 8 }),
      drawn("line", { x1: 50, x2: 50, y1: 0, y2: 10, "vector-effect": "non-scaling-stroke" }),
    );
  };

  // What each signal adds to the neutral 50 or takes away; the last line is the sum, which is the score.
  const parts = (row) => {
    const all = get(row, "parts");
    const score = get(row, "score");
    const most = Math.max(1, ...all.map(([, tenths]) => Math.abs(tenths || 0)));
    const body = element("tbody");
    if (score !== null) {
      body.append(element("tr", {}, element("th", { scope: "row" }, "neutral"), element("td"), element("td"), element("td", { class: "number" }, "50.0")));
    }
    for (const [signal, tenths, value] of all) {
      const known = tenths !== null && tenths !== undefined && score !== null;
      const drawing = element("td", { class: "bar" });
      if (known) drawing.append(bar(tenths, most));
      body.append(element("tr", {},
        element("th", { scope: "row" }, readable(data.words[signal])),
        element("td", {}, data.words[value]),
        drawing,
        element("td", { class: "number" }, known ? signed(tenths) : "not known")));
    }
    const foot = score === null ? null : element("tfoot", {}, element("tr", {},
      element("th", { scope: "row" }, "score"), element("td"), element("td"), element("td", { class: "number" }, score.toFixed(1))));
    return element("table", { class: "parts" }, body, foot);
  };

  const rows = (head, lists) => element("table", { class: "told" },
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...lists.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))))));

  const detail = (row, cell) => {
    const about = element("div", {}, element("h3", {}, "History"), chart(row));
    const story = get(row, "story");
    if (story.length) {
      about.append(rows(["day", "from", "to"], story.map(([day, before, after]) => [day, band(before), band(after)])));
    }
    const why = element("div", {}, element("h3", {}, "Parts of the score"), parts(row));
    why.append(element("p", {}, named(get(row, "reason"))));
    const facts = [`${get(row, "coverage")} % of the data is there and fresh`];
    if (get(row, "since")) facts.push(`${get(row, "band")} since ${get(row, "since")}`);
    if (word(row, "stage")) facts.push(`stage ${readable(word(row, "stage"))}`);
    if (word(row, "plan")) facts.push(`plan ${word(row, "plan")}`);
    if (get(row, "renewal")) facts.push(`renews ${get(row, "renewal")}`);
    if (word(row, "held") && !get(row, "reason").includes(word(row, "held"))) facts.push(`held: ${word(row, "held")}`);
    why.append(element("p", { class: "soft" }, named(facts.join(" · "))));
    why.append(element("p", { class: "soft" }, "CRM id ", named(get(row, "id"))));
    const chips = segments(row).map((one) => element("span", { class: "chip name" }, label(one)));
    if (chips.length) why.append(element("p", { class: "chips" }, ...chips));
    cell.append(element("div", { class: "columns" }, about, why));
    const tasks = get(row, "tasks");
    if (tasks.length) {
      cell.append(element("h3", {}, "Tasks"), rows(["task", "made", "due", "what became of it"], tasks.map(
        ([subject, outcome, made, due, ended]) => [named(data.words[subject]), made, due, `${OUTCOMES[outcome] || outcome} ${ended}`.trim()])));
    }
    const waits = get(row, "waits");
    if (waits.length) {
      cell.append(element("h3", {}, "Withheld"), rows(["playbook", "why", "until"], waits.map(
        ([playbook, reason, until]) => [readable(data.words[playbook]), named(data.words[reason]), until])));
    }
  };

  const value = (row) => {
    const amount = get(row, "value");
    return amount === null ? "" : `${number(amount)} ${word(row, "currency")}`.trim();
  };

  const table = makeTable(mount, {
    name: "accounts",
    caption: "Every account; open one for its history, the parts of its score, its tasks.",
    items: data.accounts,
    columns: [
      { key: "name", title: "Account", value: (row) => get(row, "name"), cell: (row, td) => td.append(named(get(row, "name"))) },
      { key: "band", title: "Band", width: "6.2rem", value: (row) => BANDS.indexOf(get(row, "band")), cell: (row, td) => td.append(band(get(row, "band"))) },
      { key: "score", title: "Score", number: true, width: "4.5rem", value: (row) => get(row, "score") },
      { key: "history", title: `Last ${data.weeks.length} weeks`, width: "8rem", sortable: false, value: () => null, cell: (row, td) => td.append(spark(row)) },
      { key: "value", title: "Value a month", number: true, width: "8rem", value: (row) => get(row, "value"), text: value },
      { key: "owner", title: "Owner", width: "9rem", value: (row) => word(row, "owner") || null, cell: (row, td) => td.append(named(word(row, "owner"))) },
      { key: "reason", title: "Why", sortable: false, value: () => null, cell: (row, td) => td.append(named(get(row, "reason"))) },
    ],
    orders: [{ key: "urgent", title: "most urgent", value: (row) => BANDS.indexOf(get(row, "band")) * 1000 + (get(row, "score") ?? -1) }],
    sort: { key: "urgent", descending: false },
    filters: [
      { key: "band", title: "Band", of: (row) => get(row, "band"), order: BANDS },
      { key: "segment", title: "Segment", of: segments, label },
      { key: "stage", title: "Stage", of: (row) => word(row, "stage") || null, label: readable },
      { key: "owner", title: "Owner", of: (row) => word(row, "owner") || null },
      { key: "moved", title: "Since last week", of: (row) => get(row, "moved") || null, label: (way) => MOVES[way] || way, order: Object.keys(MOVES) },
    ],
    text: (row) => [get(row, "name"), get(row, "id"), get(row, "band"), word(row, "owner"), word(row, "plan"), get(row, "reason"), ...segments(row).map(label)].join(" "),
    detail,
  });

  // A name further up leads to its account: shown first in the list, and opened.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-account]");
    if (!link) return;
    event.preventDefault();
    const row = data.accounts[Number(link.dataset.account)];
    table.reset();
    table.find(get(row, "id"));
    if (!table.shown.includes(row)) table.reset();
    if (!table.opened.has(row)) table.toggle(row);
    document.getElementById("accounts").scrollIntoView();
  });
})();
