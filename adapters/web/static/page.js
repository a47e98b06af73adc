// The page as a whole: what it is made of, and how its parts hear of each other.
import { Events, get, Trouble } from "./api.js";
import { onAnswer, press, Refusal, use } from "./asking.js";
import { Attachments, droppable, fetched, pictureOf } from "./attachments.js";
import { Channel, welcome } from "./channel.js";
import { Composer } from "./composer.js";
import { asks, completeLoras, name, suggested, viewer } from "./dialogs.js";
import { at } from "./dom.js";
import { drawingForm } from "./drawing.js";
import { Gallery } from "./gallery.js";
import { completed } from "./listbox.js";
import { paintMask } from "./mask.js";
import { face } from "./messages.js";
import { again, onLook } from "./pictures.js";
import { drawing, learn, state } from "./state.js";

const LOST_AFTER = 1500; // milliseconds until a break in the connection is worth a word

const trouble = (text) => composer.say(text);

const attachments = new Attachments(at("attached"), {
  paint: paintMask,
  trouble,
  key: "sources",
  parameters: (file) => gallery.read(file),
});

const channel = new Channel({
  press: (message, action, button) => pressed(button, () => press(action, message.key)),
  use: (what, message, place) =>
    what === "mask"
      ? maskOn(message.card.pictures[place], message)
      : pressed(null, () => use(what, message.key, message.card.pictures[place]?.index)),
  again: (line) => composer.fill(line),
});

const composer = new Composer({ attachments, recent: () => channel.recent(), sent: () => channel.toEnd() });

const gallery = new Gallery({
  look: (items, place) =>
    viewer(
      items.map((item) => ({ picture: item, line: item.line, prompt: item.prompt, short: item.short })),
      place,
      { use: taken },
    ),
  take: (line) => {
    show("channel");
    composer.fill(line);
  },
});

onAnswer({ note: (card) => channel.note(card), form: asks, message: () => channel.toEnd() });

onLook((pictures, place, key) => {
  const message = channel.views.get(key)?.message;
  const prompt = message?.card.lines.find((line) => line.style === "quote")?.text;
  viewer(
    pictures.map((picture) => ({ picture, line: message?.asked, prompt, short: message?.short })),
    place,
    { use: taken },
  );
});

completeLoras((input) => {
  const option = drawing()[0]?.options.find((it) => it.suggests);
  if (!option) return;
  completed(input, async (text) => {
    const [, before, last] = text.match(/^(.*,\s*)?([^,]*)$/s);
    return (await suggested(drawing()[0].name, option.name, last.trim())).map((item) => ({
      ...item,
      value: `${before ?? ""}${item.value}`,
    }));
  });
});

/** From the large view of a picture: its command, or a mask on it. */
function taken(what, item) {
  show("channel");
  if (what === "line") composer.fill(item.line);
  else maskOn(item.picture, item);
}

/** A picture of the channel becomes the one to start from, with a mask to be painted on it. */
async function maskOn(picture, { short = "" }) {
  await guarded(async () => {
    const file = await fetched(picture.url, `easel-${short || "picture"}-${picture.index}.png`);
    if (await attachments.add(file)) await attachments.editMask();
    at("say").focus();
  });
}

async function pressed(button, ask) {
  if (button?.getAttribute("aria-disabled")) return;
  button?.setAttribute("aria-disabled", "true");
  await guarded(ask);
  button?.removeAttribute("aria-disabled");
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof Trouble)) throw error;
    channel.note({
      title: "That didn’t work",
      tone: "bad",
      lines: [{ text: error.message, style: "plain" }],
      pictures: [],
      actions: [],
    });
  }
}

// ---- events, and the whole state after each break ----

let lost = 0;
let loading = null;

/** Applies a change now, and once more after the state that is being loaded: the change is newer than it. */
function changed(change) {
  loading?.push(change);
  change();
}

const events = new Events({
  on: {
    message: (message) => {
      changed(() => channel.put(message));
      if (message.card.pictures.length || !message.open) gallery.refreshSoon();
    },
    removed: ({ key }) => {
      changed(() => channel.remove(key));
      gallery.refreshSoon();
    },
    note: ({ card }) => channel.note(card),
    me: (me) => renamed(me.name),
    start: () => start(),
    reload: () => (at("updated").hidden = false),
  },
  opened: () => start(),
  lost: () =>
    (lost ||= setTimeout(
      () => offline("The connection to Easel is lost; trying again. What you type is kept."),
      LOST_AFTER,
    )),
});

/** Everything anew from the server. Only the newest of several under way counts. */
async function start() {
  const changes = (loading = []);
  try {
    const asked = Date.now();
    const known = await get("/api/start");
    if (loading === changes) apply(known, asked, changes);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (loading !== changes) return;
    offline(error.message);
    if (error.offline || error.status === 429) events.again();
  } finally {
    if (loading === changes) loading = null;
  }
}

function apply(known, asked, changes) {
  const first = !state.commands.length;
  learn(known);
  state.skew = skew(known.now, asked);
  renamed(known.me.name);
  at("simulated").hidden = !known.simulated;
  at("notice").textContent = known.notice;
  at("notice").hidden = !known.notice || known.simulated;
  channel.replace(known.messages, known.older);
  for (const change of changes) change();
  if (first) welcome((line) => composer.fill(line));
  gallery.completes();
  gallery.refreshSoon();
  again();
  online();
}

/** How far the server's clock is ahead; small differences are the way there and back. */
function skew(now, asked) {
  const ahead = now ? Date.parse(now) - (asked + Date.now()) / 2 : 0;
  return Math.abs(ahead) > 1000 ? ahead : 0;
}

function offline(text) {
  at("offline").textContent = text;
  at("offline").hidden = false;
}

function online() {
  clearTimeout(lost);
  lost = 0;
  at("offline").hidden = true;
}

// ---- views ----

function show(tab, { push = true } = {}) {
  for (const view of document.querySelectorAll("[data-view]")) view.hidden = view.dataset.view !== tab;
  for (const link of document.querySelectorAll(".tabs [data-tab]")) {
    if (link.dataset.tab === tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = tab === "gallery" ? "Gallery · Easel" : "Easel";
  const path = tab === "gallery" ? "/gallery" : "/";
  if (push && location.pathname !== path) history.pushState(null, "", path);
  document.querySelector(".skip").hidden = tab !== "channel";
  if (tab === "gallery") gallery.load();
  else composer.fit();
}

for (const link of document.querySelectorAll("[data-tab]")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(link.dataset.tab);
  });
}
addEventListener("popstate", () => show(location.pathname === "/gallery" ? "gallery" : "channel", { push: false }));

// ---- me ----

function renamed(given) {
  state.me.name = given;
  document.querySelector(".me-name").textContent = given;
  face(document.querySelector("#me .face"), state.me);
}

at("me").addEventListener("click", () => name(renamed));
at("updated")
  .querySelector("button")
  .addEventListener("click", () => location.reload());

// ---- pictures to start from ----

at("attach").addEventListener("click", () => at("file").click());
at("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  await attachments.add(file);
  at("say").focus();
});
droppable(at("channel"), at("drop"), (file) => attachments.add(file));
// Beside the places for it a dropped file would be opened by the browser, in place of this page.
for (const name of ["dragover", "drop"])
  addEventListener(name, (event) => {
    if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "none";
  });
addEventListener("paste", (event) => {
  const file = pictureOf(event.clipboardData);
  if (!file || document.querySelector("dialog[open]") || at("channel").hidden) return;
  event.preventDefault();
  attachments.add(file);
});

at("formview").addEventListener("click", () => {
  const prompt = composer.text.replace(/^\/(imagine|edit)\s*/, "");
  drawingForm({ prompt: prompt.startsWith("/") ? "" : prompt, paint: paintMask, sent: () => channel.toEnd() });
});

addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [role=application], dialog, [role=menu]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || at("channel").hidden) return;
  event.preventDefault();
  at("say").focus();
  if (!composer.text) document.execCommand("insertText", false, "/");
});

show(location.pathname === "/gallery" ? "gallery" : "channel", { push: false });
events.open();
if (matchMedia("(pointer: fine)").matches && !at("channel").hidden) at("say").focus();
