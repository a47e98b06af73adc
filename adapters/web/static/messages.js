// One message of the channel: who asked, how far it is with a clock that runs, and the card.
import { CardView, copyButton } from "./cards.js";
import { h, icon, srOnly } from "./dom.js";
import { menu } from "./listbox.js";
import { state } from "./state.js";

const HUES = 12;

/** A person's colour and initials. */
export function face(element, person) {
  const words = person.name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...word][0] ?? "").join("");
  let hash = 0;
  for (const letter of person.id) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  element.textContent = letters.toUpperCase() || "?";
  element.dataset.hue = String(hash % HUES);
}

/** How the server's clock is now, in milliseconds. */
const now = () => Date.now() + state.skew;

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const TODAY = { hour: "2-digit", minute: "2-digit" };
const EARLIER = { day: "numeric", month: "short", ...TODAY };

export function when(iso) {
  const date = new Date(iso);
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(undefined, today ? TODAY : EARLIER);
}

/** The running seconds stand in the clock; the title then says the rest ("Generating… (usually 6 s)"). */
const withoutSeconds = (title) => title.replace(/… \d+ (s|min)\b/, "…");

const usualSeconds = (title) => Number(title.match(/usually (\d+) s/)?.[1] ?? 0);

export class MessageView {
  constructor(message, { press, use, again }) {
    this.card = new CardView({ press: (action, button) => press(this.message, action, button), key: message.key });
    this.use = use;
    this.again = again;
    this.face = h("span", { class: "face", "aria-hidden": "true" });
    this.name = h("span", { class: "who" });
    this.time = h("time", {});
    this.private = h("span", { class: "tag", hidden: true }, icon("lock"), "Only you see this");
    this.tools = h("div", { class: "tools" });
    this.clock = h("span", { class: "clock", "aria-hidden": "true" });
    this.bar = h("div", { class: "bar", "aria-hidden": "true" }, h("div", {}));
    this.progress = h("div", { class: "progress", hidden: true }, this.bar, this.clock);
    this.card.title.after(this.progress);
    this.element = h(
      "article",
      { class: "message", tabindex: "-1", data: { key: message.key } },
      this.face,
      h("div", { class: "body" }, h("header", {}, this.name, this.time, this.private, this.tools), this.card.element),
    );
    this.update(message);
  }

  update(message) {
    const before = this.message;
    this.message = message;
    const { card } = message;
    const running = Boolean(message.open && message.since);
    this.element.classList.toggle("mine", message.mine);
    this.element.classList.toggle("open", message.open);
    this.element.setAttribute("aria-label", `${message.who.name}: ${card.title}`);
    this.name.textContent = message.who.name;
    face(this.face, message.who);
    this.time.dateTime = message.at;
    this.time.textContent = when(message.at);
    this.private.hidden = !message.private;
    this.card.update(running ? { ...card, title: withoutSeconds(card.title) } : card);
    this.progress.hidden = !message.open;
    this.bar.classList.toggle("unknown", !(running && usualSeconds(card.title)));
    if (
      !before ||
      before.open !== message.open ||
      before.asked !== message.asked ||
      before.card.pictures.length !== card.pictures.length
    )
      this.renewTools();
    this.tick();
  }

  /** Moves the clock on; called every second while the message is under way. */
  tick() {
    const { open, since, card } = this.message;
    if (!open) return;
    const seconds = since ? (now() - Date.parse(since)) / 1000 : 0;
    this.clock.textContent = since ? clock(seconds) : "";
    const usual = usualSeconds(card.title);
    // Never quite full: nobody knows when it ends.
    const share = usual && since ? 0.96 * (1 - Math.exp((-1.9 * seconds) / usual)) : 0;
    this.bar.firstChild.style.transform = `scaleX(${share.toFixed(3)})`;
  }

  renewTools() {
    const { message } = this;
    const items = [];
    if (message.asked)
      items.push({ label: "Take the command into the message field", run: () => this.again(message.asked) });
    if (message.card.pictures.length && !message.open) {
      for (const [place, picture] of message.card.pictures.entries()) {
        const which = message.card.pictures.length > 1 ? ` ${picture.index}` : "";
        items.push({ label: `Download picture${which}`, href: picture.download });
        if (!picture.hidden)
          items.push({ label: `Paint a mask on picture${which}`, run: () => this.use("mask", message, place) });
      }
    }
    if (message.job)
      for (const { name, title } of state.onMessage)
        items.push({ label: title, run: () => this.use(name, message, 0) });
    this.tools.replaceChildren(
      ...(message.asked ? [copyButton(message.asked, "Copy command", { title: "" })] : []),
      ...(items.length ? [menu(items, `More for ${message.who.name}’s message`)] : []),
    );
  }
}

/** A private answer, in the channel but on this page alone, until it is dismissed. */
export class NoteView {
  constructor(card, { press, dismiss }) {
    this.card = new CardView({ press });
    this.card.update(card);
    this.element = h(
      "article",
      { class: "message note", tabindex: "-1", "aria-label": `Only you see this: ${card.title}` },
      h("span", { class: "face easel", "aria-hidden": "true" }, icon("lock")),
      h(
        "div",
        { class: "body" },
        h(
          "header",
          {},
          h("span", { class: "who" }, "Easel"),
          h("span", { class: "tag" }, icon("lock"), "Only you see this"),
          h(
            "div",
            { class: "tools" },
            h(
              "button",
              { type: "button", class: "quiet dismiss", onclick: () => dismiss(this) },
              icon("close"),
              h("span", {}, "Dismiss"),
              srOnly(` “${card.title}”`),
            ),
          ),
        ),
        this.card.element,
      ),
    );
  }
}
