"""The YAML keys of ``llm:`` and what a model's name stands for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings, suggestion
from augtune.llm.batch import BatchSettings
from augtune.llm.keys import holds_secret
from augtune.llm.messages import OWN_FIELDS, not_extra
from augtune.llm.presets import PRESETS, MaxTokensField, Preset
from augtune.llm.prices import FREE, Budget, Price, list_price
from augtune.llm.providers.local import LocalOptions, weights_name

__all__ = ["LLMSettings", "Target", "price_of", "target_of"]


class LLMSettings(Settings):
    """Which language model answers, how fast it is asked and how much that may cost."""

    model: str | None = None
    """PROVIDER/MODEL, e.g. openai/gpt-4.1-mini, ollama/llama3.2 or local/FOLDER. May be left out with replay."""

    base_url: str | None = None
    """Address of an OpenAI-compatible API, e.g. http://127.0.0.1:8000/v1, in place of the provider's own."""

    api_key_env: str | None = None
    """Environment variable (or line of .env) that holds the key. With base_url, no key is sent unless this is given."""

    budget: str | None = None
    """The most that may be spent on the replies in one cache, earlier runs included: 2 USD, 500 calls or 2M tokens."""

    price: Price | None = None
    """What the model costs, {input: ..., output: ...} in $/million tokens, if prices.toml does not know it."""

    replay: Path | None = None
    """Answer from this recording (llm.save_replies writes one) and from nothing else: no network, no cost."""

    cache: Path | None = None
    """SQLite file that keeps every reply; a run uses the cache.sqlite of its own folder if this is not given."""

    max_in_flight: int = Field(default=32, ge=1, le=4096)
    """Most calls at once; fewer are made while the provider says it is too many."""

    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Most calls a minute, spread evenly."""

    tokens_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Most tokens a minute, in and out together."""

    timeout_s: float = Field(default=60.0, gt=0)
    """Seconds one attempt of a call may take; waiting for its turn does not count."""

    give_up_after_s: float = Field(default=600.0, ge=0, allow_inf_nan=False)
    """Most seconds one call waits between attempts, all its waits together."""

    own_process: bool = True
    """Make calls that cost money in a small process of its own, so that when this one is killed those that are out are
    still answered and kept; false makes them in this one. It applies where replies are kept in a file."""

    local: LocalOptions = Field(default_factory=LocalOptions)
    """How a model in this process (local/FOLDER, local/HUB_NAME) runs: {device, dtype, batch_size, revision}."""

    batch: BatchSettings | None = None
    """Make calls in batches, at batch price: true, or {poll_s, calls}; replies take minutes to a day."""

    max_tokens_field: MaxTokensField | None = None
    """What the address calls the limit of a chat reply's length: max_tokens, or max_completion_tokens, as OpenAI's
    models that think need it; by default as the provider has it, and max_tokens with a base_url of its own."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of every request's body, e.g. {reasoning_effort: none}."""

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError(f"expected an address that starts with http:// or https://, got {value!r}")
        if holds_secret(value):
            raise ValueError(
                "the address holds a password or a key; put it into the environment and name it in api_key_env"
            )
        return value.rstrip("/")

    @field_validator("batch", mode="before")
    @classmethod
    def _as_settings(cls, value: Any) -> Any:
        return {True: {}, False: None}[value] if isinstance(value, bool) else value

    @field_validator("extra")
    @classmethod
    def _foreign(cls, value: dict[str, Any]) -> dict[str, Any]:
        if own := OWN_FIELDS.intersection(value):
            raise ValueError(not_extra(own))
        return value

    @field_validator("budget")
    @classmethod
    def _strict(cls, value: str | None) -> str | None:
        try:
            return None if value is None else str(Budget.parse(value))
        except SettingsError as error:
            raise ValueError(error.message) from None


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go.

    Args:
        provider: The provider's name.
        base_url: Its address; for a local model which weights they are, for a script which replies; None for one
            without.
        model: The model's name there.
        api_key_env: Environment variable that holds the key; None if none is sent.
        max_tokens_field: Name of the output limit in a chat's body there.
        is_free: Calls cost no money.
    """

    provider: str
    base_url: str | None
    model: str
    api_key_env: str | None = None
    max_tokens_field: MaxTokensField = "max_tokens"
    is_free: bool = False


def target_of(settings: LLMSettings) -> Target:
    """Return what ``model``, ``base_url`` and ``api_key_env`` stand for.

    With ``base_url``, a name whose first part is no known provider is the model's whole name. A provider's own key is
    never sent to another address: there, only a key named by ``api_key_env`` is.

    Raises:
        SettingsError: If the name is missing or stands for nothing.
    """
    if not settings.model:
        raise SettingsError("llm.model: missing; it has to be given, e.g. openai/gpt-4.1-mini or ollama/llama3.2")
    provider, slash, model = settings.model.partition("/")
    if provider == "scripted" and model:
        return Target("scripted", _script(Path(model)), model, is_free=True)
    if provider == "local" and model:
        if settings.base_url is not None:
            raise SettingsError("llm.base_url: a local model has no address; leave it out, or name a provider")
        name, weights = weights_name(model, settings.local)
        return Target("local", weights, name, is_free=True)
    if provider in PRESETS and model:
        return _preset(settings, provider, model, PRESETS[provider])
    if settings.base_url is not None and provider not in PRESETS:
        field = settings.max_tokens_field or "max_tokens"
        return Target("openai", settings.base_url, settings.model, settings.api_key_env, field)
    if not slash or not model:
        raise SettingsError(f"llm.model: expected PROVIDER/MODEL, e.g. openai/gpt-4.1-mini, got {settings.model!r}")
    known = suggestion(provider, [*PRESETS, "local", "scripted"])
    raise SettingsError(f"llm.model: no provider is called {provider!r}{known}")


def _script(path: Path) -> str | None:
    """Return what stands in place of an address for replies written beforehand: which replies they are."""
    return f"replies:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}" if path.is_file() else None


def _preset(settings: LLMSettings, provider: str, model: str, preset: Preset) -> Target:
    elsewhere = preset.base_url is not None and settings.base_url not in (None, preset.base_url)
    base_url = settings.base_url or preset.base_url
    if base_url is None:
        raise SettingsError(f"llm.base_url: missing; {provider} needs it: {preset.summary}")
    return Target(
        provider,
        base_url,
        model,
        settings.api_key_env or (None if elsewhere else preset.api_key_env),
        settings.max_tokens_field or ("max_tokens" if elsewhere else preset.max_tokens_field),
        preset.is_free,
    )


def price_of(settings: LLMSettings, target: Target) -> Price | None:
    """Return what the model costs: as the settings say, or nothing, or the list price; None if it is not known.

    Raises:
        SettingsError: If there is a budget in USD and the price is not known.
    """
    price = settings.price or (FREE if target.is_free else list_price(target.provider, target.model))
    if price is not None and settings.batch is not None and settings.replay is None:
        price = price.in_batch()
    if price is None and settings.budget is not None and Budget.parse(settings.budget).unit == "USD":
        raise SettingsError(
            f"llm.price: missing; the price of {target.provider}/{target.model} is not known, so a budget of "
            f"{settings.budget} cannot be held; give price: {{input: ..., output: ...}} in $/million tokens, or "
            "a budget in calls or tokens"
        )
    return price
