// The gallery: what was made, to look at, take the command of, and make more from.
import { get, send, Trouble } from "./api.js";
import { droppable } from "./attachments.js";
import { suggested } from "./dialogs.js";
import { afterQuiet, at, h } from "./dom.js";
import { completed } from "./listbox.js";
import { announce } from "./live.js";
import { when } from "./messages.js";
import { frame } from "./pictures.js";
import { drawing } from "./state.js";

const PAGE = 24;

export class Gallery {
  constructor({ look, take }) {
    this.look = look;
    this.take = take;
    this.items = [];
    this.before = null;
    this.asked = 0;
    this.missed = false; // whether what is said is that they couldn't be had
    this.filters = at("filters");
    this.more = at("more");
    this.filters.addEventListener("submit", (event) => event.preventDefault());
    const soon = afterQuiet(250, () => this.load());
    for (const name of ["input", "change"])
      this.filters.addEventListener(name, (event) => event.target !== at("readfile") && soon());
    this.more.addEventListener("click", () => this.load({ on: true }));
    new IntersectionObserver(([entry]) => entry.isIntersecting && this.before && this.load({ on: true }), {
      root: at("gallery"),
      rootMargin: "400px",
    }).observe(this.more);
    at("read").addEventListener("click", () => at("readfile").click());
    at("readfile").addEventListener("change", (event) => {
      if (event.target.files[0]) this.read(event.target.files[0]);
      event.target.value = "";
    });
    droppable(at("gallery"), at("readdrop"), (file) => this.read(file));
    this.refreshSoon = afterQuiet(600, () => this.shown && this.load({ quiet: true }));
  }

  get shown() {
    return !at("gallery").hidden;
  }

  /** Once the catalogue is known. */
  completes() {
    const option = drawing()[0]?.options.find((it) => it.suggests);
    if (!option || this.completing) return;
    this.completing = true;
    const field = this.filters.elements.lora;
    completed(field, async (text) =>
      (await suggested(drawing()[0].name, option.name, text)).map((item) => ({
        ...item,
        value: item.value.split(":")[0],
        label: item.value.split(":")[0],
      })),
    );
  }

  query() {
    const { text, lora, mine } = this.filters.elements;
    return { text: text.value.trim(), lora: lora.value.trim(), mine: mine.checked ? "1" : "", limit: PAGE };
  }

  /** `on`: the next page. `quiet`: the first one again, because something new is there. */
  async load({ on = false, quiet = false } = {}) {
    if (on && (this.loading || !this.before)) return;
    const mine = ++this.asked;
    this.loading = true;
    try {
      const { items, more } = await get("/api/gallery", { ...this.query(), before: on ? this.before : "" });
      if (mine !== this.asked) return;
      if (this.missed) this.say(""); // what is said of a PNG stays
      this.missed = false;
      if (quiet) this.renew(items, more);
      else this.show(on ? [...this.items, ...items] : items, more);
      if (!quiet) announce(this.items.length === 1 ? "1 picture" : `${this.items.length} pictures`);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (mine !== this.asked) return;
      this.missed = true;
      this.say(error.message);
    } finally {
      if (mine === this.asked) this.loading = false;
    }
  }

  show(items, more) {
    this.items = items;
    this.before = more;
    const list = at("pictures");
    const kept = new Map([...list.children].map((element) => [element.dataset.url, element]));
    arrange(
      list,
      items.map((item) => kept.get(signature(item)) ?? this.tile(item)),
    );
    this.more.hidden = !more;
    const filtered = Object.values(this.query()).some((value) => value && value !== PAGE);
    at("nothing").hidden = items.length > 0;
    at("nothing").textContent = filtered
      ? "No picture fits that."
      : "Nothing was made here yet. Pictures that are made in the channel appear here.";
  }

  /** The newest page replaces what it covers; what was loaded beyond stays. */
  renew(items, more) {
    const last = items.at(-1);
    const rest = last && more ? this.items.filter((item) => item.at < last.at) : [];
    this.show([...items, ...rest], rest.length ? this.before : more);
  }

  tile(item) {
    const picture = { ...item };
    const box = frame(picture, {
      crop: true,
      open: () =>
        this.look(
          this.items,
          this.items.findIndex((it) => signature(it) === signature(item)),
        ),
    });
    return h(
      "li",
      { data: { url: signature(item) } },
      box,
      h("p", { class: "tile-prompt" }, item.prompt),
      h("p", { class: "small" }, `${item.who.name ?? item.who} · ${when(item.at)}`),
    );
  }

  /** A PNG gives back the command that made it, into the message field. */
  async read(file) {
    this.say("");
    try {
      const answer = await send("/api/parameters", file, file.name);
      this.take(answer.line);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.say(error.message);
    }
  }

  say(text) {
    at("gallerytrouble").textContent = text;
    at("gallerytrouble").hidden = !text;
  }
}

/** Makes these the children; those in their place stay untouched, and with them the focus. */
function arrange(list, elements) {
  const wanted = new Set(elements);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  for (const [place, element] of elements.entries())
    if (list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
}

const signature = (item) => `${item.url}|${item.hidden}`;
