// What completes the text before the caret: commands after a slash, their options, flags, and LoRAs with weights.
import { get } from "./api.js";
import { drawing, offer, optionOf, range, state, usual } from "./state.js";

const RATIOS = ["1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9"];
const FLAG = /(?:^|\s)((?:--|[–—])([a-z]*))$/i;
const VALUE = /(?:^|\s)(?:--|[–—])([a-z]+)[ =]((?:[^\s,]+,\s*)*)(\S*)$/i;

/**
 * What is being typed at the caret:
 *   {kind: "command", typed} · {kind: "flag", typed} · {kind: "value", flag, typed} · {kind: "option", command, …}
 * each with `from`, where the text to be replaced begins; or {kind: "text", command}.
 */
export function reading(text, caret, recent = []) {
  const before = text.slice(0, caret);
  if (before.startsWith("/")) {
    const typed = before.slice(1).toLowerCase();
    if (state.commands.some((it) => it.name.startsWith(typed))) return { kind: "command", typed, from: 0 };
  }
  const command = commandOf(text) ?? (text.startsWith("/") ? null : drawing()[0]);
  if (!command) return { kind: "text", command: null };
  if (drawing().includes(command)) return flagAt(before, command);
  return optionAt(before, command, recent);
}

/** The command that a line begins with, after its slash. */
function commandOf(text) {
  if (!text.startsWith("/")) return null;
  const words = text.slice(1).toLowerCase().split(/\s+/);
  return state.commands.find((it) => it.name === words.slice(0, it.name.split(" ").length).join(" ")) ?? null;
}

function flagAt(before, command) {
  const value = before.match(VALUE);
  const flag = value && state.flags.find((it) => it.names.includes(value[1].toLowerCase()));
  if (flag && takesValue(flag))
    return { kind: "value", command, flag, typed: value[3], from: before.length - value[3].length };
  const begun = before.match(FLAG);
  if (begun) return { kind: "flag", command, typed: begun[2].toLowerCase(), from: before.length - begun[1].length };
  return { kind: "text", command };
}

const takesValue = (flag) => flag.example.includes(" ");

function optionAt(before, command, recent) {
  const rest = before.slice(command.name.length + 1).replace(/^\s+/, "");
  const named = rest.match(/(?:^|\s)([a-z0-9_]+):\s*(\S*)$/i);
  const option = named
    ? command.options.find((it) => it.name === named[1].toLowerCase())
    : command.options.find((it) => it.kind === "text");
  const typed = named && option ? named[2] : rest;
  if (!option || (option.word && /\s/.test(typed))) return { kind: "text", command };
  return { kind: "option", command, option, typed, from: before.length - typed.length, recent };
}

/** `{items, first, hint}` for what is being typed. Items carry `insert`, what they put in place of it. */
export async function offered(context) {
  switch (context.kind) {
    case "command":
      return commands(context.typed);
    case "flag":
      return flags(context.typed);
    case "value":
      return values(context);
    case "option":
      return options(context);
    default:
      return { items: [], first: false, hint: hintOf(context.command) };
  }
}

function commands(typed) {
  const items = state.commands
    .filter((it) => it.name.startsWith(typed))
    .map((it) => ({
      label: `/${it.name}`,
      detail: it.description,
      note: it.options
        .filter((option) => option.required)
        .map((option) => option.name)
        .join(" "),
      insert: it.options.length ? `/${it.name} ` : `/${it.name}`,
      complete: it.name === typed && state.commands.filter((other) => other.name.startsWith(typed)).length === 1,
    }));
  return { items, first: true, hint: "" };
}

function flags(typed) {
  const items = [];
  for (const flag of state.flags) {
    const name = flag.names.find((it) => it.startsWith(typed));
    if (!name) continue;
    const option = optionOf(flag);
    const value = takesValue(flag);
    const note = range(option) || (value ? flag.example.split(" ").slice(1).join(" ") : "");
    items.push({
      label: `--${name}`,
      detail: option?.description ?? "",
      note,
      insert: `--${name} `,
      complete: !value && name === typed,
    });
  }
  return { items, first: Boolean(typed), hint: "" };
}

async function values({ command, flag, typed }) {
  const option = optionOf(flag);
  const hint = valueHint(flag, option);
  if (option?.suggests) {
    const found = await get("/api/suggest", { command: command.name, option: option.name, text: typed });
    return {
      items: found.map((it) => ({ ...offer(it), insert: `${it.value} `, complete: it.value === typed })),
      first: false,
      hint,
    };
  }
  const ratio = /\d:\d/.test(flag.example);
  const choices = ratio ? RATIOS.map((value) => ({ value, label: "" })) : (option?.choices ?? []);
  const items = choices
    .filter((it) => it.value.startsWith(typed))
    .map((it) => ({ label: it.value, detail: it.label, insert: `${it.value} `, complete: it.value === typed }));
  return { items, first: false, hint };
}

function valueHint(flag, option) {
  const span = range(option);
  const usually = option && usual(option);
  return [
    `--${flag.names[0]}`,
    option?.description ?? "",
    span ? `${span}${usually === undefined ? "" : `, usually ${usually}`}` : `e.g. ${flag.example}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

async function options({ command, option, typed, recent }) {
  const hint = `/${command.name} · ${option.name}: ${option.description}${option.required ? "" : " (may be left out)"}`;
  if (option.suggests) {
    const found = await get("/api/suggest", { command: command.name, option: option.name, text: typed });
    return {
      items: found.map((it) => ({ ...offer(it), insert: option.word ? it.value.split(":")[0] : it.value })),
      first: false,
      hint,
    };
  }
  const choices = option.choices?.length
    ? option.choices.map((it) => ({ label: it.value, detail: it.label }))
    : option.word
      ? recent
      : [];
  const items = choices
    .filter((it) => it.label.startsWith(typed.toLowerCase()))
    .map((it) => ({ ...it, insert: it.label, complete: it.label === typed }));
  return { items, first: false, hint };
}

function hintOf(command) {
  if (!command) return "";
  const needs = command.options.find((it) => it.required && it.kind === "picture");
  const more = needs
    ? `needs a picture: add one with +`
    : command.options.some((it) => it.name === "prompt")
      ? "type -- for size, seed, LoRAs and more"
      : "";
  return [`/${command.name}`, command.description, more].filter(Boolean).join(" · ");
}
