"""The YAML keys of ``llm:`` and what a model's name stands for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from augtune.core.errors import SettingsError
from augtune.core.settings import Settings, suggestion
from augtune.llm.presets import PRESETS, Preset

__all__ = ["LLMSettings", "Target", "target_of"]


class LLMSettings(Settings):
    """Which language model answers, how fast it is asked and how much that may cost."""

    model: str | None = None
    """PROVIDER/MODEL, e.g. openai/gpt-4.1-mini, ollama/llama3.2 or scripted/PATH. May be left out with replay."""

    base_url: str | None = None
    """Address of an OpenAI-compatible API, e.g. http://127.0.0.1:8000/v1, in place of the provider's own."""

    api_key_env: str | None = None
    """Environment variable (or line of .env) that holds the key. With base_url, no key is sent unless this is given."""

    replay: Path | None = None
    """Answer from this recording (llm.save_replies writes one) and from nothing else: no network, no cost."""

    cache: Path | None = None
    """SQLite file that keeps every reply; a run uses the cache.sqlite of its own folder if this is not given."""

    max_in_flight: int = Field(default=32, ge=1, le=4096)
    """Most calls at once; fewer are made while the provider says it is too many."""

    timeout_s: float = Field(default=60.0, gt=0)
    """Seconds one attempt of a call may take; waiting for its turn does not count."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of every request's body, e.g. {reasoning_effort: none}."""

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError(f"expected an address that starts with http:// or https://, got {value!r}")
        return value.rstrip("/")


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go.

    Args:
        provider: The provider's name.
        base_url: Its address; None for one without.
        model: The model's name there.
        preset: What is known of the provider; None for scripted replies and one's own provider.
    """

    provider: str
    base_url: str | None
    model: str
    preset: Preset | None = None


def target_of(settings: LLMSettings) -> Target:
    """Return what ``model`` and ``base_url`` stand for.

    With ``base_url``, a name whose first part is no known provider is the model's whole name.

    Raises:
        SettingsError: If the name is missing or stands for nothing.
    """
    if not settings.model:
        raise SettingsError("llm.model: missing; it has to be given, e.g. openai/gpt-4.1-mini or ollama/llama3.2")
    provider, slash, model = settings.model.partition("/")
    if provider == "scripted" and model:
        return Target("scripted", None, model)
    if provider not in PRESETS or not model:
        if settings.base_url is not None and (provider not in PRESETS or not slash):
            return Target("openai", settings.base_url, settings.model, Preset("Any address.", settings.base_url))
        if not slash:
            raise SettingsError(
                f"llm.model: expected PROVIDER/MODEL, e.g. openai/{settings.model}, got {settings.model!r}"
            )
        raise SettingsError(
            f"llm.model: no provider is called {provider!r}{suggestion(provider, [*PRESETS, 'scripted'])}"
        )
    preset = PRESETS[provider]
    base_url = settings.base_url or preset.base_url
    if base_url is None:
        raise SettingsError(f"llm.base_url: missing; {provider} needs it: {preset.summary}")
    return Target(provider, base_url, model, preset)
