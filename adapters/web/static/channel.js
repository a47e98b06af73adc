// The channel: messages in the order they were asked, alive through events, with a scroll that stays where one reads.
import { get } from "./api.js";
import { at, h } from "./dom.js";
import { announce } from "./live.js";
import { MessageView, NoteView } from "./messages.js";
import { recall, remember, state } from "./state.js";

const NEAR = 80; // pixels from the end that still count as the end
const byTime = (one, other) => one.at.localeCompare(other.at) || one.key.localeCompare(other.key);

export class Channel {
  constructor(handlers) {
    this.handlers = handlers;
    this.scroll = at("scroll");
    this.list = at("messages");
    this.views = new Map();
    this.notes = new Set();
    this.following = true;
    this.loadingOlder = false;
    this.scroll.addEventListener("scroll", () => this.scrolled(), { passive: true });
    at("newest").addEventListener("click", () => this.toEnd());
    at("older").addEventListener("click", () => this.loadOlder());
    new ResizeObserver(() => this.following && this.toEnd()).observe(this.list);
    new ResizeObserver(() => this.following && this.toEnd()).observe(this.scroll);
    new IntersectionObserver(([entry]) => entry.isIntersecting && this.scrollable && this.loadOlder(), {
      root: this.scroll,
      rootMargin: "200px",
    }).observe(at("older"));
    setInterval(() => this.tick(), 500);
    addEventListener("pagehide", () => this.keepPlace());
  }

  /** All that the server knows lately: what isn't there any more goes, the rest is renewed. */
  replace(messages, older) {
    const keys = new Set(messages.map((message) => message.key));
    const oldest = messages[0]?.at ?? "";
    for (const view of [...this.views.values()]) {
      if (!keys.has(view.message.key) && (!older || view.message.at >= oldest)) this.remove(view.message.key);
    }
    const first = !this.known;
    this.known = true;
    for (const message of messages) this.put(message, { quiet: first });
    if (!this.views.size || !older || first) at("older").hidden = !older;
    if (first) this.restorePlace();
    this.empty();
  }

  /** Shows a message as it is now. */
  put(message, { quiet = false } = {}) {
    const view = this.views.get(message.key);
    const before = view?.message;
    if (view) view.update(message);
    else this.insert(message);
    if (!quiet) this.tell(before, message);
    this.empty();
  }

  insert(message) {
    const view = new MessageView(message, this.handlers);
    this.views.set(message.key, view);
    const later = [...this.list.children].find(
      (element) => element.dataset.at && byTime({ at: element.dataset.at, key: element.dataset.key }, message) > 0,
    );
    view.element.dataset.at = message.at;
    this.list.insertBefore(view.element, later ?? null);
    if (this.following) this.toEnd();
    else if (!later) at("newest").hidden = false;
  }

  remove(key) {
    const view = this.views.get(key);
    if (!view) return;
    this.views.delete(key);
    this.leave(view.element);
    this.empty();
  }

  /** Takes an element away; the focus goes to its neighbour if it was inside. */
  leave(element) {
    const neighbour = element.nextElementSibling ?? element.previousElementSibling;
    const within = element.contains(document.activeElement);
    element.remove();
    if (within) (neighbour ?? at("say")).focus({ preventScroll: true });
  }

  /** A private answer, at the end, until it is dismissed. */
  note(card) {
    const note = new NoteView(card, {
      press: (action, button) => this.handlers.press({ key: "" }, action, button),
      dismiss: (view) => {
        this.notes.delete(view);
        this.leave(view.element);
        this.empty();
      },
    });
    note.element.dataset.at = new Date(Date.now() + state.skew).toISOString();
    this.notes.add(note);
    this.list.append(note.element);
    this.empty();
    this.toEnd();
    announce(
      `Only you see this: ${card.title}. ${card.lines
        .slice(0, 3)
        .map((line) => line.text)
        .join(" ")}`.slice(0, 400),
    );
  }

  /** What is worth saying aloud: how my own get on, and that others' are done. */
  tell(before, message) {
    const { card, mine, who } = message;
    const phase = ({ open, since, card: shown }) =>
      open ? (since ? "running" : shown.title.replace(/[\d.]+/g, "")) : "ended";
    if (before && phase(before) === phase(message)) return;
    const name = mine ? "" : `${who.name}: `;
    if (message.open && !mine) return;
    const alt = card.pictures.map((picture) => picture.alt).join(". ");
    announce(message.open ? `${card.title.split("…")[0]}` : `${name}${card.title}. ${alt}`);
  }

  tick() {
    for (const view of this.views.values()) view.tick();
  }

  empty() {
    at("welcome").hidden = !this.known || this.views.size > 0 || this.notes.size > 0;
  }

  /** Ids of the newest messages, to complete with. */
  recent() {
    return [...this.views.values()]
      .map((view) => view.message)
      .filter((message) => message.short)
      .sort(byTime)
      .reverse()
      .slice(0, 12)
      .map((message) => ({
        label: message.short,
        detail: message.card.lines.find((line) => line.style === "quote")?.text ?? message.card.title,
      }));
  }

  // ---- where one reads ----

  get scrollable() {
    return this.known && this.scroll.scrollHeight > this.scroll.clientHeight + 10;
  }

  get atEnd() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < NEAR;
  }

  scrolled() {
    this.following = this.atEnd;
    if (this.following) at("newest").hidden = true;
    else if (this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight > this.scroll.clientHeight)
      at("newest").hidden = false;
  }

  toEnd() {
    this.following = true;
    this.scroll.scrollTop = this.scroll.scrollHeight;
    at("newest").hidden = true;
  }

  keepPlace() {
    const top = this.scroll.getBoundingClientRect().top;
    const view = [...this.list.children].find((element) => element.getBoundingClientRect().bottom > top);
    const place =
      this.following || !view?.dataset.key
        ? null
        : { key: view.dataset.key, offset: view.getBoundingClientRect().top - top };
    remember("place", place, { session: true });
  }

  restorePlace() {
    const place = recall("place", { session: true });
    const view = place && this.views.get(place.key);
    if (!view) return this.toEnd();
    this.following = false;
    this.scroll.scrollTop +=
      view.element.getBoundingClientRect().top - this.scroll.getBoundingClientRect().top - place.offset;
    return this.scrolled();
  }

  async loadOlder() {
    const first = this.list.querySelector("[data-key]");
    if (this.loadingOlder || !first) return;
    this.loadingOlder = true;
    const button = at("older");
    try {
      const { messages, older } = await get("/api/older", { before: first.dataset.key });
      const height = this.scroll.scrollHeight;
      for (const message of messages) this.put(message, { quiet: true });
      this.scroll.scrollTop += this.scroll.scrollHeight - height;
      button.hidden = !older;
    } catch {
      button.textContent = "Older messages can’t be had right now. Try again";
    } finally {
      this.loadingOlder = false;
    }
  }
}

/** The examples of the catalogue, to begin with. */
export function welcome(choose) {
  const examples = state.commands.filter(
    (command) => command.example && !command.options.some((option) => option.required && option.kind === "picture"),
  );
  const tries = [
    ...examples
      .filter((command) => command.options.some((option) => option.name === "prompt"))
      .map((command) => `/${command.name} ${command.example}`),
    "a lighthouse in fog, oil on canvas --ar 3:4",
    "/lora list",
    "/help",
  ].filter((text) => !text.startsWith("/") || state.commands.some((command) => text.startsWith(`/${command.name}`)));
  document
    .querySelector(".tries")
    .replaceChildren(
      ...tries.map((text) =>
        h("li", {}, h("button", { type: "button", onclick: () => choose(text) }, h("code", {}, text))),
      ),
    );
}
