// Elements from data: every text goes in as text, so that a prompt can't become markup.

/** An element with attributes (`on…` are listeners, `class`, `data` an object) and children; null ones are left out. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) set(element, key, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function set(element, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else if (key === "data") Object.assign(element.dataset, value);
  else if (key === "value" || key === "checked") element[key] = value;
  else element.setAttribute(key, value === true ? "" : value);
}

/** One of the page's own drawings, silent for screen readers. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** The element of the page with this id. */
export const at = (id) => document.getElementById(id);

export const srOnly = (text) => h("span", { class: "sr" }, text);

/** A text with its https addresses as links. */
export function linked(text) {
  return text
    .split(/(https:\/\/[^\s<>"]+[^\s<>".,;:!?)])/)
    .map((part, place) =>
      place % 2 ? h("a", { href: part, target: "_blank", rel: "noopener noreferrer" }, part) : part,
    );
}

let numbered = 0;

/** An id that no other element has, for labels and descriptions. */
export const newId = (beginning) => `${beginning}-${++numbered}`;

/** Calls `run` once things were quiet for so many milliseconds. */
export function afterQuiet(milliseconds, run) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds, ...given);
  };
}

/** Puts a text on the clipboard, also where the page came without https and the modern way is closed. */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = h("textarea", { class: "sr", "aria-hidden": "true", value: text });
  const within = document.querySelector("dialog[open]") ?? document.body;
  within.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

export const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
