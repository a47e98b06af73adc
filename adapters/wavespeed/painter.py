"""Pictures without a model: a small landscape for every prompt, the same for the same seed, marked as simulated."""

from __future__ import annotations

import colorsys
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps, PngImagePlugin

from adapters.wavespeed.textures import texture

Colour = tuple[int, int, int]
Point = tuple[float, float]

MARK = "simulated"
"""The word that every picture carries, in its caption and in its metadata."""

HUES = {
    "red": 0.01, "scarlet": 0.98, "orange": 0.07, "copper": 0.06, "gold": 0.12, "golden": 0.12, "yellow": 0.14,
    "green": 0.34, "emerald": 0.4, "teal": 0.49, "turquoise": 0.48, "blue": 0.6, "azure": 0.56, "violet": 0.75,
    "purple": 0.78, "pink": 0.92, "rose": 0.95,
}  # fmt: skip
NIGHT = {"night", "moon", "moonlit", "midnight", "star", "stars", "starry", "space", "galaxy", "dark", "neon"}
MOTIFS = {
    "sea": {"sea", "ocean", "beach", "lake", "water", "boat", "ship", "island", "harbour", "harbor", "octopus"},
    "city": {"city", "street", "town", "skyline", "house", "tower", "building", "robot", "cyberpunk"},
    "forest": {"forest", "tree", "trees", "wood", "woods", "jungle", "fox", "wolf", "bear", "deer", "owl"},
    "dunes": {"desert", "dune", "dunes", "sand", "camel", "mars"},
    "hills": {"hill", "hills", "mountain", "mountains", "valley", "castle", "dragon", "landscape"},
}


@dataclass(frozen=True, slots=True)
class Scene:
    """What to paint. Sides in pixels; `index` counts from 1; `loras` are pairs of path and scale (0..4).

    `image` and `mask` are encoded pictures. In the mask white is repainted and black is kept, to the pixel.
    `strength` (0..1) is how far `image` is left behind.
    """

    prompt: str
    width: int
    height: int
    seed: int
    index: int = 1
    loras: tuple[tuple[str, float], ...] = ()
    image: bytes | None = None
    mask: bytes | None = None
    strength: float = 0.8


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one landscape, from the sky's top to the nearest ground."""

    zenith: Colour
    horizon: Colour
    light: Colour
    far: Colour
    near: Colour
    accent: Colour
    night: bool


def paint(scene: Scene) -> Image.Image:
    """Paint a picture of exactly the asked size. Raises OSError for an image or a mask that can't be read."""
    picture = _textured(_landscape(scene), scene)
    if scene.image is None:
        return _captioned(picture, scene)
    source = opened(scene.image, (scene.width, scene.height), "RGB")
    blended = _captioned(Image.blend(source, picture, scene.strength), scene)
    if scene.mask is None:
        return blended
    return Image.composite(blended, source, opened(scene.mask, source.size, "L"))


def opened(data: bytes, size: tuple[int, int], mode: str) -> Image.Image:
    """Decode a picture and bring it to `size`. Raises OSError when it is none."""
    with Image.open(io.BytesIO(data)) as source:
        return source.convert(mode) if source.size == size else source.convert(mode).resize(size)


def encode(picture: Image.Image, form: str) -> bytes:
    """`form` is `jpeg`, `png` or `webp`; PNG and JPEG also say in their metadata that they are simulated."""
    into = io.BytesIO()
    if form == "png":
        about = PngImagePlugin.PngInfo()
        about.add_text("Comment", MARK)
        picture.save(into, "PNG", compress_level=1, pnginfo=about)
    elif form == "webp":
        picture.save(into, "WEBP", quality=88, method=0)
    else:
        picture.save(into, "JPEG", quality=90, comment=MARK)
    return into.getvalue()


def _words(prompt: str) -> set[str]:
    return set(re.findall(r"[a-z]+", prompt.lower()))


def _palette(prompt: str, rng: Random) -> Palette:
    words = re.findall(r"[a-z]+", prompt.lower())
    own = Random(prompt.casefold())
    accent = next((HUES[word] for word in words if word in HUES), own.random())
    sky = (accent + own.choice((0.5, 0.42, 0.58, 0.1))) % 1 + rng.uniform(-0.03, 0.03)
    ground = (accent + own.choice((0.04, 0.9, 0.25, 0.6))) % 1
    night = not NIGHT.isdisjoint(words)
    dim = 0.4 if night else 1.0
    return Palette(
        zenith=_colour(sky + (0.4 if 0.1 < sky % 1 < 0.42 else 0), 0.62, 0.72 * dim),  # no mustard or grass-green skies
        horizon=_colour(accent + rng.uniform(-0.02, 0.04), 0.34, 0.98 * (0.5 + dim / 2)),
        light=_colour(accent + 0.05, 0.12 if night else 0.25, 1.0),
        far=_colour(ground, 0.3, 0.74 * (0.4 + 0.6 * dim)),
        near=_colour(ground + 0.06, 0.62, 0.2 if night else 0.27),
        accent=_colour(accent, 0.78, 0.92),
        night=night,
    )


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _landscape(scene: Scene) -> Image.Image:
    """Painted at half the size and enlarged: soft edges, and a quarter of the work."""
    rng = Random(f"{scene.seed}/{scene.index}/{scene.prompt}")
    palette = _palette(scene.prompt, rng)
    half = (max(1, -(-scene.width // 2)), max(1, -(-scene.height // 2)))
    canvas = _sky(half, palette, rng)
    GROUNDS[_motif(scene.prompt)](canvas, palette, rng)
    _subject(canvas, scene.prompt, palette, rng)
    return canvas.resize((scene.width, scene.height), Image.Resampling.BILINEAR)


def _motif(prompt: str) -> str:
    words = _words(prompt)
    for motif, names in MOTIFS.items():
        if words & names:
            return motif
    return Random(prompt.casefold()).choice(sorted(GROUNDS))


def _sky(size: tuple[int, int], palette: Palette, rng: Random) -> Image.Image:
    ramp = _ramp().resize(size)
    sky = ImageOps.colorize(ramp, palette.zenith, palette.horizon)
    width, height = size
    unit = min(size)
    centre = (rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.42) * height)
    radius = unit * rng.uniform(0.07, 0.12)
    _glow(sky, centre, radius * 3.4, palette.light)
    pen = ImageDraw.Draw(sky)
    if palette.night:
        for _ in range(90):
            spot = (rng.random() * width, rng.random() * height * 0.6)
            pen.ellipse(_round(spot, rng.uniform(0.3, 1.1) * unit / 420), fill=palette.light)
    pen.ellipse(_round(centre, radius), fill=palette.light)
    if not palette.night:
        _clouds(sky, palette, rng)
    return sky


@lru_cache(maxsize=1)
def _ramp() -> Image.Image:
    return Image.linear_gradient("L")


@lru_cache(maxsize=1)
def _halo() -> Image.Image:
    return Image.radial_gradient("L").point([round(max(0.0, 1 - level / 180) ** 1.8 * 190) for level in range(256)])


def _glow(canvas: Image.Image, centre: Point, radius: float, colour: Colour) -> None:
    side = max(2, round(radius * 2))
    halo = _halo().resize((side, side))
    canvas.paste(colour, (round(centre[0] - radius), round(centre[1] - radius)), halo)


def _round(centre: Point, radius: float) -> tuple[float, float, float, float]:
    return centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius


def _clouds(canvas: Image.Image, palette: Palette, rng: Random) -> None:
    width, height = canvas.size
    pen = ImageDraw.Draw(canvas, "RGBA")
    white = (*_mix(palette.light, (255, 255, 255), 0.5), 70)
    for _ in range(rng.randint(2, 5)):
        x, y, long = rng.random() * width, rng.uniform(0.06, 0.36) * height, rng.uniform(0.08, 0.24) * width
        for _ in range(4):
            left, top = x + rng.uniform(-0.4, 0.4) * long, y + rng.uniform(-0.012, 0.012) * height
            thick = rng.uniform(0.006, 0.016) * height
            pen.rounded_rectangle((left, top, left + long, top + thick), thick / 2, fill=white)


def _ridge(width: int, base: float, swing: float, rng: Random, *, waves: float = 1.0) -> list[Point]:
    """The outline of a hill chain, from the left edge to the right one, as a sum of four waves."""
    parts = [(rng.uniform(0, math.tau), (1.7**k) * waves * rng.uniform(1.2, 2.4), 0.55**k) for k in range(4)]
    return [
        (x, base - swing * sum(math.sin(phase + pace * math.pi * x / width) * share for phase, pace, share in parts))
        for x in range(-8, width + 16, 8)
    ]


def _fill(canvas: Image.Image, outline: list[Point], colour: Colour) -> None:
    width, height = canvas.size
    ImageDraw.Draw(canvas).polygon([*outline, (width + 16, height + 1), (-16, height + 1)], fill=colour)


def _hills(canvas: Image.Image, palette: Palette, rng: Random, *, waves: float = 1.0, chains: int = 5) -> None:
    width, height = canvas.size
    for chain in range(chains):
        share = chain / (chains - 1)
        base, swing = height * (0.55 + 0.36 * share), height * 0.055 * (1.1 - 0.5 * share)
        _fill(canvas, _ridge(width, base, swing, rng, waves=waves), _mix(palette.far, palette.near, share))


def _dunes(canvas: Image.Image, palette: Palette, rng: Random) -> None:
    warm = replace(palette, near=_mix(palette.near, palette.accent, 0.45), far=_mix(palette.far, palette.accent, 0.4))
    _hills(canvas, warm, rng, waves=0.45, chains=4)


def _forest(canvas: Image.Image, palette: Palette, rng: Random) -> None:
    width, height = canvas.size
    for chain in range(4):
        share = chain / 3
        colour = _mix(palette.far, palette.near, share)
        outline = _ridge(width, height * (0.58 + 0.32 * share), height * 0.03, rng)
        _fill(canvas, outline, colour)
        tall = height * (0.06 + 0.11 * share)
        _trees(ImageDraw.Draw(canvas), outline[:: 1 + chain], tall, colour, rng)


def _trees(pen: ImageDraw.ImageDraw, places: list[Point], tall: float, colour: Colour, rng: Random) -> None:
    for x, y in places:
        height = tall * rng.uniform(0.55, 1.1)
        for storey in (0.0, 0.3, 0.58):
            top, half = y + height * (storey * 0.75 - 0.8), height * (0.1 + storey * 0.24)
            pen.polygon([(x, top), (x - half, top + height * 0.42), (x + half, top + height * 0.42)], fill=colour)


def _sea(canvas: Image.Image, palette: Palette, rng: Random) -> None:
    width, height = canvas.size
    shore = height * 0.58
    _fill(canvas, _ridge(width, shore, height * 0.035, rng), palette.far)
    pen = ImageDraw.Draw(canvas)
    deep = _mix(palette.zenith, palette.near, 0.55)
    bands = 26
    for band in range(bands):
        share = band / (bands - 1)
        top = shore + (height - shore) * share**1.25
        pen.rectangle((0, top, width, height), fill=_mix(_mix(palette.horizon, deep, 0.35), deep, share**0.7))
        for _ in range(7):
            x, long = rng.random() * width, rng.uniform(0.02, 0.09) * width * (0.4 + share)
            pen.line((x, top, x + long, top), fill=_mix(palette.light, deep, 0.35 + share * 0.45), width=1)


def _city(canvas: Image.Image, palette: Palette, rng: Random) -> None:
    width, height = canvas.size
    pen = ImageDraw.Draw(canvas)
    for row in range(3):
        share = row / 2
        wall = _mix(palette.far, palette.near, 0.15 + share * 0.85)
        x = -rng.random() * width * 0.05
        while x < width:
            wide, tall = rng.uniform(0.05, 0.12) * width, rng.uniform(0.18, 0.46) * height * (1 - share * 0.35)
            top = height * (0.84 + share * 0.1) - tall
            pen.rectangle((x, top, x + wide, height), fill=wall)
            if row:
                _windows(pen, (x, top, wide, height), palette, rng)
            x += wide * rng.uniform(0.8, 1.25)


def _windows(pen: ImageDraw.ImageDraw, wall: tuple[float, float, float, float], palette: Palette, rng: Random) -> None:
    left, top, wide, bottom = wall
    pane = max(2.0, wide / 9)
    lit = _mix(palette.accent, palette.light, 0.6)
    y = top + pane * 1.5
    while y < bottom:
        for column in range(4):
            if rng.random() < 0.42:
                x = left + pane * (1 + column * 2)
                pen.rectangle((x, y, x + pane, y + pane), fill=lit)
        y += pane * 2.4


GROUNDS: dict[str, Callable[[Image.Image, Palette, Random], None]] = {
    "city": _city,
    "dunes": _dunes,
    "forest": _forest,
    "hills": _hills,
    "sea": _sea,
}

Shape = tuple[str, tuple[Point, ...]]
"""A tone of the accent (`fur`, `shade`, `white`, `ink`) and the corners of a polygon, in a square of -1..1."""

HEADS: dict[str, tuple[Shape, ...]] = {
    "fox": (
        ("fur", ((-0.92, -1.0), (-0.3, -0.46), (-0.86, 0.06))),
        ("fur", ((0.92, -1.0), (0.3, -0.46), (0.86, 0.06))),
        ("ink", ((-0.84, -0.82), (-0.46, -0.44), (-0.76, -0.2))),
        ("ink", ((0.84, -0.82), (0.46, -0.44), (0.76, -0.2))),
        ("fur", ((-0.86, 0.06), (-0.3, -0.46), (0.0, -0.34), (0.0, 0.9))),
        ("shade", ((0.86, 0.06), (0.3, -0.46), (0.0, -0.34), (0.0, 0.9))),
        ("white", ((-0.86, 0.06), (-0.34, 0.2), (-0.1, 0.72), (0.0, 0.9))),
        ("white", ((0.86, 0.06), (0.34, 0.2), (0.1, 0.72), (0.0, 0.9))),
        ("ink", ((-0.14, 0.72), (0.14, 0.72), (0.0, 0.93))),
        ("ink", ((-0.46, 0.02), (-0.3, -0.08), (-0.2, 0.1))),
        ("ink", ((0.46, 0.02), (0.3, -0.08), (0.2, 0.1))),
    ),
    "cat": (
        ("fur", ((-0.78, -0.95), (-0.22, -0.5), (-0.72, 0.0))),
        ("fur", ((0.78, -0.95), (0.22, -0.5), (0.72, 0.0))),
        ("shade", ((-0.68, -0.72), (-0.34, -0.42), (-0.62, -0.14))),
        ("shade", ((0.68, -0.72), (0.34, -0.42), (0.62, -0.14))),
        ("fur", ((-0.74, 0.0), (-0.4, -0.5), (0.4, -0.5), (0.74, 0.0), (0.5, 0.58), (0.0, 0.8), (-0.5, 0.58))),
        ("white", ((-0.34, 0.34), (0.0, 0.2), (0.34, 0.34), (0.2, 0.64), (0.0, 0.72), (-0.2, 0.64))),
        ("ink", ((-0.1, 0.26), (0.1, 0.26), (0.0, 0.4))),
        ("ink", ((-0.46, 0.0), (-0.3, -0.12), (-0.14, 0.02), (-0.3, 0.1))),
        ("ink", ((0.46, 0.0), (0.3, -0.12), (0.14, 0.02), (0.3, 0.1))),
    ),
}  # fmt: skip
HEADS["wolf"] = HEADS["dog"] = HEADS["fox"]
HEADS["kitten"] = HEADS["tiger"] = HEADS["cat"]


def _subject(canvas: Image.Image, prompt: str, palette: Palette, rng: Random) -> None:
    """An animal that the prompt names looks out of the picture: the demonstration's first picture shows a fox."""
    shapes = next((HEADS[word] for word in re.findall(r"[a-z]+", prompt.lower()) if word in HEADS), None)
    if shapes is None:
        return
    width, height = canvas.size
    reach = min(canvas.size) * rng.uniform(0.25, 0.31)
    left, top = width * rng.uniform(0.42, 0.58), height * 0.6
    tones = {
        "fur": palette.accent,
        "shade": _mix(palette.accent, palette.near, 0.3),
        "white": _mix((255, 255, 255), palette.horizon, 0.2),
        "ink": _mix((20, 18, 26), palette.near, 0.25),
    }
    pen = ImageDraw.Draw(canvas)
    for tone, corners in shapes:
        pen.polygon([(left + x * reach, top + y * reach) for x, y in corners], fill=tones[tone])


def _textured(picture: Image.Image, scene: Scene) -> Image.Image:
    """Lay each LoRA's texture over the picture, the stronger the higher its scale. Scale 0 changes nothing."""
    for path, scale in scene.loras:
        if scale > 0:
            share = 1 - math.exp(-1.2 * scale)
            picture = Image.blend(picture, ImageChops.overlay(picture, texture(path, scale, picture.size)), share)
    return picture


def _captioned(picture: Image.Image, scene: Scene) -> Image.Image:
    unit = max(11, min(picture.size) // 48)
    line = " ".join(scene.prompt.split())
    room = max(8, int(picture.width / (unit * 0.56)) - 30)
    excerpt = line if len(line) <= room else line[: room - 1].rstrip() + "…"
    text = f"{MARK} · seed {scene.seed} · #{scene.index} · {excerpt}"
    band = (0, picture.height - round(unit * 1.9), picture.width, picture.height)
    picture.paste(picture.crop(band).point([level * 2 // 5 for level in range(256)] * 3), band)
    ImageDraw.Draw(picture).text((unit * 0.7, band[1] + unit * 0.4), text, font=_font(unit), fill=(245, 242, 235))
    return picture


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
