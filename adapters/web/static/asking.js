// What a person asks of Easel, and what becomes of the one answer: a note, a form, a message, or a refusal.
import { once, wordsOf } from "./api.js";

/** Easel said no, in words; `field` is the option that it is about, if it is about one. */
export class Refusal extends Error {
  constructor(card, field) {
    super(wordsOf(card) || card.title);
    this.field = field;
  }
}

const shown = { note: () => {}, form: () => {}, message: () => {} };

/** Says who shows the answers: `note(card)`, `form(form)`, `message(key)`. */
export function onAnswer(handlers) {
  Object.assign(shown, handlers);
}

async function asked(path, body, id) {
  const answer = await once(path, body, id);
  switch (answer.kind) {
    case "error":
      throw new Refusal(answer.card, answer.field);
    case "note":
      return shown.note(answer.card);
    case "form":
      return shown.form(answer.form);
    default:
      return shown.message(answer.key);
  }
}

/** A line as it was typed. `id` is the request's own, the same for each try. */
export const say = (text, sources, id) => asked("/api/say", { text, ...sources }, id);
export const run = (command, options, sources, id) => asked("/api/run", { command, options, ...sources }, id);
export const submit = (form, fields, id) => asked("/api/submit", { verb: form.verb, job: form.job, fields }, id);
export const press = (action, message) =>
  asked("/api/press", { verb: action.verb, job: action.job, argument: action.argument, message });
export const use = (name, message, picture) => asked("/api/use", { name, message, picture });
