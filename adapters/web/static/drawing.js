// The form view: any command that draws, with its options as sliders, shapes and switches, made from the catalogue.
import { run } from "./asking.js";
import { Attachments, droppable, pictureOf } from "./attachments.js";
import { copyButton } from "./cards.js";
import { complain, dialog, forgive, sending, sendsFromText } from "./dialogs.js";
import { h, icon } from "./dom.js";
import { fieldOf } from "./fields.js";
import { drawing, recall, remember, state } from "./state.js";

const OFTEN = new Set(["prompt", "image", "mask", "size", "lora1", "count"]);

/** Opens the form, with `prompt` filled in. `paint` opens the mask editor, `sent` is called when it was taken. */
export function drawingForm({ prompt, paint, sent }) {
  const kept = recall("form", { session: true }) ?? {};
  const commands = drawing();
  let command = commands.find((it) => it.name === kept.command) ?? commands[0];
  const values = { ...(kept.values ?? {}), ...(prompt ? { prompt } : {}) };
  const form = h("form", { class: "form drawing", novalidate: true });
  let fields = new Map();
  const sources = new Attachments(h("div", { class: "attached" }), {
    paint,
    key: "formsources",
    trouble: (text) => (text ? complain(form, { field: "image", message: text }) : forgive(form)),
    changed: () => change(),
  });

  const given = () =>
    Object.fromEntries(
      [...fields].map(([name, field]) => [name, field.value]).filter(([, value]) => value !== undefined),
    );
  const change = () => {
    if (!fields.size) return;
    remember("form", { command: command.name, values: given() }, { session: true });
    const line = written(command, given());
    preview.replaceChildren(h("code", {}, line), copyButton(line, "Copy"));
    for (const element of form.querySelectorAll("[data-field=strength], [data-field=mask]"))
      element.classList.toggle("quietly", !sources.image);
  };
  const preview = h("div", { class: "preview", "aria-label": "The same as a command", role: "group" });

  const render = () => {
    fields = new Map(
      command.options
        .filter((option) => option.kind !== "picture")
        .map((option) => [option.name, fieldOf(option, command)]),
    );
    for (const [name, field] of fields) field.set(values[name]);
    const elements = command.options
      .map((option) => ({
        option,
        element:
          option.kind === "picture"
            ? option.name === "image"
              ? pictureField(option, sources, form)
              : null
            : fields.get(option.name).element,
      }))
      .filter((it) => it.element);
    const [often, seldom] = [
      elements.filter((it) => OFTEN.has(it.option.name)),
      elements.filter((it) => !OFTEN.has(it.option.name)),
    ];
    const first = (it) => (it.option.name === "prompt" ? 0 : 1);
    form.replaceChildren(
      commands.length > 1 ? switcher() : "",
      ...often.sort((one, other) => first(one) - first(other)).map((it) => it.element),
      h(
        "details",
        {
          class: "seldom",
          open: kept.more || seldom.some((it) => values[it.option.name] !== undefined),
          ontoggle: (event) => (kept.more = event.target.open),
        },
        h("summary", {}, "Everything else"),
        h(
          "div",
          { class: "columns" },
          seldom.map((it) => it.element),
        ),
      ),
      h("p", { class: "trouble form-trouble", hidden: true }),
      h(
        "div",
        { class: "form-foot" },
        preview,
        h(
          "div",
          { class: "buttons" },
          h("button", { type: "button", class: "quiet", onclick: reset }, h("span", {}, "Start afresh")),
          h("button", { type: "submit", class: "primary" }, "Draw"),
        ),
      ),
    );
    sources.render();
    change();
  };
  const switcher = () =>
    h(
      "div",
      { class: "segments", role: "group", "aria-label": "Command" },
      commands.map((it) =>
        h(
          "button",
          {
            type: "button",
            "aria-pressed": String(it === command),
            title: it.description,
            onclick: () => {
              Object.assign(values, given());
              command = it;
              render();
              form.querySelector(".segments [aria-pressed=true]").focus();
            },
          },
          `/${it.name}`,
        ),
      ),
    );
  const reset = () => {
    for (const name of Object.keys(values)) delete values[name];
    sources.clear();
    render();
    form.querySelector("textarea").focus();
  };

  form.addEventListener("input", change);
  form.addEventListener("change", change);
  render();
  const window = dialog("Draw", form, { kind: "side" });
  const veil = h("div", { class: "drop", hidden: true }, h("p", {}, "Drop the picture to start from it"));
  window.append(veil);
  droppable(window, veil, (file) => sources.add(file));
  window.addEventListener(
    "paste",
    (event) => pictureOf(event.clipboardData) && sources.add(pictureOf(event.clipboardData)),
  );
  sendsFromText(form);
  let handedIn = {};
  sending(
    form,
    async (id) => {
      handedIn = await sources.ids();
      return run(command.name, given(), handedIn, id);
    },
    () => {
      sources.spend(handedIn);
      remember("form", null, { session: true });
      window.close();
      sent();
    },
  );
  form.querySelector("textarea").focus();
}

function pictureField(option, sources, form) {
  const file = h("input", {
    type: "file",
    class: "sr",
    accept: "image/png,image/jpeg,image/webp",
    tabindex: "-1",
    "aria-label": option.description,
    onchange: () => {
      if (file.files[0]) sources.add(file.files[0]);
      file.value = "";
    },
  });
  const choose = h(
    "button",
    { type: "button", class: "quiet", onclick: () => file.click() },
    icon("image"),
    h("span", {}, "Choose, drop or paste a picture"),
  );
  return h(
    "div",
    { class: "field", data: { field: option.name }, role: "group", "aria-label": option.description },
    h("p", { class: "label" }, option.description),
    sources.box,
    h("div", { class: "with-offers" }, choose, file),
    h("p", { class: "trouble", hidden: true }),
  );
}

/** The line that asks the same: flags where there are any. What has none ("image") is left out. */
function written(command, options) {
  const parts = [`/${command.name}`, options.prompt ?? ""];
  for (const [name, value] of Object.entries(options)) {
    if (name === "prompt") continue;
    const flag =
      state.flags.find((it) => it.names.includes(name)) ??
      state.flags.find((it) => it.option === name) ??
      (/^loras?\d?$/.test(name) ? state.flags.find((it) => it.option === "loras") : null);
    if (flag) parts.push(value === true ? `--${flag.names[0]}` : `--${flag.names[0]} ${value}`);
  }
  return parts.filter(Boolean).join(" ");
}
