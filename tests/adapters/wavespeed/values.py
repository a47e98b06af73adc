"""Requests, settings and pictures for tests."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from adapters.wavespeed.settings import WaveSpeedSettings
from bot.images import ImageRequest, Size

SQUARE = Size(512, 512)
KEY = "a-key-that-must-not-travel"


def request(prompt: str = "a red fox", *, size: Size = SQUARE, seed: int = 7, **more: Any) -> ImageRequest:
    return ImageRequest(prompt, size, seed, **more)


def settings(base_url: str = "https://api.wavespeed.ai", **more: Any) -> WaveSpeedSettings:
    values: dict[str, Any] = {"api_key": KEY, "base_url": base_url, "tier": "ultra", **more}
    return WaveSpeedSettings(_env_file=None, **values)


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 48)) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(file, kind)
    return file.getvalue()
