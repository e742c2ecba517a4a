"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const form = document.querySelector(".filter");
  const rules = all(".rule");
  const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const words = new Map(rules.map((rule) => [rule, folded(rule.textContent)]));

  /* Makes an element; texts become text, never markup. */
  const h = (name, attributes, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  };

  function filter() {
    const query = folded(byId("query").value).split(/\s+/).filter(Boolean);
    const statuses = all("input[name=status]:checked", form).map((box) => box.value);
    const chapter = byId("chapter").value, level = byId("level").value, asked = byId("asked").checked;
    let shown = 0;
    for (const rule of rules) {
      const told = rule.dataset;
      const fits = (!statuses.length || statuses.includes(told.status)) && (!chapter || chapter === told.chapter)
        && (!level || level === told.level) && (!asked || told.asked === "yes")
        && query.every((word) => words.get(rule).includes(word));
      rule.hidden = !fits;
      shown += fits;
    }
    for (const section of all(".chapter")) section.hidden = !section.querySelector(".rule:not([hidden])");
    byId("nothing").hidden = shown > 0;
    byId("found").textContent = `${shown} of ${rules.length} rules`;
    byId("show-all").disabled = shown === rules.length;
  }

  function speak() {
    document.documentElement.dataset.lang = form.querySelector("input[name=lang]:checked").value;
  }

  /* Follows #REG-1, or the id of a check, also where a filter or a closed rule hides it. */
  function follow() {
    let id;
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; }
    const target = id && byId(id);
    const rule = target && target.closest(".rule");
    if (!rule) return;
    if (rule.hidden) { form.reset(); speak(); filter(); }
    rule.open = true;
    target.scrollIntoView({ block: "start" });
  }

  /* A text, with what was taken out of it made visible. */
  const marked = (text) => text.split(/(<redacted:[a-z-]+>)/).map((part, at) => (at % 2 ? h("mark", {}, part) : part));
  const pre = (value) => h("pre", { tabindex: "0" }, marked(typeof value === "string" ? value : JSON.stringify(value, null, 2)));
  const part = (title, value) => {
    const empty = value === null || value === undefined || value === "" || (typeof value === "object" && !Object.keys(value).length);
    return empty ? [] : [h("h5", {}, title), pre(value)];
  };
  const headers = (map) => Object.entries(map || {}).map(([name, value]) => `${name}: ${value}`).join("\n");
  const count = (list, name) => `${list.length} ${name}${list.length === 1 ? "" : "s"}`;
  const at = (seconds) => h("span", { class: "at" }, `+${seconds.toFixed(2)} s`);

  /* What can be opened is made when it is opened. */
  function fold(kind, summary, inside) {
    const details = h("details", { class: "step" }, h("summary", {}, summary));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(h("div", { class: "inside" }, inside()));
    });
    return h("li", { class: kind }, details);
  }

  function exchange(told) {
    const [, host, path] = /^[a-z]+:\/\/([^/]*)(.*)$/is.exec(told.url) || [null, "", told.url];
    const code = told.status === null ? "none" : String(told.status);
    return fold("exchange", [
      at(told.at), h("span", { class: "who", title: told.who }, told.who), h("span", { class: "method" }, told.method),
      h("span", { class: "path" }, marked(path || "/"), host ? h("span", { class: "host" }, ` · ${host}`) : ""),
      h("span", { class: `code c${told.status === null ? 0 : code[0]}` }, told.status === null ? "no answer" : code),
      h("span", { class: "ms" }, `${Math.round(told.ms)} ms`),
    ], () => {
      const found = [
        part("Error", told.error), part("Address", told.url), part("Request headers", headers(told.request_headers)),
        part("Request", told.request_body), part("Answer headers", headers(told.response_headers)), part("Answer", told.response_body),
      ].flat();
      return found.length ? found : ["no body either way"];
    });
  }

  const mail = (told) => fold("mail", [
    at(told.at), h("span", { class: "who" }, "✉ mail"),
    h("span", { class: "path" }, `${told.subject} → ${told.to}`),
  ], () => [part("From", told.from), part("To", told.to), part("Text", told.text)].flat());

  const note = (told) => h("li", { class: "note" }, at(told.at), told.text);

  function evidence(told, path) {
    const steps = [
      ...told.exchanges.map((each) => [each.at, exchange, each]),
      ...told.mails.map((each) => [each.at, mail, each]),
      ...told.notes.map((each) => [each.at, note, each]),
    ].sort((left, right) => left[0] - right[0]);
    const panel = h("div", { class: "evidence", role: "region", "aria-label": `Evidence of ${told.check}` });
    const every = h("button", { type: "button" }, "Open every step");
    every.addEventListener("click", () => {
      const steps = all("details", panel), open = steps.some((step) => !step.open);
      for (const step of steps) step.open = open;
      every.textContent = open ? "Close every step" : "Open every step";
    });
    panel.append(h("div", { class: "evidence-bar" }, h("span", { class: "muted" },
      `${count(told.exchanges, "exchange")} · ${count(told.mails, "mail")} · began ${told.started.replace("T", " ").replace(/\.\d+/, "")}`), every, h("a", { href: path }, "JSON file")));
    if (told.traceback) panel.append(h("h4", {}, "Traceback"), pre(told.traceback));
    if (told.people.length) panel.append(h("h4", {}, "People"), h("ul", { class: "people" }, told.people.map((who) =>
      h("li", {}, h("b", {}, who.name), ` ${who.role} `, h("span", { class: "muted" }, [who.user_id, who.homeserver].filter(Boolean).join(" · "))))));
    panel.append(h("h4", {}, "What happened"), steps.length
      ? h("ol", { class: "steps" }, steps.map(([, make, each]) => make(each)))
      : h("p", { class: "muted" }, "Nothing went over the wire."));
    if (told.logs.length) panel.append(h("h4", {}, "Server logs"), h("ul", { class: "steps" }, told.logs.map((log) =>
      fold("log", [h("span", { class: "who" }, log.service), h("span", { class: "muted" }, count(log.lines, "line"))], () => [pre(log.lines.join("\n"))]))));
    return panel;
  }

  function toggle(button) {
    const check = button.closest(".check");
    let panel = check.querySelector(".evidence");
    if (!panel) {
      panel = evidence(JSON.parse(byId(button.dataset.evidence).textContent), button.dataset.path);
      panel.hidden = true;
      check.append(panel);
    }
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    button.textContent = panel.hidden ? "Evidence" : "Hide evidence";
  }

  form.hidden = false;
  form.addEventListener("input", () => { speak(); filter(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { speak(); filter(); }));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-evidence]");
    if (button) toggle(button);
    const link = event.target.closest('a[href^="#"]');
    // The same link again changes no address, and should still lead there.
    if (link && link.getAttribute("href") === location.hash) follow();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, select, textarea")) { event.preventDefault(); byId("query").focus(); }
  });
  let opened = [];
  addEventListener("beforeprint", () => { opened = rules.filter((rule) => !rule.open); for (const rule of opened) rule.open = true; });
  addEventListener("afterprint", () => { for (const rule of opened) rule.open = false; });
  addEventListener("hashchange", follow);
  speak();
  filter();
  follow();
})();
