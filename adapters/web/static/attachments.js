// The picture to start from and the mask painted on it: handed in at once, shown as a chip, kept over a reload.
import { send, Trouble } from "./api.js";
import { h, icon } from "./dom.js";
import { announce } from "./live.js";
import { isGone } from "./pictures.js";
import { recall, remember } from "./state.js";

const NOTHING = { image: null, mask: null, file: null };
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
    Object.assign(this, NOTHING);
    this.good = NOTHING; // what holds if what is under way fails
    this.under = Promise.resolve();
    this.newest = 0; // counts what was done here: what comes back late changes nothing any more
    this.failed = 0;
    this.painting = false;
    if (key) this.restore();
  }

  restore() {
    const kept = recall(this.key, { session: true });
    if (!kept?.image) return;
    this.good = { ...NOTHING, image: kept.image, mask: kept.mask };
    this.show(this.good);
  }

  /** Hands a file in; resolves to whether it is there. Says itself what went wrong: then what was there before stays. */
  async add(file) {
    if (!KINDS.test(file.type)) {
      this.fail("That is no picture that I can read: PNG, JPEG and WebP work.");
      return false;
    }
    const name = file.name || "picture";
    const url = URL.createObjectURL(file);
    this.show({ ...NOTHING, image: { id: "", name, url } });
    this.local = url;
    return this.handIn(
      async () => {
        const image = await this.upload(file, name);
        return { ...NOTHING, image, file: this.parameters && (await carriesParameters(file)) ? file : null };
      },
      ({ image }) => `Added ${image.name}, ${image.width} by ${image.height}`,
    );
  }

  /** Shows `{image, mask, file}`. A file that was shown itself, while it was handed in, is let go. */
  show(all) {
    if (this.local) URL.revokeObjectURL(this.local);
    this.local = "";
    Object.assign(this, all);
    this.render();
  }

  /** These hold from now on, also after a reload. Nothing that is under way changes that. */
  settle(all) {
    this.newest += 1;
    this.under = Promise.resolve();
    this.good = all;
    this.show(all);
    if (this.key) remember(this.key, all.image ? { image: all.image, mask: all.mask } : null, { session: true });
    // To its form: the same words with another picture are another request.
    this.box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  fail(why) {
    this.failed += 1;
    this.why = why;
    this.trouble(why);
  }

  async upload(blob, name) {
    const kept = await send("/api/uploads", blob, name);
    return { ...kept, url: `/api/uploads/${kept.id}` };
  }

  /**
   * Takes over what `work` resolves to, and tells it by `words`; if it fails, or resolves to null, what was there before.
   * Neither if it comes too late. Resolves to whether it was taken over.
   */
  handIn(work, words) {
    this.trouble("");
    const mine = ++this.newest;
    const isLate = () => mine !== this.newest;
    const taken = work().then(
      (all) => {
        if (isLate()) return false;
        this.settle(all ?? this.good);
        if (all) announce(words(all));
        return Boolean(all);
      },
      (error) => {
        if (!(error instanceof Trouble)) reportError(error);
        if (isLate()) return false;
        this.settle(this.good);
        this.fail(error instanceof Trouble ? error.message : "The picture could not be added. Please try again.");
        return false;
      },
    );
    this.under = taken;
    return taken;
  }

  /** Opens the mask editor on the picture. What is sent from now on waits for its mask: the old one is still shown. */
  async editMask() {
    if (this.painting) return false;
    this.painting = true;
    const { image, file } = this;
    return this.handIn(
      async () => {
        const blob = await this.paint(image, this.mask).finally(() => (this.painting = false));
        return blob && { image, file, mask: await this.upload(blob, "mask.png") };
      },
      () => "The mask is added",
    );
  }

  /** `{image, mask}` as they are sent, once they are handed in. Rejects with Trouble if anything could not be. */
  async ids() {
    const { failed } = this;
    let under = null;
    while (under !== this.under) {
      ({ under } = this);
      await under;
    }
    // Never `offline`: what is sent next has other pictures, and is another request.
    if (failed !== this.failed) throw new Trouble(`${this.why} Nothing was sent.`);
    return { ...(this.image?.id ? { image: this.image.id } : {}), ...(this.mask?.id ? { mask: this.mask.id } : {}) };
  }

  /** What was sent is spent; what was added meanwhile stays. */
  spend({ image, mask }) {
    const isSent = (all) => all.image?.id === image && all.mask?.id === mask;
    if (isSent(this)) this.clear();
    else if (isSent(this.good)) this.good = NOTHING;
  }

  clear() {
    this.settle(NOTHING);
  }

  dropMask() {
    this.settle({ ...this.good, mask: null });
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
      h("img", { src: image.url, alt: "", onerror: () => ready && this.vanished(image) }),
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
  async vanished(image) {
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
