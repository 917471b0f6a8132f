"""How long a model will be there: the announced day it shuts down, on record here or asked of its provider."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from augtune.core.errors import AugtuneError, ProviderError
from augtune.core.extras import need
from augtune.core.json_text import decoded
from augtune.core.settings import suggestion
from augtune.llm import loop
from augtune.llm.failures import CallError
from augtune.llm.keys import find_key
from augtune.llm.prices import listed_shutdown
from augtune.llm.providers.openai import OpenAI
from augtune.llm.providers.trouble import Place, failure_of
from augtune.llm.settings import LLMSettings, Target, target_of

__all__ = ["lifetime_warnings"]

ASK_S = 20.0


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a provider's list of models says of one: whether it is there, when it goes, what else there is."""

    is_there: bool
    shutdown: date | None
    names: tuple[str, ...]


def lifetime_warnings(settings: LLMSettings, *, ask: bool, today: date | None = None) -> list[str]:
    """Return what there is to say about how long the model will answer; nothing, if nothing is known.

    Args:
        settings: The ``llm:`` section.
        ask: Send the provider one ``GET /models``, which costs nothing; else nothing is sent.
        today: The day it is.
    """
    if settings.replay is not None:
        return []
    target = target_of(settings)
    today = today or date.today()
    name = f"{target.provider}/{target.model}"
    if not ask or target.provider in ("local", "scripted"):
        return _shutdown_line(name, listed_shutdown(target.provider, target.model), "as prices.toml has it", today)
    if target.api_key_env is not None and find_key(target.api_key_env) is None:
        return [f"llm.model: {name}: its provider was not asked, because {target.api_key_env} is not set."]
    try:
        listed = loop.submit(_list(target)).result()
    except AugtuneError as error:
        return [f"llm.model: {name}: its provider could not be asked: {error.message}"]
    if not listed.is_there:
        return [f"llm.model: {target.base_url} lists no model {target.model!r}{suggestion(target.model, listed.names)}"]
    return _shutdown_line(name, listed.shutdown, "as its provider says", today)


def _shutdown_line(name: str, day: date | None, source: str, today: date) -> list[str]:
    if day is None:
        return []
    if day <= today:
        return [f"llm.model: {name} was shut down on {day}, {source}; calls will fail."]
    days = (day - today).days
    left = "tomorrow" if days == 1 else f"in {days} days"
    return [f"llm.model: {name} shuts down on {day}, {left}, {source}."]


async def _list(target: Target) -> _Listed:
    provider = OpenAI(base_url=target.base_url or "", api_key_env=target.api_key_env)
    client = provider.connected()
    place = Place(f"{target.provider}/{target.model}", provider.base_url, provider.api_key_env, provider.key)
    try:
        async with asyncio.timeout(ASK_S):
            raw = await client.models.with_raw_response.list()
            return _found(decoded(raw.http_response.text), target.model)
    except TimeoutError:
        raise ProviderError(f"no reply within {ASK_S:g} s.") from None
    except need("openai", extra="llm", to="ask a provider").OpenAIError as error:
        raise failure_of(error, place) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise CallError("the reply is no list of models.", "request") from None
    finally:
        await provider.aclose()


def _found(listed: Mapping[str, Any], model: str) -> _Listed:
    rows = {str(row["id"]).removeprefix("models/"): row for row in listed["data"]}
    row = rows.get(model)
    day = None if row is None else row.get("shutdown_date")
    return _Listed(row is not None, date.fromisoformat(day) if day else None, tuple(rows))
