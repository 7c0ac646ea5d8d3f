// The changes of a plan, by account. What is shown is counted here and compared with what the plan says of itself.
"use strict";

(() => {
  const { element, number, table } = holdfast;
  const data = JSON.parse(document.getElementById("data").textContent);
  const KINDS = {
    field: "fields to write",
    task: "new tasks",
    removal: "tasks to remove",
    kept: "conflicts: fields left alone",
    skipped: "skipped: effects that stay",
  };
  const KEYS = { task: "tasks", removal: "removals", kept: "kept", skipped: "skipped" };
  const NOUNS = {
    tasks: ["new task", "new tasks"],
    removals: ["task to remove", "tasks to remove"],
    kept: ["field left alone", "fields left alone"],
    skipped: ["effect that stays", "effects that stay"],
  };
  const COLUMNS = 4;
  const name = (text) => element("bdi", { class: "name" }, text);

  // -- parts: everything that one account's changes consist of, each with what it is filtered by --------------------

  const parts = (group) => {
    if (group.parts) return group.parts;
    const found = [];
    for (const record of group.records || []) {
      for (const [field, before, after] of record.fields) {
        found.push({ kind: "field", object: record.object, record, field, before, after });
      }
    }
    for (const task of group.tasks || []) found.push({ kind: "task", object: "task", task });
    for (const removal of group.removals || []) found.push({ kind: "removal", object: "task", removal });
    for (const edit of group.kept || []) found.push({ kind: "kept", object: edit.object, field: edit.field, edit });
    for (const one of group.skipped || []) {
      found.push({ kind: "skipped", object: one.object, field: one.object === "task" ? undefined : one.what, one });
    }
    // The account's own first, then each contact's together.
    const people = Map.groupBy(
      found.filter((part) => part.object === "contact"),
      (part) => (part.record || part.edit || part.one).id,
    );
    group.parts = [...found.filter((part) => part.object !== "contact"), ...[...people.values()].flat()];
    return group.parts;
  };

  const narrowed = (chosen) => ["kind", "object", "field"].filter((key) => chosen[key] !== undefined);

  // The parts that the lists leave; asked for several times while one choice stands.
  const wanted = (group, chosen) => {
    const keys = narrowed(chosen);
    if (!keys.length) return parts(group);
    if (group.choice !== chosen) {
      group.choice = chosen;
      group.left = parts(group).filter((part) => keys.every((key) => part[key] === chosen[key]));
    }
    return group.left;
  };

  // What a group counts as in the lists, everything that any part of it is, and the plan's numbers of it. Taken from
  // the data as it stands: parts are made of what is shown only, for there may be a million.
  const about = (group) => {
    if (group.about) return group.about;
    const n = { fields: 0, accounts: 0, contacts: 0 };
    const has = { kind: new Set(), object: new Set(), field: new Set() };
    const people = new Set();
    for (const record of group.records || []) {
      n.fields += record.fields.length;
      n[record.object === "account" ? "accounts" : "contacts"] += 1;
      has.object.add(record.object);
      for (const [field] of record.fields) has.field.add(field);
      if (record.object === "contact") people.add(record.id);
    }
    if (n.fields) has.kind.add("field");
    for (const [kind, all] of Object.entries(KEYS)) {
      n[all] = (group[all] || []).length;
      if (n[all]) has.kind.add(kind);
      for (const one of group[all] || []) {
        has.object.add(one.object || "task");
        if (kind === "kept") has.field.add(one.field);
        if (kind === "skipped" && one.object !== "task") has.field.add(one.what);
        if (kind === "kept" && one.object === "contact") people.add(one.id);
      }
    }
    const lists = Object.fromEntries(Object.entries(has).map(([key, values]) => [key, [...values]]));
    group.about = { n, ...lists, rows: 1 + people.size + n.fields + n.tasks + n.removals + n.kept + n.skipped };
    return group.about;
  };

  const every = (key) => (group) => about(group)[key];

  // The plan's numbers, counted in what is shown.
  const counted = (groups, chosen) => {
    const total = { fields: 0, accounts: 0, contacts: 0, tasks: 0, removals: 0, kept: 0, skipped: 0 };
    const all = !narrowed(chosen).length;
    for (const group of groups) {
      const n = all ? about(group).n : countedParts(wanted(group, chosen));
      for (const key of Object.keys(total)) total[key] += n[key] || 0;
    }
    return total;
  };

  const countedParts = (shown) => {
    const n = { fields: 0, accounts: 0, contacts: 0, tasks: 0, removals: 0, kept: 0, skipped: 0 };
    const records = new Set();
    for (const part of shown) {
      n[part.kind === "field" ? "fields" : KEYS[part.kind]] += 1;
      if (part.record) records.add(part.record);
    }
    for (const record of records) n[record.object === "account" ? "accounts" : "contacts"] += 1;
    return n;
  };

  // -- rows ---------------------------------------------------------------------------------------------------------

  const value = (text, kind) =>
    text === null ? element("span", { class: "none" }, "empty") : element("span", { class: kind }, name(text));

  const arrow = () => element("span", { class: "arrow", "aria-hidden": "true" }, "→ ");

  const effect = (title, before, after) =>
    element(
      "tr",
      { class: "effect" },
      element("th", { scope: "row" }, title),
      element("td", {}, ...before),
      element("td", { colspan: COLUMNS - 2 }, ...after),
    );

  const meta = (...words) => element("span", { class: "meta" }, ...words);
  const why = (text) => (text ? element("span", { class: "why" }, "Why: ", name(text)) : null);

  const accountRow = (group, shown) => {
    const told = [];
    if (group.band) told.push(element("span", { class: `band ${group.band}` }, group.band));
    told.push(`account ${group.id}`);
    if (group.owner) told.push(" · owner ", name(group.owner));
    if (group.segments) told.push(` · ${group.segments.join(", ")}`);
    const own = shown.find((part) => part.record && part.object === "account");
    const weight = element("td", { class: "number" });
    if (group.worst) {
      const [severity, worth] = group.worst;
      weight.append(number(group.weight), meta(`severity ${severity} × value ${worth}`));
    }
    return element(
      "tr",
      { class: "account" },
      element("th", { scope: "row", colspan: COLUMNS - 1 }, name(group.name || group.id), meta(...told), own ? why(own.record.why) : null),
      weight,
    );
  };

  const contactRow = ({ id, name: called }, reason) =>
    element(
      "tr",
      { class: "contact" },
      element("th", { scope: "row", colspan: COLUMNS }, name(called), meta(`contact ${id}`), why(reason)),
    );

  const taskRow = ({ task }, said) => {
    const body = task.body
      ? element("details", {}, element("summary", {}, "Text of the task"), element("p", { class: "body" }, name(task.body)))
      : null;
    const words = [" due ", task.due, " · for ", name(task.owner || "nobody"), ` · ${task.priority} priority`];
    if (task.playbook) words.push(` · playbook ${task.playbook}`);
    return effect("new task", [element("span", { class: "none" }, "none")], [
      arrow(), value(task.subject, "new"), meta(...words), task.why === said ? null : why(task.why), body,
    ]);
  };

  const removalRow = ({ removal }) =>
    effect("task to remove", [value(removal.subject, "old"), meta(`task ${removal.id}`)], [
      arrow(), element("span", { class: "none" }, "removed"), why(removal.why),
    ]);

  const keptRow = ({ edit }) =>
    effect(`${edit.field} (left alone)`, [value(edit.theirs, "plain")], [
      `${data.kept[edit.why]}; `, "we wrote ", value(edit.ours, "plain"), ", would write ", value(edit.wanted, "plain"),
    ]);

  const skippedRow = ({ one }) =>
    effect(`${one.what || one.object} (stays)`, [one.object === "contact" ? name(one.name) : null], ["stays as it is: ", name(one.why)]);

  const fieldRow = ({ field, before, after }) =>
    effect(field, [value(before, "old")], [arrow(), value(after, "new")]);

  const rows = (group, chosen) => {
    const shown = wanted(group, chosen);
    const made = [accountRow(group, shown)];
    const own = (group.records || []).find((record) => record.object === "account");
    let contact = "";
    for (const part of shown) {
      const person = part.object === "contact" && (part.record || part.edit);
      if (person && person.id !== contact) {
        contact = person.id;
        made.push(contactRow(person, part.record ? person.why : ""));
      }
      const make = { field: fieldRow, removal: removalRow, kept: keptRow, skipped: skippedRow }[part.kind];
      made.push(part.kind === "task" ? taskRow(part, own && own.why) : make(part));
    }
    return made;
  };

  const size = (group, chosen) => {
    if (!narrowed(chosen).length) return about(group).rows;
    const shown = wanted(group, chosen);
    let contact = "";
    let extra = 0;
    for (const { object, record, edit } of shown) {
      const person = object === "contact" && (record || edit);
      if (person && person.id !== contact) {
        contact = person.id;
        extra += 1;
      }
    }
    return 1 + shown.length + extra;
  };

  const words = (group) => {
    const said = [group.id, group.name, group.owner, group.band, ...(group.segments || [])];
    for (const record of group.records || []) {
      said.push(record.id, record.name, record.why, ...record.fields.flat());
    }
    for (const kind of ["tasks", "removals", "kept", "skipped"]) {
      for (const part of group[kind] || []) said.push(...Object.values(part));
    }
    return said.filter(Boolean).join(" ");
  };

  // -- the page -----------------------------------------------------------------------------------------------------

  const tally = (shown, chosen) => {
    const n = counted(shown, chosen);
    const on = [[n.accounts, "account"], [n.contacts, "contact"]].filter(([many]) => many);
    const records = on.map(([many, what]) => `${number(many)} ${what}`).join(" and ");
    const ends = n.accounts + n.contacts === 1 ? "record" : "records";
    const fields = n.fields ? [`${number(n.fields)} ${n.fields === 1 ? "field" : "fields"} on ${records} ${ends}`] : [];
    const others = Object.entries(NOUNS).filter(([key]) => n[key]);
    return [...fields, ...others.map(([key, [one, many]]) => `${number(n[key])} ${n[key] === 1 ? one : many}`)].join(", ") || "nothing";
  };

  const check = () => {
    const n = counted(data.groups, {});
    const unlike = Object.keys(data.totals).filter((key) => n[key] !== data.totals[key]);
    if (!unlike.length) return;
    const alarm = document.getElementById("unlike");
    const told = unlike.map((key) => `${key}: ${number(n[key])} here, ${number(data.totals[key])} in the plan`);
    alarm.textContent = `This page does not show the plan as it is (${told.join("; ")}). Do not rely on it.`;
    alarm.hidden = false;
  };

  const instant = (id) => Date.parse(document.getElementById(id).dateTime);

  const clock = () => {
    const minutes = Math.floor((Date.now() - instant("made")) / 60000);
    const units = [[1440, "day"], [60, "hour"], [1, "minute"]];
    const [length, unit] = units.find(([many]) => minutes >= many) || [1, "minute"];
    const many = Math.floor(minutes / length);
    const ago = minutes ? `${many} ${unit}${many === 1 ? "" : "s"} ago` : "just now";
    if (minutes >= 0) document.getElementById("age").textContent = `, ${ago}`; // a clock that lags says nothing
    document.getElementById("old").hidden = Date.now() <= instant("expires");
  };

  check();
  clock();
  window.setInterval(clock, 30000);
  holdfast.plan = table(document.getElementById("table"), {
    name: "accounts",
    caption: "Every change by account: the field, what the CRM says now, and what it will say.",
    items: data.groups,
    columns: [
      { key: "name", title: "Account and field", value: (group) => group.name || group.id, width: "32%" },
      { key: "before", title: "Now", sortable: false, width: "22%" },
      { key: "after", title: "Will be", sortable: false },
      { key: "weight", title: "Weight", number: true, value: (group) => group.weight, width: "11.5rem" },
    ],
    orders: [
      { key: "weight", title: "worst first", descending: true, value: (group) => group.weight },
      { key: "worth", title: "most valuable first", descending: true, value: (group) => (group.worst ? group.worst[1] : null) },
      { key: "many", title: "most changes first", descending: true, value: (group) => parts(group).length },
      { key: "name", title: "name", value: (group) => group.name || group.id },
      { key: "owner", title: "owner", value: (group) => group.owner || null },
    ],
    sort: { key: "weight", descending: true },
    filters: [
      { key: "band", title: "Band", of: (group) => group.band || null, order: data.bands },
      { key: "kind", title: "Kind", of: every("kind"), label: (kind) => KINDS[kind], order: Object.keys(KINDS) },
      { key: "field", title: "Field", of: every("field") },
      { key: "object", title: "Object", of: every("object"), order: ["account", "contact", "task"] },
      { key: "segment", title: "Segment", of: (group) => group.segments || [] },
      { key: "owner", title: "Owner", of: (group) => group.owner || null },
    ],
    matches: (group, chosen) => !narrowed(chosen).length || wanted(group, chosen).length > 0,
    text: words,
    rows,
    size,
    tally,
  });
})();
