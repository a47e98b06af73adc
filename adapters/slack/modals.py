"""Modals: a command's options or a form as a view, and the view that came back as a command with its options.

Inputs are known by their action ids (`easel_in:<option>`), and their blocks carry the option's name. What a view has to
remember stands in its private metadata: the command, what the caller hands in as `metadata`, and pictures that came with
the question. Two keys of the caller's metadata count here: with `thread` the place is settled and not asked, `channel`
is the id of the conversation that is offered first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from adapters.slack import inputs, loras, names
from adapters.slack.inputs import Block
from adapters.slack.render import own
from bot.cards import shorten
from bot.errors import BadRequest, EaselError, PersonCanAct
from commands import lora_names, values
from commands.asking import LORA_OPTIONS
from commands.grammar import FLAGS, parse
from commands.imagine import SIZE
from commands.sizes import parse_size
from commands.spec import Attachment, Command, Kind, Option, Options, Where

if TYPE_CHECKING:
    from bot.cards import Form
    from bot.easel import Easel

MOST_TITLE = 24
MOST_METADATA = 3000
MOST_ERROR = 300
"""Characters below a field; Slack names no limit, people read no more."""

SWITCHES = "switches"
CHANNEL = "channel"
"""Where to post; empty means the direct messages."""
PROMPT = "prompt"

_OPTION_OF_FLAG = {name: flag.option for flag in FLAGS for name in flag.names}


class FieldErrors(PersonCanAct):
    """Several fields make no sense; `errors` holds a text for each block, as a view's errors are answered."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = dict(errors)


# ---- out ----


def command_modal(
    command: Command, options: Options, easel: Easel, *, metadata: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Ask for the options of a command, filled in with those that are known.

    Raises ValueError for more metadata than Slack keeps.
    """
    metadata = metadata or {}
    options = _spread(options, easel)
    draws = _draws(command)
    kept = {name: value for name, value in options.items() if isinstance(value, Attachment)}
    blocks = [*_inputs(command, options, easel, kept)]
    if draws and not metadata.get("thread"):
        blocks.append(_channel(str(metadata.get("channel") or "")))
    if on_or_off := [option for option in command.options if option.kind is Kind.BOOLEAN]:
        blocks.append(inputs.switches(SWITCHES, "Also", on_or_off, options))
    return _view(
        names.COMMAND_VIEW,
        command.title or command.name.capitalize(),
        "Draw" if draws else "Go",
        blocks,
        {
            "c": command.name,
            "w": command.where.value,
            "m": metadata,
            "k": {name: [it.key, it.name, it.bytes] for name, it in kept.items()},
        },
    )


def form_modal(form: Form, *, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Ask a form. Raises ValueError for more metadata than Slack keeps."""
    blocks = [
        inputs.block(
            field.name,
            field.label,
            inputs.text(field.value, most=field.most, long=field.long),
            hint=field.hint,
            required=field.required,
        )
        for field in form.fields
    ]
    kept = {"c": form.verb, "w": Where.FORM.value, "j": form.job, "m": metadata or {}}
    return _view(names.FORM_VIEW, form.title, "Draw", blocks, kept)


def _view(callback_id: str, title: str, submit: str, blocks: list[Block], kept: Mapping[str, Any]) -> dict[str, Any]:
    private = json.dumps({key: value for key, value in kept.items() if value}, separators=(",", ":"))
    if len(private) > MOST_METADATA:
        raise ValueError(f"a view keeps at most {MOST_METADATA} characters of metadata")
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": inputs.plain(title, MOST_TITLE),
        "submit": inputs.plain(submit, MOST_TITLE),
        "close": inputs.plain("Cancel", MOST_TITLE),
        "private_metadata": private,
        "blocks": blocks or [{"type": "section", "text": inputs.plain("There is nothing to fill in.", 3000)}],
    }


def _inputs(command: Command, options: Options, easel: Easel, kept: Mapping[str, Attachment]) -> Iterable[Block]:
    """What is required first, then in the catalogue's order; switches stand apart."""
    chosen, written = loras.sorted_out(options, easel)
    for option in sorted(command.options, key=lambda it: not it.required):
        if option.kind is Kind.BOOLEAN:
            continue
        if loras.searches(command) and option.name in LORA_OPTIONS:
            if option.name == loras.SELECT:
                yield loras.select(chosen, easel)
            elif option.name == loras.TEXT:
                yield loras.text(option, written)
            continue
        held = kept.get(option.name)
        if held:
            yield _kept(option, held)
        yield inputs.of_option(option, options.get(option.name), easel, required=option.required and not held)


def _channel(first: str) -> Block:
    """Direct messages aren't offered: other people's are closed to the bot, and its own are what an empty field means."""
    element: dict[str, Any] = {
        "type": "conversations_select",
        "placeholder": inputs.plain("Straight to me", inputs.MOST_PLACEHOLDER),
        "filter": {"include": ["public", "private", "mpim"], "exclude_bot_users": True},
        "response_url_enabled": True,
    }
    if first and not first.startswith("D"):
        element |= {"initial_conversation": first, "default_to_current_conversation": True}
    hint = "Empty: in your direct messages. In a channel I have to be a member."
    return inputs.block(CHANNEL, "Where to post", element, hint=hint)


def _kept(option: Option, attachment: Attachment) -> Block:
    told = f"{option.name.capitalize()}: {attachment.name}. Add another one below to use that instead."
    return {"type": "context", "elements": [inputs.plain(told, 2000)]}


def _spread(options: Options, easel: Easel) -> Options:
    """Flags in the prompt become the inputs they mean, so that nothing is said twice; nonsense stays where it is."""
    try:
        typed = parse(str(options.get(PROMPT) or ""), easel.capabilities)
    except BadRequest:
        return _sized(options)
    if any(name in options and name != loras.TEXT for name in typed.options):
        return _sized(options)
    said = {**options, **typed.options}
    if loras.TEXT in options and loras.TEXT in typed.options:
        said[loras.TEXT] = f"{options[loras.TEXT]}, {typed.options[loras.TEXT]}"
    if typed.options:
        said[PROMPT] = typed.prompt
    return _sized(said)


def _sized(options: Options) -> Options:
    """A size beside the usual ones (from --ar) is a width and a height."""
    size = options.get("size")
    if size is None or size in {choice.value for choice in SIZE.choices}:
        return options
    rest = {name: value for name, value in options.items() if name != "size"}
    try:
        read = parse_size(str(size))
    except BadRequest:
        return rest
    return {**rest, "width": read.width, "height": read.height}


def _draws(command: Command) -> bool:
    return any(option.name == PROMPT for option in command.options)


# ---- back ----


def metadata(view: Mapping[str, Any]) -> dict[str, Any]:
    """What the caller handed in when the view was made."""
    found: dict[str, Any] = _private(view).get("m") or {}
    return found


def channel(view: Mapping[str, Any]) -> str | None:
    """Where the person wants it; None for the direct messages, or where it wasn't asked (`asks_channel`)."""
    chosen = _states(view).get(CHANNEL)
    return str(chosen) if chosen else None


def asks_channel(view: Mapping[str, Any]) -> bool:
    return _block_of(view, CHANNEL) is not None


def submitted(view: Mapping[str, Any], catalogue: Iterable[Command], easel: Easel) -> tuple[Command, dict[str, object]]:
    """What a view that came back asks for. Raises FieldErrors with every field that makes no sense at once."""
    private, states = _private(view), _states(view)
    command = _command(private, catalogue)
    kept = {name: Attachment(*parts) for name, parts in (private.get("k") or {}).items()}
    options: dict[str, object] = {"job": private["j"]} if private.get("j") else {}
    errors: dict[str, str] = {}
    asked = [it for it in command.options if not (loras.searches(command) and it.name in LORA_OPTIONS)]
    for option in asked:
        try:
            value = _value(option, states, kept, easel)
        except BadRequest as error:
            errors[_place(view, option.name)] = _told(error)
            continue
        if value is not None:
            options[option.name] = value
    if loras.searches(command):
        chosen, written = states.get(loras.SELECT) or [], lora_names.split(str(states.get(loras.TEXT) or ""))
        try:
            if texts := loras.together(chosen, written, easel):
                options[loras.TEXT] = ", ".join(texts)
        except BadRequest as error:
            errors[_place(view, loras.TEXT if written else loras.SELECT)] = _told(error)
    if errors:
        raise FieldErrors(errors)
    return command, options


def _value(option: Option, states: Mapping[str, Any], kept: Mapping[str, Attachment], easel: Easel) -> object:
    """Raises BadRequest for what its option doesn't take, and for what is required and missing."""
    if option.kind is Kind.BOOLEAN:
        return option.name in (states.get(SWITCHES) or []) or None
    given = states.get(option.name) or kept.get(option.name)
    if given is None and option.required:
        raise BadRequest("Please fill this in.", field=option.name)
    return given if given is None or option.kind is Kind.PICTURE else values.value(option, given, easel)


def field_errors(error: EaselError, view: Mapping[str, Any]) -> dict[str, str]:
    """The error at its field; at the first one where it has none in this view. A view takes errors at inputs only."""
    if isinstance(error, FieldErrors):
        return error.errors
    field = getattr(error, "field", None)
    about_flag = str(error).startswith(("--", "There is no flag")) or "keep one --" in str(error)
    name = PROMPT if about_flag else _OPTION_OF_FLAG.get(str(field), str(field))
    return {_place(view, name): _told(error)}


def suggestions(payload: Mapping[str, Any], catalogue: Iterable[Command], easel: Easel) -> list[dict[str, Any]]:
    """What to offer for the text typed so far in a searching input."""
    name = str(payload.get("action_id") or "").removeprefix(names.INPUT)
    options = (option for command in catalogue for option in command.options)
    suggest = next((option.suggest for option in options if option.name == name and option.suggest), None)
    return inputs.choices(suggest(easel, str(payload.get("value") or ""))) if suggest else []


def _private(view: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(view.get("private_metadata") or "{}")
    return found


def _command(private: Mapping[str, Any], catalogue: Iterable[Command]) -> Command:
    """Raises BadRequest for a view that an older Easel opened."""
    for command in catalogue:
        if (command.name, command.where.value) == (private.get("c"), private.get("w")):
            return command
    raise BadRequest("This form is from an older version. Please open it again.")


def _states(view: Mapping[str, Any]) -> dict[str, Any]:
    """What every input holds, by its name."""
    blocks: Mapping[str, Mapping[str, Any]] = (view.get("state") or {}).get("values") or {}
    held = ((action, state) for actions in blocks.values() for action, state in actions.items())
    return {action.removeprefix(names.INPUT): inputs.given(state) for action, state in held}


def _block_of(view: Mapping[str, Any], name: str) -> str | None:
    for block in view.get("blocks") or []:
        if block["type"] == "input" and block["element"].get("action_id") == inputs.action_id(name):
            return str(block["block_id"])
    return None


def _place(view: Mapping[str, Any], name: str) -> str:
    """The block of this option; else of what stands for it, else the first input of the view."""
    stand_ins = (loras.SELECT, loras.TEXT) if name in LORA_OPTIONS else ("width",) if name == "size" else ()
    found = [block for it in (name, *stand_ins) if (block := _block_of(view, it))]
    firsts = [block["block_id"] for block in view.get("blocks") or [] if block["type"] == "input"]
    return str([*found, *firsts, name][0])


def _told(error: Exception) -> str:
    return shorten(" ".join(own(str(error)).split()), MOST_ERROR)
