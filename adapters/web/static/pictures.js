// Pictures in messages and in the gallery: covered where they have to be, and large when one is chosen.
import { h, icon } from "./dom.js";

const GONE = "This picture is not kept any more.";
const TRIES = 5;
const WAIT = 500; // milliseconds, before the first of them

const uncovered = new Set();
let look = () => {};

/** Says what opens a picture that was chosen: `open(pictures, index, key)`. */
export function onLook(open) {
  look = open;
}

export const isCovered = (picture) => picture.hidden && !uncovered.has(picture.url);

function uncover(picture) {
  uncovered.add(picture.url);
}

/** The pictures of a card, as elements. */
export function pictures(card, key) {
  const many = card.pictures.length > 1;
  return card.pictures.map((picture, place) =>
    frame(picture, { number: many ? picture.index : 0, open: () => look(card.pictures, place, key) }),
  );
}

/** One picture with its cover. `open` is called when it is chosen, `shown` when its cover is taken off. */
export function frame(picture, { number = 0, open, shown = () => {}, crop = false }) {
  const image = h("img", {
    src: picture.url,
    width: picture.width,
    height: picture.height,
    decoding: "async",
    loading: crop ? "lazy" : "eager",
    onload: () => {
      image.dataset.tries = "0";
      box.classList.remove("gone");
      box.classList.add("here");
    },
    onerror: () => failed(image, box),
  });
  const button = h("button", { type: "button", class: "open", onclick: () => open() }, image);
  const box = h(
    "div",
    { class: "picture", data: { url: picture.url } },
    button,
    h("p", { class: "gone-word" }, GONE),
  );
  shape(box, picture.width, picture.height);
  if (!picture.width) image.addEventListener("load", () => shape(box, image.naturalWidth, image.naturalHeight));
  if (number) box.append(h("span", { class: "number", "aria-hidden": "true" }, String(number)));
  if (isCovered(picture)) cover(box, button, image, picture, shown);
  else image.alt = picture.alt;
  return box;
}

/** Whether Easel says that it keeps a picture no more. Else nobody answered, e.g. since a process restarts. */
export async function isGone(url) {
  const answer = await fetch(url, { credentials: "same-origin" }).catch(() => null);
  answer?.body?.cancel();
  return answer?.status === 404;
}

/** A picture for which nobody answered is asked for a few times more. */
async function failed(image, box) {
  const url = image.getAttribute("src");
  const tries = Number(image.dataset.tries ?? 0);
  const gone = await isGone(url);
  if (gone || tries === TRIES) {
    box.querySelector(".gone-word").textContent = gone ? GONE : "This picture can't be loaded just now.";
    return box.classList.add("gone");
  }
  image.dataset.tries = String(tries + 1);
  return setTimeout(() => (image.src = url), WAIT * 2 ** tries);
}

/** Pictures that couldn't be had are asked for once more: the connection may have been away. */
export function again() {
  for (const image of document.querySelectorAll(".picture.gone img")) {
    image.dataset.tries = "0";
    image.src = image.getAttribute("src");
  }
}

/** The room a picture takes before it is there. */
function shape(box, width, height) {
  if (!width) return;
  box.style.setProperty("--ratio", `${width} / ${height}`);
  box.style.setProperty("--natural", `${width}px`);
  box.style.setProperty("--wide", String(width / height));
}

/** Blurred, silent and out of the way of the keyboard until somebody asks for it. */
function cover(box, button, image, picture, shown) {
  image.alt = "";
  button.inert = true;
  box.classList.add("covered");
  const show = h(
    "button",
    {
      type: "button",
      class: "show",
      onclick: () => {
        uncover(picture);
        box.classList.remove("covered");
        image.alt = picture.alt;
        button.inert = false;
        veil.remove();
        button.focus({ preventScroll: true });
        shown();
      },
    },
    icon("eye"),
    h("span", {}, "Show"),
  );
  const veil = h("div", { class: "veil" }, h("p", {}, "Covered picture"), show);
  show.setAttribute("aria-label", `Show covered picture ${picture.index}`);
  box.append(veil);
}
