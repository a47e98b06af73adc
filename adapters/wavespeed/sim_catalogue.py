"""What the simulated account costs, and which model it offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.wavespeed.sim_account import Account
from adapters.wavespeed.sim_predictions import MODEL
from adapters.wavespeed.sim_rules import V3, Refused, schema


def cost(account: Account, wanted: Mapping[str, Any]) -> float:
    """US$ for `{"model_id", "inputs"}`. Raises Refused: 404 for another model, 400 for an impossible count."""
    if wanted.get("model_id") != MODEL:
        raise Refused(404, "Model not found.")
    inputs = wanted.get("inputs") or {}
    count = inputs.get("num_images", 1) if isinstance(inputs, dict) else None
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 4:
        raise Refused(400, "num_images must be an integer from 1 to 4.")
    return account.cost(count)


def price(account: Account, wanted: Mapping[str, Any]) -> dict[str, Any]:
    dollars = cost(account, wanted)
    return {"price": dollars, "discounted_price": dollars, "discount_rate": 1, "currency": "USD"}


def pricing(account: Account, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The older form. `unit_price` is for the whole request."""
    return {"model_id": MODEL, "unit_price": cost(account, wanted), "currency": "USD"}


def models(account: Account) -> list[dict[str, Any]]:
    model = {
        "model_id": MODEL,
        "name": MODEL,
        "type": "text-to-image",
        "base_price": account.price,
        "formula": "base_price * num_images",
        "api_schema": {"api_schemas": [{"type": "model_run", "request_schema": schema(V3)}]},
    }
    return [model]
