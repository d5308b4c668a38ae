// The agenda as last seen, for where there is no network: no title after its deadline, none
// after signing out (Clear-Site-Data).

const SEEN = "/agenda?seen";
const ROW = /<li class="task"[^>]*data-deadline="([^"]*)[^]*?<\/div> <\/li>/g;
const inTime = (row, deadline) => (Date.parse(deadline) > Date.now() ? row : "");

const keep = async (response) => {
	if (response.status >= 500) return;
	await caches.delete("agenda");
	if (!response.ok || response.redirected) return; // signed out
	const html = (await response.text()).replace("<body", `$& data-seen="${Date.now()}"`);
	const cache = await caches.open("agenda");
	await cache.addAll(html.match(/\/static\/[\w.-]+\.(css|js)/g));
	await cache.put(SEEN, new Response(html, response));
};

const answer = async (event, path) => {
	const { request } = event;
	const response = await fetch(request).catch(() => null);
	if (response && path === "/agenda") event.waitUntil(keep(response.clone()));
	if (response || request.mode !== "navigate") return response ?? (await caches.match(request)) ?? Response.error();
	if (path !== "/agenda") return Response.redirect("/agenda");
	const seen = await caches.match(SEEN);
	return new Response((await seen.text()).replace(ROW, inTime), seen);
};

addEventListener("install", (event) => event.waitUntil(fetch("/agenda").then(keep)));
addEventListener("fetch", (event) => {
	const { method, mode, url } = event.request, { pathname, search } = new URL(url);
	const isOurs = mode === "navigate" || /^.(agenda$|static)/.test(pathname);
	if (method === "GET" && isOurs) event.respondWith(answer(event, pathname + search));
});
