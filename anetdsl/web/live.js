// Keep the page up to date: the server reports digests of the sections; changed ones are loaded.
"use strict";
const base = document.body.dataset.path;
const state = document.getElementById("state");
const main = document.getElementById("content");
let shown = JSON.parse(document.body.dataset.outline);
let wanted = null;
let busy = false;

async function load(part) {
  const answer = await fetch(base + part, { cache: "no-store" });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.text();
}

// Replace the content of a section, and keep what the reader has opened, sorted and scrolled.
function replace(old, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = template.content.firstElementChild;
  fresh.querySelectorAll("table.sortable").forEach(makeSortable);
  if (old) {
    const pairs = (selector) => {
      const before = [...old.querySelectorAll(selector)];
      return [...fresh.querySelectorAll(selector)].map((one, index) => [before[index], one]);
    };
    for (const [before, one] of pairs("details")) if (before) one.open = before.open;
    for (const [before, one] of pairs("table.sortable")) {
      if (!before) continue;
      const column = [...before.tHead.rows[0].cells].findIndex((head) => head.hasAttribute("aria-sort"));
      if (column < 0) continue;
      const order = before.tHead.rows[0].cells[column].getAttribute("aria-sort");
      const head = one.tHead.rows[0].cells[column];
      head.firstElementChild.click();
      if (head.getAttribute("aria-sort") !== order) head.firstElementChild.click();
    }
    const scrolls = pairs(".wide");
    const focused = old.contains(document.activeElement) ? path(old, document.activeElement) : null;
    const places = scrolls.map(([before]) => before && [before.scrollLeft, before.scrollTop]);
    old.replaceWith(fresh);
    scrolls.forEach(([, one], index) => {
      if (places[index]) [one.scrollLeft, one.scrollTop] = places[index];
    });
    if (focused) follow(fresh, focused)?.focus({ preventScroll: true });
    fresh.classList.add("changed");
  }
  return fresh;
}

function path(root, element) {
  const steps = [];
  for (let at = element; at !== root; at = at.parentElement) {
    steps.unshift([...at.parentElement.children].indexOf(at));
  }
  return steps;
}

function follow(root, steps) {
  return steps.reduce((at, step) => at?.children[step], root);
}

async function update(outline) {
  document.title = outline.title;
  document.getElementById("title").textContent = outline.title;
  if (outline.lead !== shown.lead) {
    const lead = await load("lead");
    if (lead !== null) document.getElementById("lead").innerHTML = lead;
  }
  const before = new Map(shown.sections.map(([anchor, , digest]) => [anchor, digest]));
  const loaded = await Promise.all(
    outline.sections.map(([anchor, , digest]) =>
      before.get(anchor) === digest && document.getElementById(anchor) ? undefined : load("section/" + anchor),
    ),
  );
  const kept = [];
  outline.sections.forEach(([anchor], index) => {
    let section = document.getElementById(anchor);
    if (loaded[index] === null) return;
    if (loaded[index] !== undefined) section = replace(section, loaded[index]);
    kept.push(section);
  });
  const anchors = new Set(outline.sections.map(([anchor]) => anchor));
  for (const section of [...main.children]) if (!anchors.has(section.id)) section.remove();
  kept.forEach((section, index) => {
    if (main.children[index] !== section) main.insertBefore(section, main.children[index] ?? null);
  });
  const links = outline.sections.map(([anchor, heading]) => {
    const link = document.createElement("a");
    link.href = "#" + anchor;
    link.textContent = heading;
    const item = document.createElement("li");
    item.append(link);
    return item;
  });
  const contents = document.getElementById("contents");
  const names = (items) => items.map((item) => item.textContent).join("\n");
  if (names(links) !== names([...contents.children])) contents.replaceChildren(...links);
  shown = outline;
}

async function work() {
  if (busy) return;
  busy = true;
  try {
    while (wanted) {
      const outline = wanted;
      wanted = null;
      await update(outline);
      live(true);
    }
  } catch {
    lost();
  }
  busy = false;
}

function live(changed) {
  state.className = "faint live";
  if (changed) state.textContent = "live, last change " + new Date().toLocaleTimeString();
}

function lost() {
  state.className = "lost";
  state.textContent = "no connection to the server; trying again";
}

const events = new EventSource(base + "changes");
events.onopen = () => {
  state.textContent = "live";
  live(false);
};
events.onerror = lost;
events.onmessage = (event) => {
  const outline = JSON.parse(event.data);
  if (JSON.stringify(outline) === JSON.stringify(shown)) return;
  wanted = outline;
  work();
};
