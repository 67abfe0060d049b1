// Keep the page up to date: the server reports digests of the sections; changed ones are loaded.
"use strict";
const base = document.body.dataset.path;
const state = document.getElementById("state");
const changed = document.getElementById("changed");
const main = document.getElementById("content");
// Outline of what the page shows, and the newest outline of the server.
let shown = JSON.parse(document.body.dataset.outline);
let newest = shown;
let busy = false;
let timer = 0;
let events = null;

// Return the part and the digest of the version that the server has sent, or null.
async function load(part) {
  const answer = await fetch(base + part, { cache: "no-store" });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`${answer.status}`);
  return { html: await answer.text(), digest: answer.headers.get("ETag")?.replaceAll('"', "") };
}

// Pair the elements of two versions of a section: the same label, as far as numbers go.
function pairs(old, fresh, selector, label) {
  const key = () => {
    const counts = new Map();
    return (one) => {
      const name = (one.querySelector(label)?.textContent ?? "").replace(/\d+/g, "#");
      counts.set(name, (counts.get(name) ?? 0) + 1);
      return name + " " + counts.get(name);
    };
  };
  const [keyOld, keyFresh] = [key(), key()];
  const before = new Map([...old.querySelectorAll(selector)].map((one) => [keyOld(one), one]));
  return [...fresh.querySelectorAll(selector)]
    .map((one) => [before.get(keyFresh(one)), one])
    .filter(([one]) => one);
}

// Replace the content of a section, and keep what the reader has opened, sorted and scrolled.
function replace(old, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = template.content.firstElementChild;
  fresh.querySelectorAll("table.sortable").forEach(makeSortable);
  if (old) {
    for (const [before, one] of pairs(old, fresh, "details", "summary")) one.open = before.open;
    for (const [before, one] of pairs(old, fresh, "table.sortable", "caption")) {
      const column = [...before.tHead.rows[0].cells].findIndex((head) => head.hasAttribute("aria-sort"));
      if (column < 0) continue;
      const order = before.tHead.rows[0].cells[column].getAttribute("aria-sort");
      const head = one.tHead.rows[0].cells[column];
      head.firstElementChild.click();
      if (head.getAttribute("aria-sort") !== order) head.firstElementChild.click();
    }
    const scrolls = pairs(old, fresh, ".wide", "caption");
    const focused = old.contains(document.activeElement) ? path(old, document.activeElement) : null;
    const places = scrolls.map(([before]) => [before.scrollLeft, before.scrollTop]);
    old.replaceWith(fresh);
    scrolls.forEach(([, one], index) => {
      [one.scrollLeft, one.scrollTop] = places[index];
    });
    if (focused) {
      follow(fresh, focused)?.focus({ preventScroll: true });
      if (!fresh.contains(document.activeElement)) main.focus({ preventScroll: true });
    }
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
  let lead = shown.lead;
  if (outline.lead !== shown.lead) {
    const loaded = await load("lead");
    document.getElementById("lead").innerHTML = loaded.html;
    lead = loaded.digest;
  }
  const before = new Map(shown.sections.map(([anchor, , digest]) => [anchor, digest]));
  const loaded = await Promise.all(
    outline.sections.map(([anchor, , digest]) =>
      before.get(anchor) === digest && document.getElementById(anchor) ? undefined : load("section/" + anchor),
    ),
  );
  const kept = [];
  const sections = [];
  outline.sections.forEach(([anchor, heading, digest], index) => {
    const part = loaded[index];
    if (part === null) return;
    const old = document.getElementById(anchor);
    kept.push(part === undefined ? old : replace(old, part.html));
    sections.push([anchor, heading, part === undefined ? digest : part.digest]);
  });
  const anchors = new Set(outline.sections.map(([anchor]) => anchor));
  for (const section of [...main.children]) {
    if (anchors.has(section.id)) continue;
    if (section.contains(document.activeElement)) main.focus({ preventScroll: true });
    section.remove();
  }
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
  if (names(links) !== names([...contents.children])) {
    const focused = contents.contains(document.activeElement) && document.activeElement.hash;
    contents.replaceChildren(...links);
    if (focused) (contents.querySelector(`a[href="${focused}"]`) ?? main).focus({ preventScroll: true });
  }
  shown = { title: outline.title, lead, sections };
}

const isShown = (outline) => JSON.stringify(outline) === JSON.stringify(shown);

// Load what differs from the newest outline. The source may change between the outline and a part;
// the loaded part is then of another version, and is loaded again.
async function work() {
  if (busy || isShown(newest)) return;
  busy = true;
  clearTimeout(timer);
  let outline;
  try {
    do {
      outline = newest;
      await update(outline);
      live();
      changed.textContent = ", last change " + new Date().toLocaleTimeString();
    } while (outline !== newest && !isShown(newest));
    if (!isShown(newest)) timer = setTimeout(work, 500);
  } catch {
    lost();
    timer = setTimeout(work, 2000);
  }
  busy = false;
}

function live() {
  state.className = "live";
  if (state.textContent !== "live") state.textContent = "live";
}

function lost() {
  state.className = "lost";
  changed.textContent = "";
  const message = "no connection to the server; trying again";
  if (state.textContent !== message) state.textContent = message;
}

// A hidden page has no stream: a browser opens six connections to a server at most.
function connect() {
  if (document.hidden || (events && events.readyState !== EventSource.CLOSED)) return;
  events = new EventSource(base + "changes");
  events.onopen = live;
  events.onerror = () => {
    lost();
    // The browser tries again by itself, but not after an answer such as 404 or 502.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  };
  events.onmessage = (event) => {
    newest = JSON.parse(event.data);
    work();
  };
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) events?.close();
  else connect();
});
connect();
