// Keeps a page up to date: news come as server-sent events, and what has changed is taken from the page as the server makes it.
import { carryOver, drawAll } from "./charts.js";

const LEAST_MS = 1000;
const SLOW_MS = 10000;
const STALE_MS = 30000; // what is shown gets old also where no news come: that none come may be the news
const CUT_MS = 3000;
const TOAST_MS = 12000;
const SPREAD_MS = 400; // many pages hear of the same news at once, and ask one after the other
const live = document.getElementById("live");
let source = null;
let seen = document.body.dataset.seen; // what has come since the page was made is told too
let wanted = new Set();
let timer = null;
let lastMs = 0;
let isPaused = false;
let cutTimer = null;

document.documentElement.classList.add("js");
drawAll();
// On a phone the pages' names are wider than the screen.
document.querySelector("header nav [aria-current=page]")?.scrollIntoView({ inline: "center", block: "nearest" });

function say(state, words) {
  live.className = `live ${state}`;
  const text = live.querySelector(".text");
  if (text.textContent !== words) text.textContent = words; // else screen readers would say it again
}

// Whether what stands here can still be believed.
function cut(isCut) {
  if (!isCut) {
    clearTimeout(cutTimer);
    cutTimer = null;
    document.getElementById("cut").hidden = true;
    document.documentElement.classList.remove("cut");
  } else if (cutTimer === null) {
    const since = `${new Date().toISOString().slice(11, 19)} UTC`;
    cutTimer = setTimeout(() => {
      document.querySelector("#cut .since").textContent = since;
      document.getElementById("cut").hidden = false;
      document.documentElement.classList.add("cut");
    }, CUT_MS);
  }
}

function want(...topics) {
  topics.forEach((topic) => wanted.add(topic));
  if (timer !== null) return;
  const isSlow = document.querySelector("[data-slow]") !== null;
  timer = setTimeout(refresh, Math.random() * SPREAD_MS + Math.max(0, lastMs + (isSlow ? SLOW_MS : LEAST_MS) - performance.now()));
}

async function refresh() {
  timer = null;
  lastMs = performance.now();
  const topics = wanted;
  wanted = new Set();
  let text;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
    text = await answer.text();
  } catch {
    return; // the stream says when the server is back
  }
  const fresh = new DOMParser().parseFromString(text, "text/html");
  if (isOfAnotherRelease(fresh) && ![...document.querySelectorAll("input")].some(isChanged)) {
    location.reload();
    return;
  }
  document.title = fresh.title || document.title;
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    const isWanted = topics.has("anew") || part.dataset.live.split(" ").some((topic) => topics.has(topic));
    if (!next || !isWanted || (isPaused && part.hasAttribute("data-pausable"))) continue;
    if (part.hasAttribute("tabindex")) next.tabIndex = part.tabIndex; // it was given the focus, which alone is no change
    if (part.outerHTML !== next.outerHTML && !isWrittenIn(part)) replace(part, next);
  }
}

// What somebody is filling in stays, or has filled in.
function isWrittenIn(part) {
  const active = document.activeElement;
  return (part.contains(active) && active.matches("select")) || [...part.querySelectorAll("input:not([type=hidden])")].some(isChanged);
}

function isChanged(input) {
  return input.value !== input.defaultValue;
}

function isOfAnotherRelease(fresh) {
  const sheet = (from) => from.querySelector("link[rel=stylesheet]")?.getAttribute("href");
  return Boolean(sheet(fresh)) && sheet(fresh) !== sheet(document);
}

// What has the focus in a part, and where its likes stand in the part that takes its place.
const FOCUSABLE = "a[href], button, input, select, summary, [tabindex]";

function alike(part, one) {
  const name = (it) => [it.tagName, it.id || it.getAttribute("href") || it.getAttribute("aria-label") || it.textContent.trim()].join(" ");
  return [...part.querySelectorAll(FOCUSABLE)].filter((it) => name(it) === name(one));
}

function replace(part, next) {
  const active = part.contains(document.activeElement) ? document.activeElement : null;
  const at = active ? alike(part, active).indexOf(active) : -1;
  const open = [...part.querySelectorAll("details")].map((one) => one.open);
  const scrolled = [...part.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
  carryOver(next);
  part.replaceWith(next);
  next.querySelectorAll("details").forEach((one, n) => { one.open = open[n] ?? false; });
  next.querySelectorAll(".scroll").forEach((one, n) => { if (scrolled[n]) [one.scrollLeft, one.scrollTop] = scrolled[n]; });
  drawAll(next);
  if (active) focusOn(alike(next, active)[at] ?? alike(next, active)[0] ?? next);
}

// What is gone leaves the focus where it stood: with its part, not at the top of the page.
function focusOn(one) {
  if (!one.matches(FOCUSABLE)) one.tabIndex = -1;
  one.focus({ preventScroll: true });
}

function tellAlert(alert) {
  const words = `${alert.state === "firing" ? "Alert" : `Alert ${alert.state}`}: ${alert.title}`;
  document.getElementById("announcer").textContent = words;
  const toast = document.createElement("a");
  toast.className = alert.state === "firing" ? "toast" : "toast over";
  toast.href = `/alerts/${encodeURIComponent(alert.id)}`;
  toast.textContent = words;
  const toasts = document.getElementById("toasts");
  toasts.append(toast);
  while (toasts.children.length > 3) toasts.firstChild.remove();
  setTimeout(() => dismiss(toast), TOAST_MS);
}

function dismiss(toast) {
  if (toast.matches(":hover, :focus")) setTimeout(() => dismiss(toast), TOAST_MS);
  else toast.remove();
}

document.addEventListener("keydown", (event) => {
  const toasts = document.getElementById("toasts");
  if (event.key !== "Escape") return;
  if (toasts.contains(document.activeElement)) focusOn(document.getElementById("main"));
  toasts.replaceChildren();
});

function connect() {
  source = new EventSource(`/stream?since=${encodeURIComponent(seen)}`);
  let isFirst = true;
  for (const topic of ["hello", "alert", "changed", "anew"]) source.addEventListener(topic, (event) => { seen = event.lastEventId; });
  source.addEventListener("hello", () => {
    say("on", "live");
    cut(false);
    if (!isFirst) want("anew");
    isFirst = false;
  });
  source.addEventListener("alert", (event) => tellAlert(JSON.parse(event.data)));
  source.addEventListener("changed", (event) => want(JSON.parse(event.data).what));
  source.addEventListener("anew", () => want("anew"));
  source.addEventListener("error", () => {
    say("off", "not live: reconnecting");
    cut(true);
    if (source?.readyState === EventSource.CLOSED) setTimeout(() => { disconnect(); connect(); }, 5000);
  });
}

function disconnect() {
  source?.close();
  source = null;
}

// A page that nobody sees holds no connection: browsers have six a host.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    disconnect();
    say("", "asleep");
    cut(false);
  } else if (!source) {
    connect();
    want("anew");
  }
});
window.addEventListener("pagehide", disconnect);
window.addEventListener("pageshow", (event) => {
  if (event.persisted && !source) {
    connect();
    want("anew");
  }
});

// A choice counts at once; but who walks through it with the keys is asked when it is the one (Enter, or the button).
for (const form of document.querySelectorAll("form[data-auto]")) {
  let isByKeys = false;
  form.addEventListener("keydown", (event) => { isByKeys = event.key !== "Enter"; });
  form.addEventListener("pointerdown", () => { isByKeys = false; });
  form.addEventListener("change", (event) => {
    if (isByKeys) form.classList.add("waits");
    else choose(form, event.target.id);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    choose(form, document.activeElement.id);
  });
}

function choose(form, id) {
  const address = new URL(form.action);
  for (const [name, value] of new FormData(form)) if (value) address.searchParams.set(name, value);
  remember("focus", id);
  location.assign(address);
}

// What the next page of this window needs to know; a browser that keeps nothing does without.
function remember(name, value) {
  try {
    sessionStorage.setItem(name, value);
  } catch {
    // none of ours
  }
}

function recall(name) {
  try {
    const value = sessionStorage.getItem(name);
    sessionStorage.removeItem(name);
    return value;
  } catch {
    return null;
  }
}

const focused = recall("focus");
if (focused) document.getElementById(focused)?.focus({ preventScroll: true });

const pause = document.getElementById("pause");
if (pause) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? "Go on" : "Pause";
    if (!isPaused) want("anew");
  });
}

const login = document.getElementById("login");
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (login && given) {
  history.replaceState(null, "", location.pathname + location.search);
  login.elements.token.value = given;
  login.submit();
}

setInterval(() => { if (source && cutTimer === null) want("rates", "alerts"); }, STALE_MS);
if (!document.hidden) connect();
