// All of this is optional: every page works without it.
"use strict";

const live = document.getElementById("live");
const french = document.documentElement.lang === "fr";
