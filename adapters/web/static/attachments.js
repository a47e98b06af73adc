// The picture to start from and the mask painted on it: handed in at once, shown as a chip, kept over a reload.
import { send, Trouble } from "./api.js";
import { h, icon } from "./dom.js";
import { announce } from "./live.js";
import { isGone } from "./pictures.js";
import { recall, remember } from "./state.js";

const KINDS = /^image\/(png|jpeg|webp|gif|bmp|tiff|avif|heic)$/;

/**
 * `image` and `mask` are what was handed in: `{id, name, width, height, url}`; null if there is none. `box` shows them.
 * `paint(image, mask)` opens the mask editor and resolves to a Blob or null. `readable(file)` hears of a PNG that
 * carries its parameters. `changed()` is called after each change.
 */
export class Attachments {
  constructor(box, { paint, trouble, changed = () => {}, parameters = null, key = "" }) {
    this.box = box;
    this.paint = paint;
    this.trouble = trouble;
    this.changed = changed;
    this.parameters = parameters;
    this.key = key;
    this.image = null;
    this.mask = null;
    this.file = null;
    this.under = Promise.resolve();
    this.newest = 0; // counts what was done here: what comes back late changes nothing any more
    if (key) this.restore();
  }

  restore() {
    const kept = recall(this.key, { session: true });
    if (!kept?.image) return;
    this.image = kept.image;
    this.mask = kept.mask;
    this.render();
  }

  /** Hands a file in. Says itself what went wrong, and leaves what was there before then. */
  add(file) {
    const { image, mask, file: from } = this;
    const before = image?.id ? { image, mask, file: from } : { image: null, mask: null, file: null };
    return this.handIn(
      async () => {
        if (!KINDS.test(file.type)) throw new Trouble("That is no picture that I can read: PNG, JPEG and WebP work.");
        this.show(URL.createObjectURL(file));
        this.image = { id: "", name: file.name || "picture", url: this.shown };
        this.mask = this.file = null;
        this.render();
        const added = await this.upload(file, file.name || "picture");
        return { image: added, file: this.parameters && (await carriesParameters(file)) ? file : null };
      },
      (added) => `Added ${added.image.name}, ${added.image.width} by ${added.image.height}`,
      before,
    );
  }

  /** The file itself, as long as it is being handed in; it is given back then. */
  show(url) {
    if (this.shown) URL.revokeObjectURL(this.shown);
    this.shown = url;
  }

  async upload(blob, name) {
    const kept = await send("/api/uploads", blob, name);
    return { ...kept, url: `/api/uploads/${kept.id}` };
  }

  /**
   * Takes over what `work` resolves to and tells it by `words`; where it fails, `instead`. Nothing of both if it comes
   * too late. What is being sent meanwhile waits for it, and is not sent if it fails. Resolves to whether it holds.
   */
  handIn(work, words, instead) {
    this.trouble("");
    const mine = ++this.newest;
    const take = (values) => {
      this.show("");
      Object.assign(this, values);
      this.keep();
      this.render();
    };
    this.under = work().then(
      (values) => {
        if (mine !== this.newest) return false;
        take(values);
        if (values) announce(words(values));
        return Boolean(values);
      },
      (error) => {
        if (mine === this.newest) {
          this.under = Promise.resolve(); // the next try to send is one without it
          take(instead);
        }
        if (!(error instanceof Trouble)) throw error;
        if (mine !== this.newest) return false;
        this.trouble(error.message);
        throw new Trouble(error.message); // never `offline`: what is sent again would be another request
      },
    );
    return this.under.catch((error) => {
      if (!(error instanceof Trouble)) throw error;
      return false;
    });
  }

  /** Opens the mask editor on the picture. What is sent from now on waits for its mask: the old one is still shown. */
  editMask() {
    return this.handIn(
      async () => {
        const blob = await this.paint(this.image, this.mask);
        return blob && { mask: await this.upload(blob, "mask.png") };
      },
      () => "The mask is added",
      { mask: null },
    );
  }

  /** `{image, mask}` as they are sent, once they are handed in. Rejects with Trouble if they could not be. */
  async ids() {
    let under = null;
    while (under !== this.under) {
      ({ under } = this);
      await under;
    }
    return { ...(this.image?.id ? { image: this.image.id } : {}), ...(this.mask?.id ? { mask: this.mask.id } : {}) };
  }

  clear() {
    this.newest += 1;
    this.show("");
    this.image = this.mask = this.file = null;
    this.keep();
    this.render();
  }

  keep() {
    if (this.key) remember(this.key, this.image?.id ? { image: this.image, mask: this.mask } : null, { session: true });
  }

  dropMask() {
    this.newest += 1;
    this.mask = null;
    this.keep();
    this.render();
  }

  render() {
    const within = this.box.contains(document.activeElement);
    this.box.hidden = !this.image;
    this.box.replaceChildren(...(this.image ? [this.imageChip()] : []), ...(this.mask ? [this.maskChip()] : []));
    if (within) (this.box.querySelector("button") ?? document.getElementById("say")).focus();
    this.changed();
  }

  imageChip() {
    const { image } = this;
    const ready = Boolean(image.id);
    const size = image.width ? `${image.width}×${image.height}` : "handing it in…";
    return h(
      "div",
      { class: ready ? "chip" : "chip pending", role: "group", "aria-label": `Picture to start from: ${image.name}` },
      h("img", { src: image.url, alt: "", onerror: () => ready && this.failed(image) }),
      h(
        "span",
        { class: "chip-words" },
        h("span", { class: "chip-name" }, image.name),
        h("span", { class: "small" }, size),
      ),
      ready ? this.tool("brush", this.mask ? "Change the mask" : "Paint a mask", () => this.editMask()) : null,
      this.file ? this.tool("copy", "Take its command", () => this.parameters(this.file)) : null,
      this.tool("close", `Remove ${image.name}`, () => this.clear(), true),
    );
  }

  maskChip() {
    return h(
      "div",
      { class: "chip", role: "group", "aria-label": "Mask" },
      h("img", { src: this.mask.url, alt: "" }),
      h(
        "span",
        { class: "chip-words" },
        h("span", { class: "chip-name" }, "Mask"),
        h("span", { class: "small" }, "white is redrawn"),
      ),
      this.tool("close", "Remove the mask", () => this.dropMask(), true),
    );
  }

  tool(name, label, run, silent = false) {
    return h(
      "button",
      {
        type: "button",
        class: "quiet",
        onclick: run,
        "aria-label": silent ? label : null,
        title: silent ? label : null,
      },
      icon(name),
      silent ? null : h("span", {}, label),
    );
  }

  /** Easel keeps what was handed in for an hour. */
  async failed(image) {
    if (!(await isGone(image.url)) || image !== this.image) return;
    this.clear();
    this.trouble("The picture you had added is no longer kept. Please add it again.");
  }
}

/** Whether a PNG carries the text `parameters`: its chunks are read as they lie there. */
async function carriesParameters(file) {
  if (file.type !== "image/png") return false;
  const data = new DataView(await file.slice(0, 200_000).arrayBuffer());
  let place = 8;
  while (place + 12 <= data.byteLength) {
    const kind = text(data, place + 4, 4);
    if (kind === "IDAT") return false;
    if ((kind === "tEXt" || kind === "iTXt") && text(data, place + 8, 10) === "parameters") return true;
    place += 12 + data.getUint32(place);
  }
  return false;
}

function text(data, from, count) {
  const letters = Array.from({ length: Math.min(count, data.byteLength - from) }, (_, place) =>
    data.getUint8(from + place),
  );
  return String.fromCharCode(...letters);
}

/** The picture file of a drop or a paste, if there is one. */
export function pictureOf(transfer) {
  return [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/")) ?? null;
}

/** Shows `veil` while a file is dragged over `target`, and hands the picture to `take`. */
export function droppable(target, veil, take) {
  let depth = 0;
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (shown) => (veil.hidden = !shown);
  target.addEventListener("dragenter", (event) => hasFiles(event) && (event.preventDefault(), depth++, show(true)));
  target.addEventListener(
    "dragleave",
    (event) => hasFiles(event) && ((depth = Math.max(0, depth - 1)), depth || show(false)),
  );
  target.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  target.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show(false);
    const file = pictureOf(event.dataTransfer) ?? event.dataTransfer.files[0];
    if (file) take(file);
  });
}

/** A picture of this page as a file, to be handed in. */
export async function fetched(url, name) {
  const answer = await fetch(url, { credentials: "same-origin" });
  if (!answer.ok) throw new Trouble("This picture is not kept any more.");
  const blob = await answer.blob();
  return new File([blob], name, { type: blob.type });
}
