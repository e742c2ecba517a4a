"use strict";
const evidence = JSON.parse(document.getElementById("evidence").textContent);
const field = (id) => document.getElementById(id);
const RED = new Set(["fail", "error", "untestable"]);

function make(name, text, className) {
  const element = document.createElement(name);
  if (text !== undefined && text !== null) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 1); } catch { return text; }
}

function block(parent, title, text) {
  if (!text) return;
  parent.append(make("div", title, "level"), make("pre", pretty(text)));
}

function step(exchange) {
  const details = make("details"), summary = make("summary");
  const good = exchange.status !== null && exchange.status < 400;
  let shown = exchange.url;
  try { const url = new URL(exchange.url); shown = url.pathname; } catch { /* shown as it is */ }
  summary.append(
    make("span", exchange.at.toFixed(2) + " s", "level"), make("span", exchange.who, "who"),
    make("span", exchange.method + " " + shown, "what"),
    make("span", exchange.status === null ? "no answer" : String(exchange.status), "code " + (good ? "good" : "bad")));
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (details.children.length > 1) return;
    details.append(make("div", exchange.method + " " + exchange.url + " — " + exchange.ms + " ms " + (exchange.error || ""), "level"));
    block(details, "request", exchange.request_body);
    block(details, "answer", exchange.response_body);
  });
  const item = make("li");
  item.append(details);
  return item;
}

function list(parent, title, entries, toElement) {
  if (!entries || !entries.length) return;
  const items = make("ul", undefined, "steps");
  items.append(...entries.map(toElement));
  parent.append(make("h4", title), items);
}

function folded(summary, text) {
  const item = make("li"), details = make("details");
  details.append(make("summary", summary), make("pre", text));
  item.append(details);
  return item;
}

function show(details) {
  const place = details.querySelector(".evidence"), where = details.dataset.evidence;
  if (!where || place.childElementCount) return;
  const told = evidence[where];
  if (!told) {
    const link = make("a", where);
    link.href = where;
    place.append(make("span", "Evidence: "), link);
    return;
  }
  list(place, "People", told.people, (person) => make("li", `${person.name} — ${person.role}, ${person.homeserver} ${person.user_id}`));
  list(place, `What happened (${told.exchanges.length} exchanges)`, told.exchanges, step);
  list(place, "Mails", told.mails, (mail) => folded(`${mail.to}: ${mail.subject}`, mail.text));
  list(place, "What the servers wrote", told.logs, (log) => folded(`${log.service}: ${log.lines.length} lines`, log.lines.join("\n")));
  if (told.traceback) list(place, "Where it ended", [told.traceback], (text) => folded("traceback", text));
}

function filter() {
  const words = field("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  const chapter = field("chapter").value, status = field("status").value, level = field("level").value;
  let shown = 0;
  for (const rule of document.querySelectorAll(".rule")) {
    const data = rule.dataset;
    const fits = words.every((word) => data.words.includes(word)) && (!chapter || data.chapter === chapter)
      && (!level || data.level === level) && (!status || (status === "red" ? RED.has(data.status) : data.status === status));
    rule.hidden = !fits;
    shown += fits;
  }
  for (const section of document.querySelectorAll(".chapter")) section.hidden = !section.querySelector(".rule:not([hidden])");
  field("shown").textContent = `${shown} rules`;
}

for (const id of ["words", "chapter", "status", "level"]) field(id).addEventListener("input", filter);
field("language").addEventListener("input", () => { document.body.dataset.language = field("language").value; });
document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details[data-evidence]") && event.target.open) show(event.target);
}, true);
for (const link of document.querySelectorAll(".map a")) link.addEventListener("click", () => {
  for (const id of ["words", "chapter", "status", "level"]) field(id).value = "";
  filter();
});
filter();
