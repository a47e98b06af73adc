// What the page knows: who I am, what can be asked, and what the browser remembers for me.

/** Filled from /api/start; `commands` is the catalogue. */
export const state = { me: { id: "", name: "" }, capabilities: {}, commands: [], flags: [], onMessage: [], skew: 0 };

export function learn(start) {
  Object.assign(state, {
    me: start.me,
    capabilities: start.capabilities,
    commands: start.commands,
    flags: start.flags,
    onMessage: start.on_message,
  });
}

/** Commands that draw from words: those with a prompt. */
export const drawing = () => state.commands.filter((it) => it.options.some((option) => option.name === "prompt"));

/** The option that a flag sets, with its range: `--lora` offers what the first LoRA option does. */
export function optionOf(flag) {
  const options = drawing()[0]?.options ?? [];
  const own = options.find((it) => it.name === flag.option);
  if (own?.suggests || flag.option !== "loras") return own;
  return options.find((it) => it.suggests && it.name.startsWith("lora")) ?? own;
}

/** `from 1 to 50`, `1 or 2 …`; empty where there is no range. */
export function range(option) {
  if (!option || (option.kind !== "integer" && option.kind !== "number")) return "";
  if (option.low === null || option.low === undefined) return "";
  return `${option.low} to ${option.high}`;
}

/** What an option is when it isn't given, if the page is told. */
export function usual(option) {
  const { capabilities } = state;
  if (option.name === "count") return 1;
  return capabilities[`default_${option.name}`];
}

/** What the server offers to complete with, as a list shows it: the value, and what its label says beside that. */
export const offer = ({ label, value }) => ({
  label: value,
  detail: label === value ? "" : label.startsWith(`${value} — `) ? label.slice(value.length + 3) : label,
});

const NAMESPACE = "easel:";

/** Something kept in this browser; `session` only as long as this window is open. Silently nothing where that is off. */
export function remember(key, value, { session = false } = {}) {
  try {
    const store = session ? sessionStorage : localStorage;
    if (value === null) store.removeItem(NAMESPACE + key);
    else store.setItem(NAMESPACE + key, JSON.stringify(value));
  } catch {
    // full, or switched off: it is a comfort only
  }
}

export function recall(key, { session = false } = {}) {
  try {
    return JSON.parse((session ? sessionStorage : localStorage).getItem(NAMESPACE + key));
  } catch {
    return null;
  }
}
