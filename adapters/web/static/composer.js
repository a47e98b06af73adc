// The message field: what is typed is kept until Easel took it, and completes from the catalogue.
import { requestId, Trouble } from "./api.js";
import { Refusal, say } from "./asking.js";
import { offered, reading } from "./completion.js";
import { at } from "./dom.js";
import { Offers } from "./listbox.js";
import { recall, remember, state } from "./state.js";

const REMEMBERED = 30;

export class Composer {
  constructor({ attachments, recent, sent }) {
    this.attachments = attachments;
    this.recent = recent;
    this.sent = sent;
    this.form = at("composer");
    this.field = at("say");
    this.lines = recall("lines") ?? [];
    this.place = -1;
    this.asked = 0;
    this.id = requestId();
    this.sending = false;
    this.offers = new Offers(this.field, at("offers"), at("palette"), { take: (item) => this.insert(item.insert) });
    this.field.value = recall("draft", { session: true }) ?? recall("draft") ?? "";
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.form.addEventListener("input", () => (this.id = requestId())); // also of what is attached
    this.field.addEventListener("input", () => this.changed());
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.field.addEventListener("click", () => this.complete());
    this.field.addEventListener("focus", () => this.complete());
    addEventListener("resize", () => this.fit());
    this.fit();
  }

  get text() {
    return this.field.value;
  }

  /** Puts a line into the field, ready to be changed or sent. */
  fill(text) {
    this.field.value = text;
    this.changed({ complete: false });
    this.field.focus();
    this.field.setSelectionRange(text.length, text.length);
  }

  changed({ complete = true } = {}) {
    this.id = requestId(); // another text is another request
    this.place = -1;
    this.keepDraft();
    this.say("");
    this.fit();
    if (complete) this.complete();
  }

  keepDraft() {
    const text = this.field.value || null;
    remember("draft", text);
    remember("draft", text, { session: true });
  }

  fit() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
  }

  async complete() {
    const mine = ++this.asked;
    if (!state.commands.length || this.field.selectionStart !== this.field.selectionEnd) return this.offers.close();
    const context = reading(this.field.value, this.field.selectionStart, this.recent());
    // What was offered for the text before must not be taken by a key while the answer for this one is under way.
    if (context.kind !== this.kind || context.from !== this.from) this.offers.close();
    else this.offers.outdate();
    Object.assign(this, { kind: context.kind, from: context.from });
    const { items, first, hint } = await offered(context).catch(() => ({ items: [], first: false, hint: "" }));
    if (mine !== this.asked || document.activeElement !== this.field) return undefined;
    this.offers.show(items, { first });
    return this.hint(this.field.value ? hint : "");
  }

  hint(text) {
    at("hint").textContent = text;
    at("hint").hidden = !text || !at("trouble").hidden;
  }

  /** Replaces what was being typed; the browser's own undo knows of it. */
  insert(text) {
    this.field.focus();
    this.field.setSelectionRange(this.from, this.field.selectionEnd);
    if (!document.execCommand("insertText", false, text)) {
      this.field.setRangeText(text, this.from, this.field.selectionEnd, "end");
      this.changed();
    }
  }

  key(event) {
    if (event.isComposing || this.offers.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.send();
    } else if (event.key === "Escape") this.say("");
    else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && (!this.field.value || this.place >= 0))
      this.again(event);
  }

  /** Goes through the lines sent before, as a terminal does. */
  again(event) {
    const place = this.place + (event.key === "ArrowUp" ? 1 : -1);
    if (place >= this.lines.length || place < -1) return;
    event.preventDefault();
    this.fillQuietly(place < 0 ? "" : this.lines[place]);
    this.place = place;
  }

  fillQuietly(text) {
    this.field.value = text;
    this.changed({ complete: false });
    this.offers.close();
    this.field.setSelectionRange(text.length, text.length);
  }

  async send() {
    const text = this.field.value.trim();
    if (this.sending || (!text && !this.attachments.image)) return;
    this.offers.close();
    this.asked += 1; // what is still being completed comes too late
    this.say("");
    this.busy(true);
    try {
      const sources = await this.attachments.ids();
      await say(text, sources, this.id);
      this.done(text, sources);
    } catch (error) {
      if (!(error instanceof Refusal || error instanceof Trouble)) throw error;
      // A refusal was an answer: what is sent next is another request. Without one it is the same, tried again.
      if (!error.offline) this.id = requestId();
      this.refused(error, text);
    } finally {
      this.busy(false);
    }
  }

  busy(sending) {
    this.sending = sending;
    this.field.readOnly = sending;
    this.form.classList.toggle("sending", sending);
  }

  done(text, sources) {
    this.lines = [text, ...this.lines.filter((line) => line !== text)].filter(Boolean).slice(0, REMEMBERED);
    remember("lines", this.lines);
    this.attachments.spend(sources);
    this.fillQuietly("");
    this.hint("");
    this.sent();
  }

  refused(error, text) {
    this.say(error.offline ? `${error.message} Your text is still here: press Enter to send it again.` : error.message);
    const named =
      error.field &&
      [...text.matchAll(/(?:--|[–—])([a-z]+)(?:[ =]\S+)?/gi)].find((match) =>
        this.isAbout(match[1].toLowerCase(), error.field),
      );
    const start = named ? this.field.value.indexOf(named[0]) : -1;
    this.field.focus();
    if (start >= 0) this.field.setSelectionRange(start, start + named[0].length);
  }

  isAbout(name, field) {
    return (
      name === field ||
      state.flags.some((flag) => flag.names.includes(name) && (flag.option === field || flag.names.includes(field)))
    );
  }

  /** Says what is wrong, at the field; an empty text takes it back. */
  say(text) {
    const trouble = at("trouble");
    trouble.textContent = text;
    trouble.hidden = !text;
    if (text) {
      this.field.setAttribute("aria-invalid", "true");
      this.hint("");
    } else this.field.removeAttribute("aria-invalid");
  }
}
