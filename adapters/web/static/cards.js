// A card as it is shown: its title, lines, pictures and buttons, each renewed only when it changed.
import { copy, h, icon, linked, srOnly } from "./dom.js";
import { announce } from "./live.js";
import { pictures } from "./pictures.js";

const ICONS = new Set(["again", "edit", "vary", "delete", "details"]);
const SAME_AS = { retry: "again", cancel: "close" };

/**
 * An element for cards. `update(card)` shows another one and leaves alone what is the same, so that focus and scroll
 * stay; `press(action, button)` is called for its buttons.
 */
export class CardView {
  constructor({ press = null, key = "" } = {}) {
    this.press = press;
    this.key = key;
    this.was = {};
    this.title = h("p", { class: "card-title" });
    this.lines = h("div", { class: "card-lines" });
    this.pictures = h("div", { class: "card-pictures" });
    this.actions = h("div", { class: "card-actions" });
    this.element = h("div", { class: "card" }, this.title, this.pictures, this.lines, this.actions);
  }

  update(card) {
    this.element.dataset.tone = card.tone;
    this.renew("title", card.title, () => (this.title.textContent = card.title));
    this.renew("lines", card.lines, () => this.lines.replaceChildren(...card.lines.map(line)));
    this.renew("pictures", card.pictures, () => this.pictures.replaceChildren(...pictures(card, this.key)));
    this.renew("actions", card.actions, () => this.renewActions(card.actions));
  }

  renew(part, value, change) {
    const signature = JSON.stringify(value);
    if (this.was[part] === signature) return;
    this.was[part] = signature;
    change();
    this[part].hidden = value.length === 0;
  }

  renewActions(actions) {
    const within = this.actions.contains(document.activeElement);
    const several = actions.filter((action) => action.verb === "vary");
    const rest = actions.filter((action) => action.verb !== "vary");
    this.actions.replaceChildren(
      ...rest.map((action) => this.button(action)),
      ...(several.length
        ? [
            h(
              "span",
              { class: "vary", role: "group", "aria-label": "Vary a picture" },
              h("span", { class: "vary-word", "aria-hidden": "true" }, "Vary"),
              ...several.map((action) => this.button(action)),
            ),
          ]
        : []),
    );
    // The pressed button is gone: stay at the message rather than fall to the top of the page.
    if (within) this.element.closest("[tabindex]")?.focus({ preventScroll: true });
  }

  button(action) {
    const vary = action.verb === "vary";
    const name = SAME_AS[action.verb] ?? action.verb;
    const drawn = ICONS.has(name) || name === "close" ? icon(name) : h("span", { "aria-hidden": "true" }, action.emoji);
    const button = h(
      "button",
      {
        type: "button",
        class: action.danger ? "action danger" : "action",
        "aria-label": vary ? `Vary picture ${action.argument}` : null,
        data: { verb: action.verb },
        onclick: () => this.press(action, button),
      },
      vary ? null : drawn,
      h("span", {}, action.label),
    );
    return button;
  }
}

function line({ text, style }) {
  switch (style) {
    case "quote":
      return quote(text);
    case "small":
      return h("p", { class: "small" }, linked(text));
    case "heading":
      return h("p", { class: "heading" }, text);
    case "code":
      return code(text);
    default:
      return h("p", {}, linked(text));
  }
}

const LONG = 320;

/** What a person wrote; a long one is folded. */
function quote(text) {
  const block = h("blockquote", {}, text);
  if (text.length <= LONG && text.split("\n").length <= 5) return block;
  block.classList.add("folded");
  const more = h(
    "button",
    {
      type: "button",
      class: "plain",
      "aria-expanded": "false",
      onclick: () => {
        const folded = block.classList.toggle("folded");
        more.setAttribute("aria-expanded", String(!folded));
        more.textContent = folded ? "Show all of it" : "Show less";
      },
    },
    "Show all of it",
  );
  return h("div", { class: "long" }, block, more);
}

function code(text) {
  return h(
    "div",
    { class: "code" },
    h("pre", { tabindex: "0", "aria-label": "To be copied" }, h("code", {}, text)),
    copyButton(text, "Copy"),
  );
}

/** A button that copies a text and says so for a moment. */
export function copyButton(text, label, { title = "" } = {}) {
  const word = h("span", {}, label);
  const button = h(
    "button",
    {
      type: "button",
      class: "quiet copy",
      title: title || null,
      onclick: async () => {
        await copy(text);
        word.textContent = "Copied";
        announce("Copied");
        setTimeout(() => (word.textContent = label), 1600);
      },
    },
    icon("copy"),
    word,
    title ? srOnly(`, ${title}`) : null,
  );
  return button;
}
