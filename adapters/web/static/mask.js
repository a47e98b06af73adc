// The mask editor: what is painted is redrawn. By pointer, touch or keyboard alone.
import { Trouble } from "./api.js";
import { exported, imported, Strokes } from "./brush.js";
import { dialog } from "./dialogs.js";
import { h, icon, isMac, newId } from "./dom.js";
import { announce } from "./live.js";

const STEP = 0.01; // of the longer side, by an arrow key; ten times that with Shift

/**
 * Paints on `image` `{url, name}`, going on from `mask` if there is one. Resolves to a PNG of its size, or null;
 * rejects with Trouble if the image can't be shown.
 */
export async function paintMask(image, mask) {
  const picture = await loaded(image.url).catch(() => {
    throw new Trouble("This picture can't be opened just now. Please try again.");
  });
  const before = mask ? await loaded(mask.url).catch(() => null) : null;
  return new Promise((resolve) => new Editor(image, picture, before, resolve));
}

async function loaded(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

class Editor {
  constructor(image, picture, before, resolve) {
    this.width = picture.naturalWidth;
    this.height = picture.naturalHeight;
    this.strokes = new Strokes(this.width, this.height);
    if (before) this.strokes.base = imported(before, this.width, this.height);
    this.side = Math.max(this.width, this.height);
    this.erase = false;
    this.cursor = [this.width / 2, this.height / 2];
    this.down = false;
    this.resolve = resolve;
    this.result = null;
    this.mask = h("canvas", {});
    this.canvas = h("canvas", { tabindex: "0", role: "application", class: "paint" });
    for (const canvas of [this.mask, this.canvas]) Object.assign(canvas, { width: this.width, height: this.height });
    this.context = this.mask.getContext("2d", { willReadFrequently: true });
    this.ring = h("div", { class: "ring", "aria-hidden": "true", hidden: true });
    const keys = h(
      "p",
      { class: "small keys", id: newId("keys") },
      "By keyboard: arrows move, Shift makes them larger, Space sets the brush down or lifts it, B brush, E eraser, [ and ] size, I invert, ",
      isMac ? "⌘Z" : "Ctrl+Z",
      " undo.",
    );
    this.canvas.setAttribute("aria-label", `Mask of ${image.name}. Painted parts are redrawn.`);
    this.canvas.setAttribute("aria-describedby", keys.id);
    this.picture = h("img", { src: image.url, alt: "", width: this.width, height: this.height, draggable: "false" });
    this.board = h("div", { class: "board" }, this.picture, this.canvas, this.ring);
    this.board.style.setProperty("--ratio", `${this.width} / ${this.height}`);
    this.board.style.setProperty("--wide", String(this.width / this.height));
    this.window = dialog(
      "Paint what should be redrawn",
      h(
        "div",
        { class: "mask" },
        this.tools(),
        h("div", { class: "easel-board" }, this.board),
        h("div", { class: "mask-foot" }, keys, this.buttons()),
      ),
      {
        kind: "large",
        closed: () => resolve(this.result),
      },
    );
    this.listen();
    this.redraw();
    this.canvas.focus();
  }

  tools() {
    const mode = (erase, name, label) =>
      h(
        "button",
        {
          type: "button",
          class: "toggle",
          "aria-pressed": String(erase === this.erase),
          data: { erase: String(erase) },
          onclick: () => this.choose(erase),
        },
        icon(name),
        h("span", {}, label),
      );
    this.modes = [mode(false, "brush", "Brush"), mode(true, "eraser", "Erase")];
    this.size = h("input", { type: "range", min: "1", max: "100", step: "1", value: "34", id: newId("size") });
    this.size.addEventListener("input", () => this.placeRing());
    const act = (name, label, run) =>
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          onclick: () => {
            run();
            this.redraw();
            announce(label);
          },
        },
        icon(name),
        h("span", {}, label),
      );
    this.undo = act("undo", "Undo", () => this.strokes.undo());
    this.redo = act("redo", "Redo", () => this.strokes.redo());
    return h(
      "div",
      { class: "mask-tools", role: "toolbar", "aria-label": "Painting" },
      h("div", { class: "group" }, this.modes),
      h("div", { class: "group size" }, h("label", { for: this.size.id }, "Size"), this.size),
      h(
        "div",
        { class: "group" },
        this.undo,
        this.redo,
        act("invert", "Invert", () => this.strokes.invert()),
        act("delete", "Clear", () => this.strokes.clear()),
      ),
    );
  }

  buttons() {
    return h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", class: "quiet", onclick: () => this.window.close() }, h("span", {}, "Cancel")),
      (this.use = h("button", { type: "button", class: "primary", onclick: () => this.finish() }, "Use this mask")),
    );
  }

  async finish() {
    this.strokes.draw(this.context);
    this.result = await exported(this.mask);
    this.window.close();
  }

  /** Pixels of the picture across. Small sizes are finer to choose. */
  get brush() {
    return Math.max(2, (this.size.valueAsNumber / 100) ** 2 * this.side * 0.6);
  }

  choose(erase) {
    this.erase = erase;
    for (const button of this.modes)
      button.setAttribute("aria-pressed", String(button.dataset.erase === String(erase)));
    announce(erase ? "Eraser" : "Brush");
  }

  // ---- painting ----

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.cursor = this.point(event);
      this.begin();
    });
    canvas.addEventListener("pointermove", (event) => {
      for (const part of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) {
        this.cursor = this.point(part);
        if (this.down && canvas.hasPointerCapture(event.pointerId)) this.goOn();
      }
      this.placeRing();
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.lift());
    canvas.addEventListener(
      "pointerleave",
      () => (document.activeElement === canvas && this.keyboard) || (this.ring.hidden = true),
    );
    this.window.addEventListener("keydown", (event) => this.key(event));
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.width,
      ((event.clientY - box.top) / box.height) * this.height,
    ];
  }

  begin() {
    this.down = true;
    this.strokes.begin(this.erase, this.brush, ...this.cursor);
    this.strokes.drawLast(this.context);
    this.show();
  }

  goOn() {
    this.strokes.to(...this.cursor);
    this.strokes.drawLast(this.context);
    this.show();
  }

  lift() {
    this.down = false;
    this.renewButtons();
  }

  key(event) {
    const undo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    const redo = (undo && event.shiftKey) || ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "y");
    if (undo || redo) {
      this.down = false;
      if (redo) this.strokes.redo();
      else this.strokes.undo();
      this.redraw();
      announce(redo ? "Redone" : "Undone");
      return event.preventDefault();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.canvas) return undefined;
    return this.move(event) || this.letter(event);
  }

  move(event) {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!direction) return false;
    event.preventDefault();
    const step = this.side * STEP * (event.shiftKey ? 10 : 1);
    const [x, y] = this.cursor;
    this.cursor = [
      Math.min(this.width, Math.max(0, x + direction[0] * step)),
      Math.min(this.height, Math.max(0, y + direction[1] * step)),
    ];
    this.keyboard = true;
    if (this.down) this.goOn();
    this.placeRing();
    return true;
  }

  letter(event) {
    const act = {
      " ": () => this.press(),
      b: () => this.choose(false),
      e: () => this.choose(true),
      "[": () => this.resize(-6),
      "]": () => this.resize(6),
      i: () => {
        this.strokes.invert();
        this.redraw();
        announce("Inverted");
      },
    }[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** Space: the brush goes down, or up. */
  press() {
    this.keyboard = true;
    if (this.down) this.lift();
    else this.begin();
    this.placeRing();
    const [x, y] = this.cursor;
    announce(
      `Brush ${this.down ? "down" : "up"}, ${Math.round((x / this.width) * 100)} % from left, ${Math.round((y / this.height) * 100)} % from top`,
    );
  }

  resize(by) {
    this.size.value = String(this.size.valueAsNumber + by);
    this.placeRing();
    announce(`Size ${this.size.value}`);
  }

  // ---- what is seen ----

  placeRing() {
    const scale = this.canvas.clientWidth / this.width;
    this.ring.hidden = false;
    this.ring.classList.toggle("down", this.down);
    Object.assign(this.ring.style, {
      width: `${this.brush * scale}px`,
      height: `${this.brush * scale}px`,
      left: `${this.cursor[0] * scale}px`,
      top: `${this.cursor[1] * scale}px`,
    });
  }

  redraw() {
    this.strokes.draw(this.context);
    this.show();
    this.renewButtons();
  }

  /** The mask in colour over the picture, once a frame. */
  show() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const context = this.canvas.getContext("2d");
      context.globalCompositeOperation = "copy";
      context.drawImage(this.mask, 0, 0);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = "#ff3b1f";
      context.fillRect(0, 0, this.width, this.height);
    });
  }

  renewButtons() {
    this.undo.disabled = !this.strokes.done.length;
    this.redo.disabled = !this.strokes.undone.length;
    this.use.disabled = this.strokes.blank;
  }
}
