// Optional: without it every page works. Words come from the page (data-*).

const byId = (id) => document.getElementById(id);
const first = (selector) => document.querySelector(selector);
const live = byId("live"), main = byId("main"), quick = byId("quick"), list = () => byId("list");
const words = document.body.dataset;
const tabs = new BroadcastChannel("agenda");
const tab = sessionStorage, device = localStorage;

const say = (text) => {
	live.innerHTML = '<p class="notice">';
	live.firstChild.textContent = text;
};
const fill = (pattern, values) => pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const ask = (url, options) =>
	navigator.onLine ? fetch(url, { redirect: "manual", cache: "no-store", ...options }).catch(() => null) : null;
const post = (url, fields) => {
	const token = first("[name=csrfmiddlewaretoken]").value;
	return ask(url, { method: "POST", body: new URLSearchParams(fields), headers: { "X-CSRFToken": token } });
};

// The server's clock counts: this machine's may be set anew, or sleep.

const at = Date.parse(words.now) || Date.now(), date = +words.seen || Date.now(), ran = performance.now();
const now = () => at + Math.max(Date.now() - date, performance.now() - ran);

// A line being written stays in this tab until added.

const { sent } = tab;
delete tab.sent;
if (!words.announcements || (sent === "new" && live.querySelector(".undo"))) delete tab.line;
if (quick) quick.value = tab.line ?? quick.value;
if (quick?.value) quick.focus();

let unread;

const readLine = async () => {
	const line = quick.value;
	clearTimeout(unread);
	const response = await post(quick.form.action, { line, peek: "" });
	const chips = response?.ok ? await response.text() : "";
	if (line === quick.value) byId("reading").innerHTML = chips;
	unread = 0;
	return response;
};

const write = (line) => {
	quick.value = line;
	tab.line = line;
	clearTimeout(unread);
	unread = setTimeout(readLine, 250);
};

quick?.addEventListener("input", () => write(quick.value));
quick?.form.addEventListener("submit", async (event) => {
	if (navigator.onLine && !unread) return;
	event.preventDefault();
	if (await readLine()) quick.form.requestSubmit(event.submitter);
	else keepLine();
});

// Without a network it waits; sent with its moment it is added once.

const LINES = `lines ${first(".nav-account")?.textContent}`;
const lines = () => JSON.parse(device[LINES] ?? "[]");
const setLines = (all) => (device[LINES] = JSON.stringify(all));

const keepLine = () => {
	setLines([...lines(), { line: quick.value, written: new Date(now()).toISOString() }]);
	write("");
	say(fill(words.waiting, { lines: lines().map(({ line }) => line).join(" · ") }));
};

const send = async () => {
	for (const one of quick ? lines() : []) {
		const status = (await post(quick.form.action, one))?.status;
		if (status !== 204 && (status !== 422 || quick.value)) return;
		setLines(lines().filter(({ written }) => written !== one.written));
		if (status === 422) write(one.line);
		else say(fill(words.sent, one));
		tabs.postMessage(0);
		await refresh();
	}
};

const player = new Audio(), mouth = window.speechSynthesis;
let playing = null;

const silence = () => {
	player.pause();
	mouth?.cancel();
	playing?.classList.remove("is-playing");
	playing = null;
};
player.onended = silence;

const play = (audio) => {
	URL.revokeObjectURL(player.src);
	player.src = URL.createObjectURL(audio);
	return player.play();
};

const sayItYourself = (text) => {
	if (!mouth) return silence();
	const utterance = new SpeechSynthesisUtterance(text);
	utterance.lang = document.documentElement.lang;
	const isOwn = (voice) => voice.localService && voice.lang.startsWith(utterance.lang); // others send words away
	utterance.voice = mouth.getVoices().find(isOwn);
	utterance.onend = silence;
	setTimeout(() => mouth.speak(utterance), 50); // after cancel() it would be dropped
};

const hear = async (link) => {
	const again = playing === link;
	silence();
	if (again) return;
	playing = link;
	link.classList.add("is-playing");
	const response = await ask(link.dataset.speech);
	if (!response) return silence(), say(words.offline);
	if (playing !== link) return;
	const { headers } = response, voice = headers.get("X-Agenda-Voice");
	// Expired, signed out, no voice chosen yet: that page says so.
	if (!headers.has("Sunset")) return (location = link.href);
	const text = voice ? decodeURIComponent(headers.get("X-Agenda-Text") ?? "") : await response.text();
	const said = link.closest(".task, main")?.querySelector(".said");
	if (said) {
		said.textContent = voice ? `${text} (${words[voice]})` : text;
		said.dataset.deadline = headers.get("Sunset");
	}
	if (!voice) return sayItYourself(text);
	// Cut by the next sound is no failure.
	play(await response.blob()).catch((error) => error.name === "AbortError" || silence());
};

addEventListener("click", (event) => {
	const link = event.target.closest("[data-speech], [data-menu], [data-keep]");
	if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
	event.preventDefault();
	(link.dataset.speech ? hear : link.dataset.keep ? keepLonger : openMenu)(link);
});

// Announcements: the page that asks first gets each.

const arm = byId("arm");
const isArmed = () => words.announcements && device.announce === "1";
let since = "", timer, speaking = Promise.resolve();

const keepLonger = async ({ dataset }) => {
	await post(dataset.keep, dataset);
	tabs.postMessage(0);
	say(words.kept);
	refresh();
};

const sounded = (audio) =>
	new Promise((done) => {
		setTimeout(done, 3e4);
		player.addEventListener("ended", done);
		// Browsers stay silent before a first touch.
		play(audio).catch(() => addEventListener("pointerdown", () => player.play(), { once: true }));
	});

const announce = async (one) => {
	silence();
	live.insertAdjacentHTML("afterbegin", one.notice);
	const response = await ask(one.sound);
	if (response?.headers.get("X-Agenda-Voice")) await sounded(await response.blob());
	else sayItYourself(one.text);
};

const listen = async () => {
	clearTimeout(timer);
	if (!isArmed()) return;
	let wait = 10;
	const response = await post(words.announcements, { since });
	if (response?.type === "opaqueredirect") return;
	// Cut off, `since` stays: the server says what was missed.
	if (response?.ok) {
		const due = await response.json();
		({ now: since, wait } = due);
		for (const one of due.say) speaking = speaking.then(() => announce(one)).catch(silence);
	}
	timer = setTimeout(listen, 1000 * (wait + (document.hidden ? 2 : 0.2)));
};

arm?.addEventListener("click", () => {
	device.announce = isArmed() ? "0" : "1";
	arm.ariaPressed = isArmed();
	say(isArmed() ? words.armed : words.disarmed);
	listen();
});
if (arm) arm.ariaPressed = isArmed();
listen();

// Another tab's changes come at once, others' in half a minute.

const jitter = 9e3 * Math.random(); // not at once
let page = words.now, tried = 0, looked = now();

const refresh = async () => {
	const old = list();
	if (!old || playing) return;
	const response = await ask(location);
	if (!response?.ok) return;
	const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
	const focus = document.activeElement, isHeld = old.contains(focus);
	const isSame = ({ href, formAction }) => href === focus.href && formAction === focus.formAction;
	const isOpen = !!old.querySelector("[open]");
	old.replaceWith(fresh.getElementById("list"));
	list().querySelector("details")?.toggleAttribute("open", isOpen);
	page = fresh.body.dataset.now;
	tick();
	if (isHeld) ([...list().querySelectorAll("a, button")].find(isSame) ?? main).focus();
};

const look = async () => {
	tick();
	if (document.hidden) return;
	send();
	if (!list() || now() - looked < 300) return;
	looked = now();
	if ((await ask(words.changes, { headers: { "If-None-Match": `"${page}"` } }))?.ok) refresh();
};

tabs.onmessage = refresh;
setInterval(look, 3e4);
addEventListener("submit", (event) => {
	const { target } = event;
	tab.sent = target.elements.identity?.value ? "new" : "other";
	if (navigator.onLine || target === quick?.form) return;
	event.preventDefault();
	say(words.offline);
});
if (sent) tabs.postMessage(0);

let isTouched;
addEventListener("input", () => (isTouched = true));

const LEFT = [[60, "seconds", 1], [3600, "minutes", 60], [36e3, "hoursMinutes", 3600], [172800, "hours", 3600], [1 / 0, "days", 86400]];

const remaining = (seconds) => {
	const [, name, unit] = LEFT.find(([below]) => seconds < below);
	const m = String(Math.floor(seconds / 60) % 60).padStart(2, "0");
	return fill(words[name], { n: Math.floor(seconds / unit), m });
};

const forget = (part) => {
	const isSaid = part.matches(".said");
	if (playing && (isSaid || part.contains(playing))) silence();
	if (isSaid) {
		delete part.dataset.deadline;
		return part.replaceChildren();
	}
	part.classList.add("is-forgotten");
	if (part.matches(".whole")) {
		// Words being written are no longer the task's.
		if (!isTouched) part.replaceChildren();
		return say(words.forgotten);
	}
	setTimeout(() => {
		const group = part.closest(".group"), held = part.contains(document.activeElement);
		part.remove();
		if (group && !group.querySelector(".task")) group.remove();
		if (held) main.focus();
		if (group && !first(".task")) refresh();
	}, document.hidden ? 0 : 500);
};

const tick = () => {
	if (Date.parse(list()?.dataset.turn) + jitter <= now() && now() - tried > 1e4) {
		tried = now();
		refresh();
	}
	for (const part of document.querySelectorAll("[data-deadline]:not(.is-forgotten)")) {
		const seconds = (Date.parse(part.dataset.deadline) - now()) / 1000;
		const left = part.querySelector("[data-left]");
		if (seconds <= 0) forget(part);
		else if (left && left.textContent !== remaining(seconds)) {
			left.textContent = remaining(seconds);
			part.dataset.ebb = Math.min(13, Math.log2(seconds / 60 + 1) | 0);
		}
	}
};

tick();
setInterval(tick, 1000);
for (const name of ["focus", "online", "pageshow", "visibilitychange"]) addEventListener(name, look);

if (words.announcements) navigator.serviceWorker?.register("/agenda/worker.js", { scope: "/agenda" });
if (words.seen) say(fill(words.stale, { time: new Date(+words.seen).toLocaleString() }));
send();

const openMenu = async (link) => {
	const response = await ask(`${link.pathname}?menu`);
	if (!response?.ok) return (location = link.href);
	document.body.insertAdjacentHTML("beforeend", await response.text());
	const menu = document.body.lastElementChild;
	menu.onclose = () => menu.remove();
	menu.showModal();
};

// Keys, in the list alone: no voice that types presses them.

const announced = () => live.querySelector("[data-key=g]");

const act = async (key) => {
	const task = document.activeElement.closest(".task");
	if (key === "?") return say(words.help);
	if (key === "j" || key === "k") {
		const all = [...document.querySelectorAll(".task:not(.is-forgotten, details:not([open]) *)")];
		const next = all[all.indexOf(task) + (key === "j" ? 1 : -1)];
		return (next ?? task ?? all[0])?.querySelector("h3 a").focus();
	}
	if (key === "g" && task && !announced()) await openMenu(task.querySelector("[data-menu]"));
	const ofRow = { e: "h3 a", s: "[data-speech]" }[key];
	const place = ofRow ? task?.querySelector(ofRow) : first(`[data-key="${key}"]`);
	place?.[key === "n" ? "focus" : "click"]();
};

addEventListener("keydown", (event) => {
	const { key, target } = event;
	if (!words.keys || event.ctrlKey || event.metaKey || event.altKey || !"n/jkesgd?".includes(key)) return;
	if (!target.closest("#list") && (key !== "g" || !announced() || target.matches("input, textarea, select"))) return;
	event.preventDefault();
	act(key);
});
