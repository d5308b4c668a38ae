// Optional: without it every page works, and sound plays on a page of its own.
// Words come from the page (data-*), so that this file speaks no language.

const live = document.getElementById("live");
const words = document.body.dataset;

const notice = (text) => Object.assign(document.createElement("p"), { className: "notice", textContent: text });
const say = (text) => live.replaceChildren(notice(text));
const ask = (url, headers) => fetch(url, { headers, redirect: "manual", cache: "no-store" }).catch(() => null);

// A line that is being written stays in this tab until it was added.

const quick = document.getElementById("quick");

const sent = sessionStorage.getItem("sent");
sessionStorage.removeItem("sent");
if (!words.announcements || (sent === "new" && live.querySelector(".undo"))) sessionStorage.removeItem("line");
if (quick) quick.value = sessionStorage.getItem("line") ?? quick.value;
if (quick?.value) quick.focus();

// How the line is read stands below it, and Enter adds that. The server reads it once more: a
// reading that is no longer the same is asked about on a page.

const reading = document.getElementById("reading");
let unreadLine = 0;

const readLine = async () => {
  const line = quick.value;
  clearTimeout(unreadLine);
  try {
    const response = await post(quick.form.action, { line, peek: "" });
    if (line !== quick.value) return;
    if (response.ok) reading.innerHTML = await response.text();
  } catch {
    reading.replaceChildren();
  }
  unreadLine = 0;
};

quick?.addEventListener("input", () => {
  sessionStorage.setItem("line", quick.value);
  clearTimeout(unreadLine);
  unreadLine = setTimeout(readLine, 250);
});

quick?.form.addEventListener("submit", async (event) => {
  if (navigator.onLine && !unreadLine) return;
  event.preventDefault();
  if (!navigator.onLine) return say(words.offline);
  await readLine();
  quick.form.requestSubmit(event.submitter);
});

// Speaking in place

const player = new Audio();
let playing = null;

const silence = () => {
  player.pause();
  window.speechSynthesis?.cancel();
  playing?.classList.remove("is-playing");
  playing = null;
};

player.addEventListener("ended", silence);

const sayItYourself = (text) => {
  // The last voice: the browser's own, one of this device where there is one.
  if (!window.speechSynthesis) return false;
  const utterance = new SpeechSynthesisUtterance(text);
  utterance.lang = document.documentElement.lang;
  const own = speechSynthesis.getVoices().filter((v) => v.lang.startsWith(utterance.lang));
  utterance.voice = own.find((v) => v.localService) ?? null;
  utterance.onend = silence;
  setTimeout(() => speechSynthesis.speak(utterance), 50); // right after cancel() it would be dropped
  return true;
};

const hear = async (link) => {
  const again = playing === link;
  silence();
  if (again) return;
  playing = link;
  link.classList.add("is-playing");
  const response = await ask(link.dataset.speech);
  if (!response) {
    silence();
    return say(words.offline);
  }
  if (playing !== link) return;
  if (response.status === 503 && response.headers.get("Content-Type")?.startsWith("text/plain")) {
    const text = await response.text();
    showSaid(link, response, text, "");
    if (!sayItYourself(text)) silence();
    return;
  }
  if (!response.ok || !response.headers.get("X-Agenda-Voice")) {
    location.assign(link.href); // expired, or signed out: that page says so
    return;
  }
  const voice = response.headers.get("X-Agenda-Voice") === "google" ? words.google : words.local;
  showSaid(link, response, decodeURIComponent(response.headers.get("X-Agenda-Text") ?? ""), voice);
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(await response.blob());
  // Interrupted by the next sound is no failure.
  player.play().catch((error) => error.name === "AbortError" || silence());
};

const showSaid = (link, response, text, voice) => {
  const said = link.closest(".task, main")?.querySelector(".said");
  if (!said) return;
  said.textContent = voice ? `${text} (${voice})` : text;
  said.hidden = false;
  said.dataset.deadline = response.headers.get("Sunset") ?? "";
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-speech], [data-menu]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  (link.dataset.speech ? hear : openMenu)(link);
});

// Reminders, once armed on this device. Who asks first gets them, and no other page: the server
// keeps count. What cannot sound yet stands on the page.

const arm = document.getElementById("arm");
const token = () => document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
const post = (url, fields) =>
  fetch(url, {
    method: "POST",
    body: new URLSearchParams(fields),
    headers: { "X-CSRFToken": token() },
    redirect: "manual",
  });

const isArmed = () => words.announcements && localStorage.getItem("announce") === "1";
const queue = [];
let since = "";
let timer = 0;
let isSpeaking = false;

const keepLonger = async (one) => {
  await post(one.keep, { seen: one.seen });
  tabs.postMessage(0);
  say(words.kept);
  refresh();
};

const show = (one) => {
  const line = notice(one.text);
  live.prepend(line);
  if (one.seen) line.dataset.deadline = one.seen;
  if (!one.keep) return;
  const button = Object.assign(document.createElement("button"), { textContent: words.keep });
  button.dataset.key = "g";
  button.addEventListener("click", () => keepLonger(one));
  line.append(" ", button);
};

const sounded = (audio) =>
  new Promise((done) => {
    setTimeout(done, 30000); // whatever becomes of the sound, the next one gets its turn
    player.addEventListener("ended", done, { once: true });
    player.src = URL.createObjectURL(audio);
    // Before the first touch of a page browsers stay silent.
    player.play().catch(() => addEventListener("pointerdown", () => player.play(), { once: true }));
  });

const speakQueue = async () => {
  if (isSpeaking) return;
  isSpeaking = true;
  while (queue.length) {
    const one = queue.shift();
    silence();
    show(one);
    try {
      const response = await fetch(one.sound, { cache: "no-store" });
      if (response.headers.get("X-Agenda-Voice")) await sounded(await response.blob());
      else sayItYourself(one.text);
    } catch {
      sayItYourself(one.text);
    }
  }
  isSpeaking = false;
};

const listen = async () => {
  clearTimeout(timer);
  if (!isArmed()) return;
  let wait = 10;
  try {
    const response = await post(words.announcements, { since });
    if (response.type === "opaqueredirect") return; // signed out
    const due = await response.json();
    since = due.now;
    wait = due.wait;
    queue.push(...due.say);
    speakQueue();
  } catch {
    // Cut off: `since` stays, and the server will say what was missed.
  }
  // A page that is looked at comes before one in the background.
  timer = setTimeout(listen, 1000 * (wait + (document.hidden ? 2 : 0.2)));
};

const showArmed = () => arm.setAttribute("aria-pressed", String(isArmed()));

if (arm) {
  arm.hidden = false;
  showArmed();
  arm.addEventListener("click", () => {
    localStorage.setItem("announce", isArmed() ? "0" : "1");
    showArmed();
    say(isArmed() ? words.armed : words.disarmed);
    listen();
  });
}
listen();

// Deadlines: counting down, and forgetting on time, on every page and offline too. The server's
// clock counts, not this machine's, which may be set anew or sleep: the later one is right.

const opened = { at: Date.parse(words.now ?? "") || Date.now(), date: Date.now(), ran: performance.now() };
const now = () => opened.at + Math.max(Date.now() - opened.date, performance.now() - opened.ran);

const fill = (pattern, values) => pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);

const remaining = (seconds) => {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (seconds < 60) return fill(words.seconds, { n: Math.max(0, Math.floor(seconds)) });
  if (minutes < 60) return fill(words.minutes, { n: minutes });
  if (hours < 10) return fill(words.hoursMinutes, { n: hours, m: String(minutes % 60).padStart(2, "0") });
  if (hours < 48) return fill(words.hours, { n: hours });
  return fill(days === 1 ? words.day : words.days, { n: days });
};

// What changed elsewhere: in another tab at once; on another device when this page is looked at
// again or within half a minute. Nothing is held open, nothing asked while it is hidden.

const tabs = new BroadcastChannel("agenda");
const list = () => document.getElementById("list");
const jitter = 9000 * Math.random(); // not all pages at midnight
let page = words.now;
let tried = 0;
let looked = 0;

const refresh = async () => {
  const old = list();
  if (!old || playing || !navigator.onLine) return;
  const response = await ask(location);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const focus = document.activeElement, row = old.contains(focus) && focus.closest("[id]");
  const place = row && [...row.querySelectorAll("a, button")].indexOf(focus);
  const isOpen = !!old.querySelector("[open]");
  old.replaceWith(fresh.getElementById("list"));
  list().querySelector("details")?.toggleAttribute("open", isOpen);
  page = fresh.body.dataset.now;
  tick();
  if (row) (document.getElementById(row.id)?.querySelectorAll("a, button")[place] ?? live.parentElement).focus();
};

const look = async () => {
  if (document.hidden || !navigator.onLine || !list() || now() - looked < 300) return;
  looked = now();
  if ((await ask(words.changes, { "If-None-Match": `"${page}"` }))?.ok) refresh();
};

tabs.onmessage = refresh;
setInterval(look, 30000);
document.addEventListener("submit", ({ target }) => sessionStorage.setItem("sent", target.elements.identity?.value ? "new" : "other"));
if (sent) tabs.postMessage(0);

let isTouched = false;
document.addEventListener("input", () => (isTouched = true));

const forget = (part) => {
  const isSaid = part.matches(".said");
  if (playing && (isSaid || part.contains(playing))) silence();
  if (isSaid) {
    delete part.dataset.deadline;
    return Object.assign(part, { textContent: "", hidden: true });
  }
  part.classList.add("is-forgotten");
  if (part.matches(".whole")) {
    // Words that somebody is writing are no longer the task's.
    if (!isTouched) part.replaceChildren();
    return say(words.forgotten);
  }
  setTimeout(() => {
    const group = part.closest(".group");
    const held = part.contains(document.activeElement);
    part.remove();
    if (group && !group.querySelector(".task")) group.remove();
    if (held) live.parentElement.focus();
    if (group && !document.querySelector(".task")) refresh();
  }, document.hidden ? 0 : 500);
};

const tick = () => {
  // When a task comes under another heading.
  if (Date.parse(list()?.dataset.turn) + jitter <= now() && now() - tried > 10000) {
    tried = now();
    refresh();
  }
  for (const part of document.querySelectorAll("[data-deadline]:not(.is-forgotten)")) {
    const seconds = (Date.parse(part.dataset.deadline) - now()) / 1000;
    const left = part.querySelector("[data-left]"), text = left && remaining(seconds);
    if (seconds <= 0) forget(part);
    else if (left && left.textContent !== text) {
      left.textContent = text;
      part.dataset.ebb = Math.min(13, Math.floor(Math.log2(seconds / 60 + 1)));
    }
  }
};

tick();
setInterval(tick, 1000);
const back = () => (tick(), look()); // after sleep, at once
addEventListener("pageshow", ({ persisted }) => persisted && back());
addEventListener("focus", back);
document.addEventListener("visibilitychange", back);

// The menu of a row: a part of its task's page, in place.

const openMenu = async (link) => {
  const response = await ask(`${link.pathname}?menu`);
  if (!response?.ok) return location.assign(link.href);
  document.body.insertAdjacentHTML("beforeend", await response.text());
  const menu = document.body.lastElementChild;
  menu.addEventListener("close", () => menu.remove());
  menu.showModal();
  return menu;
};

// Keys: n add, / search, j k move, e edit, s speak, g keep longer, d the whole day, ? help. With the
// focus in the list, so that no voice that types presses them; g also answers an announcement.

const tasks = () => [...document.querySelectorAll(".task:not(.is-forgotten, details:not([open]) *)")];
const current = () => document.activeElement.closest(".task");

const move = (step) => {
  const all = tasks();
  all[Math.min(all.length - 1, Math.max(0, all.indexOf(current()) + step))]?.querySelector("h3 a").focus();
};

const keys = {
  n: () => (quick ?? document.querySelector(".nav-add"))?.focus(),
  "/": () => document.querySelector('[data-key="/"]')?.click(),
  j: () => move(1),
  k: () => move(-1),
  e: () => current()?.querySelector("h3 a").click(),
  s: () => current()?.querySelector("[data-speech]")?.click(),
  g: async () => {
    const link = !announced() && current()?.querySelector("[data-menu]");
    ((link && (await openMenu(link))) || live).querySelector("[data-key=g]")?.click();
  },
  d: () => document.querySelector(".hear-day")?.click(),
  "?": () => words.help && say(words.help),
};
const announced = () => live.querySelector("[data-key=g]");

document.addEventListener("keydown", (event) => {
  if (!words.keys || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select")) return;
  const act = keys[event.key];
  if (!act || !(event.target.closest("#list") || (event.key === "g" && announced()))) return;
  event.preventDefault();
  act();
});
