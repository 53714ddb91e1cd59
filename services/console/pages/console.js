"use strict";

const SHOWN = 200;
const RETRY_MS = 3000;

const page = {
  rows: new Map(),
  chosen: null,
};

const at = (id) => document.getElementById(id);

function element(tag, { text, className, children = [] } = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function overdue(row) {
  return row.late !== null || (row.due !== null && !row.finished && Date.parse(row.due.at) <= Date.now());
}

function cells(row) {
  const code = element("button", { text: row.code || "查看", className: "code" });
  code.type = "button";
  code.dataset.case = row.id;
  code.addEventListener("click", () => choose(row.id));
  const marks = row.flags.map((flag) => element("span", { text: flag, className: "mark flag" }));
  const urgency = element("span", { text: row.urgency_text, className: `mark ${row.urgency}` });
  const due = row.late ?? row.due;
  const when = due
    ? [element("span", { text: due.day }), element("small", { text: row.late ? `逾期：${due.rule}` : due.rule })]
    : [];
  return [
    element("td", { children: [code] }),
    element("td", { text: row.registered_text }),
    element("td", { children: [urgency, row.kind, element("small", { text: row.category }), ...marks] }),
    element("td", { text: row.state }),
    element("td", { text: row.org }),
    element("td", { className: overdue(row) ? "overdue" : "", children: when }),
    element("td", { text: row.message?.what, children: row.message ? [element("small", { text: row.message.fate })] : [] }),
  ];
}

function draw(changed = new Set()) {
  // Newest first; every row is built anew, so whoever is on one by keyboard is put back there.
  const newest = [...page.rows.values()].sort((a, b) => b.registered.localeCompare(a.registered));
  page.rows = new Map(newest.slice(0, SHOWN).map((row) => [row.id, row]));
  const focused = document.activeElement?.dataset.case;
  at("cases").replaceChildren(
    ...[...page.rows.values()].map((row) => {
      const names = [row.finished && "finished", row.id === page.chosen && "chosen", changed.has(row.id) && "fresh"];
      return element("tr", { className: names.filter(Boolean).join(" "), children: cells(row) });
    }),
  );
  if (focused) at("cases").querySelector(`[data-case="${focused}"]`)?.focus({ preventScroll: true });
  count();
}

function count() {
  const rows = [...page.rows.values()];
  const open = rows.filter((row) => !row.finished);
  at("open").textContent = open.length;
  at("late").textContent = open.filter(overdue).length;
  at("red").textContent = open.filter((row) => row.urgency === "RED").length;
  at("finished").textContent = rows.length - open.length;
  at("empty").hidden = rows.length > 0;
}

async function choose(id) {
  page.chosen = id;
  const row = page.rows.get(id);
  const answer = await fetch(`/cases/${id}/timeline`);
  if (page.chosen !== id) return;
  if (!answer.ok) return close();
  const moments = (await answer.json()).items;
  at("side-title").textContent = `${row?.code ?? ""} 办理经过`;
  at("side-open").href = `/cases/${id}`;
  at("moments").replaceChildren(
    ...moments.map((moment) =>
      element("li", {
        children: [element("time", { text: moment.at }), moment.what, element("small", { text: moment.detail })],
      }),
    ),
  );
  at("side").hidden = false;
  draw();
}

function close() {
  page.chosen = null;
  at("side").hidden = true;
  draw();
}

function link(state, text) {
  at("link").className = `link ${state}`;
  at("link").textContent = text;
}

function showBoard(rows) {
  page.rows = new Map(rows.map((row) => [row.id, row]));
  draw();
}

function showChange({ rows, gone }) {
  for (const row of rows) page.rows.set(row.id, row);
  for (const id of gone) page.rows.delete(id);
  draw(new Set(rows.map((row) => row.id)));
  if (page.chosen && gone.includes(page.chosen)) close();
  else if (rows.some((row) => row.id === page.chosen)) choose(page.chosen);
}

// --- the stream: all rows first, then each change; opened again for as long as one is signed in

function follow(onBoard, onChange) {
  const stream = new EventSource("/events");
  stream.addEventListener("board", (event) => {
    link("live", "实时");
    onBoard(JSON.parse(event.data));
  });
  stream.addEventListener("change", (event) => onChange(JSON.parse(event.data)));
  stream.addEventListener("bye", () => location.assign("/sign-in"));
  stream.addEventListener("error", () => {
    link("lost", "已断开，正在重连");
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => again(onBoard, onChange), RETRY_MS);
  });
}

async function again(onBoard, onChange) {
  const answer = await fetch("/session").catch(() => null);
  if (answer?.status === 401) location.assign("/sign-in");
  else if (answer?.ok) follow(onBoard, onChange);
  else setTimeout(() => again(onBoard, onChange), RETRY_MS);
}

// --- a case's page: the live part is fetched anew whenever the case changes

function followCase(panel) {
  const id = panel.dataset.case;
  // What happened before the stream was open, or while it was lost, is not among its changes.
  const onBoard = () => renew(panel, id);
  follow(onBoard, ({ rows }) => rows.some((row) => row.id === id) && renew(panel, id));
}

function nodes(html) {
  return new DOMParser().parseFromString(html, "text/html").body.childNodes;
}

async function renew(panel, id) {
  const answer = await fetch(`/cases/${id}/panel`).catch(() => null);
  if (!answer?.ok) return;
  const fresh = nodes(await answer.text());
  const open = [...panel.querySelectorAll("details")].map((each) => each.open);
  const back = wayBack(panel);
  panel.replaceChildren(...fresh);
  panel.querySelectorAll("details").forEach((each, nth) => (each.open = open[nth] ?? false));
  back();
}

// Puts whoever is inside by keyboard back on what stands there anew: by its id or name, else by its place among
// those of its kind.
function wayBack(panel) {
  const held = document.activeElement;
  const alike = held.id ? `#${CSS.escape(held.id)}` : held.name ? `[name="${CSS.escape(held.name)}"]` : held.localName;
  const nth = [...panel.querySelectorAll(alike)].indexOf(held);
  return () => panel.querySelectorAll(alike)[nth]?.focus({ preventScroll: true });
}

// --- the entry form: what is read back to the caller, what they brought before, and sending by keyboard

function readBack(form) {
  const value = (name) => form.elements[name]?.value.trim() ?? "";
  const lines = [
    value("narrative"),
    value("address") && `地址：${value("address")}`,
    value("name") && `姓名：${value("name")}`,
    value("phone") && `电话：${value("phone").replace(/\s/g, "").replace(/(\d{3})(?=\d)/g, "$1 ")}`,
    value("amount") && `金额：${value("amount")} 元`,
  ].filter(Boolean);
  at("aloud").textContent = lines.length ? lines.join("\n") : "填写后，这里是要复述的话。";
}

// Shows what the server says of some fields, unless they changed meanwhile; until then the place is empty, or
// keeps what was said before.
function teller(form, place, path, { keep = false } = {}) {
  let asked = "";
  return async (fields, worth) => {
    const body = new URLSearchParams({ form: form.elements.form.value, ...fields });
    const wanted = body.toString();
    if (wanted === asked) return;
    asked = wanted;
    if (!keep || !worth) place.replaceChildren();
    if (!worth) return;
    const answer = await fetch(path, { method: "POST", body }).catch(() => null);
    if (answer === null) return;
    const said = await part(answer);
    if (asked === wanted) place.replaceChildren(...said);
  };
}

// What a part of the page says, also of a service that is away; for a problem of the door, such as the end of the
// session, its title.
async function part(answer) {
  const isPart = answer.headers.get("Content-Type")?.startsWith("text/html");
  if (answer.ok || isPart) return nodes(await answer.text());
  const problem = await answer.json().catch(() => ({}));
  const said = element("p", { className: "fault", text: `暂时取不到：${problem.title ?? answer.status}` });
  if (answer.status === 401) {
    const way = element("a", { text: "在新标签页登录" });
    Object.assign(way, { href: "/sign-in", target: "_blank" });
    said.append("，已填写的内容仍在。", way);
  }
  return [said];
}

const PAUSE = 600; // ms without a key before what was typed is looked at

function afterPause(look) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  };
}

function knownMatters(form) {
  const tell = teller(form, at("known"), "/cases/known");
  return afterPause(() => {
    const phone = form.elements.phone.value.normalize("NFKC").trim();
    const digits = phone.replace(/\D/g, "").length;
    tell({ phone }, digits >= 7 && digits <= 15); // as numbers are long (ITU-T E.164)
  });
}

function suggest(form) {
  const tell = teller(form, at("suggested"), "/cases/suggested", { keep: true });
  const fields = [...form.elements].map((field) => field.name).filter((name) => name.startsWith("respondent_"));
  const names = ["narrative", "address", "phone", "headcount", "category", ...fields];
  const look = () => {
    const said = Object.fromEntries(names.map((name) => [name, form.elements[name].value]));
    tell(said, Boolean(said.narrative.trim()));
  };
  at("suggested").addEventListener("click", (event) => {
    const offer = event.target.closest("[data-field]");
    if (!offer) return;
    const field = form.elements[offer.dataset.field];
    field.value = offer.dataset.code;
    for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
  });
  return afterPause(look);
}

function enter(form) {
  const topics = [...form.elements.topic.options];
  const narrow = () => {
    const category = form.elements.category.value;
    for (const option of topics) option.hidden = Boolean(option.value) && !option.value.startsWith(`${category}.`);
    if (form.elements.topic.selectedOptions[0]?.hidden) form.elements.topic.value = "";
  };
  form.elements.category.addEventListener("change", narrow);
  const known = knownMatters(form);
  form.elements.phone.addEventListener("input", known);
  const look = suggest(form);
  form.addEventListener("input", look);
  form.addEventListener("input", () => readBack(form));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", () => (form.querySelector("button[type=submit]").disabled = true));
  narrow();
  readBack(form);
  known();
  look();
}

if (at("cases")) {
  at("side-close").addEventListener("click", close);
  follow(showBoard, showChange);
  setInterval(draw, 30000);
}
if (at("panel")) followCase(at("panel"));
if (at("entry")) enter(at("entry"));
