// Lists to choose from by keyboard: what completes a field (combobox with listbox), and menus behind a button.
import { h, icon, newId } from "./dom.js";
import { announce } from "./live.js";

/**
 * The list below or above a field, after the ARIA combobox pattern: focus stays in the field, `aria-activedescendant`
 * says what is chosen. A field of several lines can't be a combobox; there the number of offers is said instead.
 */
export class Offers {
  constructor(field, list, box, { take }) {
    this.field = field;
    this.list = list;
    this.box = box;
    this.take = take;
    this.items = [];
    this.active = -1;
    this.stale = false; // they were offered for a text that has changed since
    this.wanted = false; // Tab was pressed meanwhile: it means the first of the new ones
    list.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus in the field
    list.addEventListener("click", (event) => {
      const place = [...list.children].indexOf(event.target.closest("[role=option]"));
      if (place >= 0) this.choose(place);
    });
    field.addEventListener("blur", () => this.close());
  }

  get open() {
    return !this.box.hidden;
  }

  get combobox() {
    return this.field.getAttribute("role") === "combobox";
  }

  expanded(open) {
    if (this.combobox) this.field.setAttribute("aria-expanded", String(open));
  }

  /** Shows items `{label, detail, note}`; with `first` the first one is chosen at once. */
  show(items, { first = false } = {}) {
    const { wanted } = this;
    this.items = items;
    this.stale = this.wanted = false;
    if (!items.length) return this.close();
    this.list.replaceChildren(...items.map((item, place) => option(item, `${this.list.id}-${place}`)));
    if (!this.open && !this.combobox) announce(items.length === 1 ? "1 completion" : `${items.length} completions`);
    this.box.hidden = false;
    this.expanded(true);
    this.mark(first ? 0 : -1);
    if (wanted) this.choose(0);
    return undefined;
  }

  /** Keeps on screen what is there until the new ones come, but no key takes any of it. */
  outdate() {
    this.stale = true;
    this.wanted = false;
    this.mark(-1);
  }

  close() {
    this.box.hidden = true;
    this.items = [];
    this.active = -1;
    this.stale = this.wanted = false;
    this.expanded(false);
    this.field.removeAttribute("aria-activedescendant");
  }

  mark(place) {
    this.active = place;
    for (const [index, element] of [...this.list.children].entries())
      element.setAttribute("aria-selected", String(index === place));
    const chosen = this.list.children[place];
    if (chosen) {
      this.field.setAttribute("aria-activedescendant", chosen.id);
      chosen.scrollIntoView({ block: "nearest" });
    } else this.field.removeAttribute("aria-activedescendant");
  }

  move(by) {
    const count = this.items.length;
    this.mark(this.active < 0 ? (by > 0 ? 0 : count - 1) : (this.active + by + count) % count);
  }

  choose(place) {
    const item = this.items[place];
    this.close();
    this.take(item);
  }

  /** Answers a key that was pressed in the field; true when it meant the list. */
  key(event) {
    if (!this.open || event.isComposing) return false;
    switch (event.key) {
      case "ArrowDown":
        if (!this.stale) this.move(1);
        break;
      case "ArrowUp":
        if (!this.stale) this.move(-1);
        break;
      case "Tab":
        if (event.shiftKey || this.wanted) {
          this.close(); // before the focus looks for where to go
          return false;
        }
        if (this.stale) this.wanted = true;
        else this.choose(Math.max(0, this.active));
        break;
      case "Enter":
        if (this.wanted) break; // not before what Tab asked for is there
        if (this.active < 0 || event.shiftKey || this.items[this.active].complete) return false;
        this.choose(this.active);
        break;
      case "Escape":
        this.close();
        break;
      default:
        return false;
    }
    event.preventDefault();
    return true;
  }
}

function option(item, id) {
  return h(
    "li",
    { role: "option", id, "aria-selected": "false" },
    h("span", { class: "offer-label" }, item.label),
    item.note ? h("span", { class: "offer-note" }, item.note) : null,
    item.detail ? h("span", { class: "offer-detail" }, item.detail) : null,
  );
}

/** Lets a field of a form complete from `load(text)` → items with a `value`; `taken` hears what was chosen. */
export function completed(field, load, taken = () => {}) {
  const list = h("ul", { role: "listbox", tabindex: "0", id: newId("offers"), "aria-label": "Completions" });
  const box = h("div", { class: "palette below", hidden: true }, list);
  field.closest(".with-offers").append(box);
  for (const [name, value] of Object.entries({
    role: "combobox",
    "aria-expanded": "false",
    "aria-autocomplete": "list",
    "aria-controls": list.id,
  }))
    field.setAttribute(name, value);
  const offers = new Offers(field, list, box, {
    take: (item) => {
      field.value = item.value;
      field.dispatchEvent(new Event("change", { bubbles: true }));
      taken(item);
    },
  });
  let asked = 0;
  const refresh = async () => {
    const mine = ++asked;
    offers.outdate();
    const items = await load(field.value).catch(() => []);
    if (mine === asked && document.activeElement === field) offers.show(items);
  };
  field.addEventListener("input", refresh);
  field.addEventListener("keydown", (event) => {
    if (offers.key(event)) event.stopPropagation();
    else if (event.key === "ArrowDown" && !offers.open) refresh();
  });
  return offers;
}

/** A button with a menu behind it. Items: `{label, run}` or `{label, href}` for a download. */
export function menu(items, label) {
  const id = newId("menu");
  const list = h("div", { class: "menu", role: "menu", id, hidden: true, "aria-label": label });
  const button = h(
    "button",
    {
      type: "button",
      class: "quiet menu-button",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      "aria-label": label,
      title: "More",
    },
    icon("more"),
  );
  const root = h("div", { class: "menu-root" }, button, list);
  const close = (back) => {
    list.hidden = true;
    button.setAttribute("aria-expanded", "false");
    if (back) button.focus({ preventScroll: true });
  };
  const open = () => {
    list.replaceChildren(...items.map((item) => entry(item, close)));
    list.hidden = false;
    button.setAttribute("aria-expanded", "true");
    root.classList.toggle("upward", list.getBoundingClientRect().bottom > innerHeight - 90);
    list.firstElementChild.focus({ preventScroll: true });
  };
  button.addEventListener("click", () => (list.hidden ? open() : close(true)));
  root.addEventListener("focusout", (event) => root.contains(event.relatedTarget) || close(false));
  list.addEventListener("keydown", (event) => {
    const entries = [...list.children];
    const place = entries.indexOf(document.activeElement);
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: entries.length - 1 }[event.key];
    if (event.key === "Escape") close(true);
    else if (to === undefined) return;
    else entries.at(to % entries.length).focus();
    event.preventDefault();
    event.stopPropagation();
  });
  return root;
}

function entry({ label, run, href }, close) {
  if (href) return h("a", { role: "menuitem", tabindex: "-1", href, download: "", onclick: () => close(true) }, label);
  return h(
    "button",
    {
      type: "button",
      role: "menuitem",
      tabindex: "-1",
      onclick: () => {
        close(true);
        run();
      },
    },
    label,
  );
}
