// What a screen reader is told, sparingly: one thing at a time, and only what a person waits for.
import { at } from "./dom.js";

const waiting = [];
let busy = false;

/** Says a text politely, after what is still to be said. */
export function announce(text) {
  if (!text || waiting.at(-1) === text) return;
  waiting.push(text);
  if (!busy) next();
}

function next() {
  const text = waiting.shift();
  busy = text !== undefined;
  if (!busy) return;
  at("live").textContent = text;
  setTimeout(next, 700); // a text that is replaced at once isn't spoken
}
