// One input for one option of the catalogue: sliders for ranges, shapes for sizes, switches, LoRAs with a weight.
import { h, icon, newId } from "./dom.js";
import { labelled, suggested } from "./dialogs.js";
import { completed } from "./listbox.js";
import { state, usual } from "./state.js";

const SLIDES = 2500; // a range with more steps than that is typed, not slid

/** `{element, get value(), set(value)}`: `value` is undefined as long as nothing was chosen. */
export function fieldOf(option, command) {
  if (option.kind === "boolean") return toggle(option);
  if (option.choices?.length)
    return option.choices.every((choice) => /^\d+x\d+$/.test(choice.value)) ? shapes(option) : select(option);
  if (option.suggests) return weighted(option, command);
  if (option.kind === "integer" || option.kind === "number")
    return option.high - option.low <= SLIDES ? slider(option) : number(option);
  return text(option);
}

const worded = (name) =>
  (name.charAt(0).toUpperCase() + name.slice(1))
    .replace(/(\D)(\d)$/, "$1 $2")
    .replace(/_/g, " ")
    .replace(/^Lora/, "LoRA");

function text(option) {
  const long = option.name === "prompt";
  const input = long
    ? h("textarea", { rows: 3, maxlength: option.high ?? null, required: option.required })
    : h("input", { type: "text", autocomplete: "off", required: option.required });
  return {
    element: labelled(worded(option.name), input, { hint: option.description, name: option.name }),
    get value() {
      return input.value.trim() || undefined;
    },
    set: (value) => (input.value = value ?? ""),
  };
}

function number(option) {
  const input = h("input", { type: "text", inputmode: "numeric", autocomplete: "off", placeholder: "at random" });
  const dice = h(
    "button",
    {
      type: "button",
      class: "tool",
      "aria-label": `Another ${option.name}`,
      title: "Roll the dice",
      onclick: () => {
        input.value = String(option.low + Math.floor(Math.random() * (option.high - option.low + 1)));
        input.dispatchEvent(new Event("change", { bubbles: true }));
      },
    },
    icon("dice"),
  );
  const element = labelled(worded(option.name), input, { hint: option.description, name: option.name });
  element.querySelector(".with-offers").append(dice);
  return {
    element,
    get value() {
      const typed = input.value.trim();
      return typed === "" ? undefined : Number.isNaN(Number(typed)) ? typed : Number(typed);
    },
    set: (value) => (input.value = value ?? ""),
  };
}

function slider(option) {
  const whole = option.kind === "integer";
  const span = option.high - option.low;
  const step = whole ? (span > 600 ? 16 : 1) : span > 5 ? 0.1 : 0.05;
  const preset = usual(option);
  const middle = preset ?? Math.round((option.low + option.high) / 2 / step) * step;
  const input = h("input", { type: "range", min: option.low, max: option.high, step, value: middle });
  const exact = h("input", {
    type: "number",
    class: "exact",
    min: option.low,
    max: option.high,
    step: whole ? 1 : "any",
    "aria-label": `${worded(option.name)}, exactly`,
    placeholder: preset === undefined ? "–" : String(preset),
  });
  input.addEventListener("input", () => (exact.value = input.value));
  exact.addEventListener("input", () => (input.value = exact.value === "" ? middle : exact.value));
  const element = labelled(worded(option.name), input, { hint: option.description, name: option.name });
  element.classList.add("slides");
  element.querySelector(".with-offers").append(exact);
  return {
    element,
    get value() {
      return exact.value === "" ? undefined : Number(exact.value);
    },
    set: (value) => {
      exact.value = value ?? "";
      input.value = value ?? middle;
    },
  };
}

function toggle(option) {
  const input = h("input", { type: "checkbox", role: "switch" });
  const id = newId("hint");
  input.setAttribute("aria-describedby", id);
  return {
    element: h(
      "div",
      { class: "field", data: { field: option.name } },
      h("label", { class: "switch" }, input, h("span", {}, worded(option.name))),
      h("p", { class: "small", id }, option.description),
      h("p", { class: "trouble", hidden: true }),
    ),
    get value() {
      return input.checked || undefined;
    },
    set: (value) => (input.checked = Boolean(value)),
  };
}

function select(option) {
  const input = h(
    "select",
    {},
    h("option", { value: "" }, "as usual"),
    option.choices.map((choice) => h("option", { value: choice.value }, choice.label)),
  );
  return {
    element: labelled(worded(option.name), input, { hint: option.description, name: option.name }),
    get value() {
      return input.value || undefined;
    },
    set: (value) => (input.value = value ?? ""),
  };
}

/** Sizes as the shapes they have. Pressed again, none is chosen. */
function shapes(option) {
  const group = newId("shape");
  const inputs = option.choices.map((choice) =>
    h("input", { type: "radio", name: group, value: choice.value, class: "sr" }),
  );
  for (const input of inputs)
    input.addEventListener("click", () => {
      if (input.dataset.was === "yes") {
        input.checked = false;
        input.dispatchEvent(new Event("change", { bubbles: true }));
      }
      for (const other of inputs) other.dataset.was = other.checked ? "yes" : "";
    });
  const shape = (choice) => {
    const [width, height] = choice.value.split("x").map(Number);
    const box = h("span", { class: "shape", "aria-hidden": "true" });
    box.style.aspectRatio = `${width} / ${height}`;
    box.style[width >= height ? "width" : "height"] = "1.7rem";
    return box;
  };
  const hint = newId("hint");
  return {
    element: h(
      "fieldset",
      { class: "field", data: { field: option.name }, "aria-describedby": hint },
      h("legend", {}, worded(option.name)),
      h(
        "div",
        { class: "shapes" },
        option.choices.map((choice, place) =>
          h(
            "label",
            {},
            inputs[place],
            h("span", { class: "shape-box" }, shape(choice)),
            h("span", {}, choice.label.replace(` ${choice.value}`, "").replace(/ \d+×\d+$/, "")),
            h("span", { class: "small" }, choice.value.replace("x", "×")),
          ),
        ),
      ),
      h("p", { class: "small", id: hint }, option.description),
      h("p", { class: "trouble", hidden: true }),
    ),
    get value() {
      return inputs.find((input) => input.checked)?.value;
    },
    set: (value) => {
      for (const input of inputs) {
        input.checked = input.value === value;
        input.dataset.was = input.checked ? "yes" : "";
      }
    },
  };
}

/** A LoRA and how strongly it is applied: `yarn:0.8`. */
function weighted(option, command) {
  const [low, high] = state.capabilities.lora_scale ?? [0, 2];
  const input = h("input", { type: "text", autocomplete: "off", placeholder: "none", spellcheck: "false" });
  const weight = h("input", {
    type: "range",
    min: low,
    max: Math.min(high, 2),
    step: 0.05,
    value: 1,
    "aria-label": `Weight of ${worded(option.name)}`,
  });
  const shown = h("output", { class: "exact" });
  const parts = () => input.value.trim().match(/^(.*?)(?::(\d*\.?\d+))?$/);
  const read = () => {
    const given = parts()[2];
    if (given) weight.value = given;
    shown.textContent = input.value.trim() ? (given ?? "usual") : "";
    weight.disabled = !input.value.trim();
  };
  weight.addEventListener("input", () => {
    input.value = `${parts()[1]}:${weight.value}`;
    read();
  });
  input.addEventListener("input", read);
  input.addEventListener("change", read);
  const element = labelled(worded(option.name), input, { hint: option.description, name: option.name });
  element.querySelector(".with-offers").after(h("div", { class: "weight" }, weight, shown));
  element.classList.add("weighted");
  completed(input, (typed) => suggested(command.name, option.name, typed));
  read();
  return {
    element,
    get value() {
      return input.value.trim() || undefined;
    },
    set: (value) => {
      input.value = value ?? "";
      read();
    },
  };
}
