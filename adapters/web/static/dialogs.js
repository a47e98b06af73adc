// Windows over the page: the frame they share, forms that Easel asks, one's name, and a picture in full.
import { get, post, requestId, Trouble } from "./api.js";
import { Refusal, submit } from "./asking.js";
import { copyButton } from "./cards.js";
import { at, h, icon, newId } from "./dom.js";
import { frame, isCovered } from "./pictures.js";
import { offer, state } from "./state.js";

/**
 * A modal window with a title. Closes by Esc, by its button, and by `close`; focus goes back to where it was, unless
 * it has already gone somewhere else: the close event comes later than the end, and people's keys before it.
 */
export function dialog(title, body, { kind = "", closed = () => {} } = {}) {
  const back = document.activeElement;
  const id = newId("title");
  const window = h(
    "dialog",
    { class: `window ${kind}`, "aria-labelledby": id },
    h(
      "header",
      { class: "window-top" },
      h("h2", { id }, title),
      h(
        "button",
        { type: "button", class: "tool", "aria-label": "Close", onclick: () => window.close() },
        icon("close"),
      ),
    ),
    h("div", { class: "window-body" }, body),
  );
  window.addEventListener("close", () => {
    const lost = document.activeElement === document.body || window.contains(document.activeElement);
    window.remove();
    if (lost && back?.isConnected) back.focus({ preventScroll: true });
    closed();
  });
  window.addEventListener("mousedown", (event) => event.target === window && window.dataset.light && window.close());
  at("dialogs").append(window);
  window.showModal();
  return window;
}

/** One labelled input with its hint and a place for what is wrong with it. */
export function labelled(label, input, { hint = "", name = "" } = {}) {
  const id = input.id || newId("field");
  input.id = id;
  const hintElement = h("p", { class: "small", id: `${id}-hint` }, hint);
  const wrong = h("p", { class: "trouble", id: `${id}-wrong`, hidden: true });
  input.setAttribute("aria-describedby", `${id}-hint ${id}-wrong`);
  return h(
    "div",
    { class: "field", data: { field: name } },
    h("label", { for: id }, label),
    h("div", { class: "with-offers" }, input),
    hint ? hintElement : null,
    wrong,
  );
}

/** Says what is wrong at its field where that is known, else at the end of the form; focus goes there. */
export function complain(form, error) {
  const field = error.field && form.querySelector(`[data-field="${CSS.escape(error.field)}"]`);
  const place = field ? field.querySelector(".trouble") : form.querySelector(":scope > .trouble, .form-trouble");
  place.textContent = error.message;
  place.hidden = false;
  place.setAttribute("role", "alert");
  const input = field?.querySelector("input, textarea, select");
  input?.setAttribute("aria-invalid", "true");
  if (input) input.focus();
  else place.scrollIntoView({ block: "nearest" });
}

export function forgive(form) {
  for (const place of form.querySelectorAll(".trouble")) place.hidden = true;
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

/** Sends a form in a window: the same request for each try, and what was written stays until it is taken. */
export function sending(form, send, done) {
  let id = requestId();
  form.addEventListener("input", () => (id = requestId()));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.classList.contains("sending")) return;
    forgive(form);
    form.classList.add("sending");
    try {
      await send(id);
      done();
    } catch (error) {
      if (!(error instanceof Refusal || error instanceof Trouble)) throw error;
      if (!error.offline) id = requestId();
      complain(form, error);
    } finally {
      form.classList.remove("sending");
    }
  });
}

/** Enter with Ctrl or ⌘ sends from within a long text. */
export function sendsFromText(form) {
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

/** A form that Easel asks, e.g. the prompt to be edited. */
export function asks(given) {
  const inputs = new Map();
  const fields = given.fields.map((field) => {
    const input = field.long
      ? h("textarea", { rows: 4, value: field.value, maxlength: field.most, required: field.required })
      : h("input", {
          type: "text",
          value: field.value,
          maxlength: field.most,
          required: field.required,
          autocomplete: "off",
        });
    inputs.set(field.name, input);
    const element = labelled(field.label, input, { hint: field.hint, name: field.name });
    if (field.name === "loras") lorasIn(input);
    return element;
  });
  const form = h(
    "form",
    { class: "form" },
    fields,
    h("p", { class: "trouble form-trouble", hidden: true }),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Draw")),
  );
  const window = dialog(given.title, form, { kind: "narrow" });
  sendsFromText(form);
  sending(
    form,
    (id) => submit(given, Object.fromEntries([...inputs].map(([name, input]) => [name, input.value])), id),
    () => window.close(),
  );
  [...inputs.values()][0]?.focus();
}

let lorasIn = () => {};

/** Says how a field of LoRAs completes. */
export function completeLoras(complete) {
  lorasIn = complete;
}

/** Asks for another name. */
export function name(changed) {
  const input = h("input", {
    type: "text",
    value: state.me.name,
    maxlength: 40,
    required: true,
    autocomplete: "nickname",
  });
  const form = h(
    "form",
    { class: "form" },
    labelled("Your name", input, { hint: "What the others here see. It is kept in this browser.", name: "name" }),
    h("p", { class: "trouble form-trouble", hidden: true }),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Take it")),
  );
  const window = dialog("Who are you?", form, { kind: "narrow" });
  sending(
    form,
    async () => changed(await named(input.value)),
    () => window.close(),
  );
  input.select();
}

async function named(value) {
  const answer = await post("/api/me", { name: value });
  if (answer.kind === "error") throw new Refusal(answer.card, "name");
  return answer.name;
}

/** A picture as large as the window, with what can be done with it. `items` are `{picture, line, prompt}`. */
export function viewer(items, start, { use }) {
  let place = start;
  const stage = h("div", { class: "stage" });
  const about = h("div", { class: "about" });
  const turn = (by) => {
    place = (place + by + items.length) % items.length;
    render();
  };
  const render = () => {
    const { picture, line, prompt } = items[place];
    // A mask is painted on the picture as it is, so its cover has to be off.
    const paint = h(
      "button",
      { type: "button", class: "quiet", hidden: isCovered(picture), onclick: () => act("mask") },
      icon("brush"),
      h("span", {}, "Paint a mask"),
    );
    stage.replaceChildren(frame(picture, { open: () => window.close(), shown: () => (paint.hidden = false) }));
    about.replaceChildren(
      prompt ? h("p", { class: "about-prompt" }, prompt) : (null ?? ""),
      h(
        "div",
        { class: "buttons" },
        items.length > 1 ? h("span", { class: "count" }, `${place + 1} of ${items.length}`) : "",
        line ? copyButton(line, "Copy command") : "",
        line
          ? h(
              "button",
              { type: "button", class: "quiet", onclick: () => act("line") },
              icon("edit"),
              h("span", {}, "Use command"),
            )
          : "",
        paint,
        h("a", { class: "quiet", href: picture.download, download: "" }, icon("download"), h("span", {}, "Download")),
      ),
    );
  };
  const act = (what) => {
    const item = items[place];
    window.close();
    use(what, item);
  };
  const steps =
    items.length < 2
      ? []
      : [
          [-1, "Previous picture"],
          [1, "Next picture"],
        ].map(([by, label]) =>
          h(
            "button",
            {
              type: "button",
              class: by < 0 ? "step before" : "step after",
              "aria-label": label,
              onclick: () => turn(by),
            },
            icon("down"),
          ),
        );
  const window = dialog("Picture", h("div", { class: "viewer" }, stage, steps, about), { kind: "large" });
  window.dataset.light = "yes";
  window.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") turn(-1);
    else if (event.key === "ArrowRight") turn(1);
  });
  render();
}

/** LoRAs that fit a text, for fields that complete. */
export async function suggested(command, option, text) {
  const found = await get("/api/suggest", { command, option, text });
  return found.map((it) => ({ ...offer(it), value: it.value }));
}
