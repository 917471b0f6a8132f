"""What went wrong in a call of the OpenAI SDK, in words that say what to do and never show the key."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from augtune.llm.failures import CallError, Kind
from augtune.llm.keys import hidden

__all__ = ["READ", "Place", "failure_in", "failure_of", "kind_of", "retry_after_s", "status_in"]

SETUP = {401, 402, 404, 405, 410}
PASSING = {408, 409, 425}
READ = 20_000  # characters of an explanation that are looked at
STATUS = re.compile(r"[45][0-9][0-9]", re.ASCII)
NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call went.

    Args:
        model: PROVIDER/MODEL, for messages.
        base_url: The address.
        api_key_env: Name of the key's environment variable, if there is one.
        key: The key, only so that it can be hidden; empty if there is none.
    """

    model: str
    base_url: str
    api_key_env: str | None
    key: str = field(repr=False)

    def hide(self, text: str) -> str:
        """Return the text without the key, in whatever spelling."""
        return hidden(text, self.key)


def failure_of(error: Any, place: Place) -> CallError:
    """Return our error for one of the SDK's."""
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        return _without_reply(error, place)
    code = getattr(error, "code", None)
    kind: Kind = kind_of(status, code)
    said = _said(error.body, error.response.text, place)
    return CallError(
        f"{place.model}: HTTP {status} from {place.base_url}: {said}",
        kind,
        hint=_hint(status, code, place),
        retry_after_s=retry_after_s(error.response.headers) if kind in ("limit", "server") else None,
    )


def failure_in(body: Any, place: Place) -> CallError | None:
    """Return our error for one that stands in the body of a reply with status 200, or None if there is none."""
    told = body.get("error") if isinstance(body, dict) else None
    if not told:
        return None
    status, code = status_in(told), told.get("code") if isinstance(told, dict) else None
    return CallError(
        f"{place.model}: an error in place of a reply from {place.base_url}: {_said(body, '', place)}",
        kind_of(status, code),
        hint=_hint(status, code, place),
    )


def status_in(told: Any) -> int:
    """Return the HTTP status that an error's own ``code`` or ``status`` names; 500 if it names none."""
    values = [told.get(name) for name in ("code", "status")] if isinstance(told, dict) else []
    named = [int(str(value)) for value in values if type(value) in (int, str) and STATUS.fullmatch(str(value))]
    return named[0] if named else 500


def _without_reply(error: Any, place: Place) -> CallError:
    cause = type(error.__cause__).__name__ if error.__cause__ is not None else ""
    if "Connect" in cause:
        return CallError(
            f"{place.model}: nothing answers at {place.base_url}.",
            "connection",
            hint="Check llm.base_url and the network, and that the server runs.",
        )
    return CallError(f"{place.model}: the connection to {place.base_url} broke off ({cause or 'no reply'}).", "lost")


def kind_of(status: int, code: object) -> Kind:
    """Return how a call failed that got this status."""
    if status in SETUP or code in NO_CREDIT:
        return "setup"
    if status == 403:
        return "forbidden"
    if status == 429:
        return "limit"
    return "server" if status >= 500 or status in PASSING else "request"


def _said(body: Any, whole: str, place: Place) -> str:
    if isinstance(body, dict):
        inner = body.get("error", body)
        message = inner.get("message") if isinstance(inner, dict) else inner
        text = str(message or body)
    else:
        text = str(body or whole or "no explanation")
    text = place.hide(" ".join(text[:READ].split()))  # before it is cut: half a key is not hidden that easily
    if text[:1] == "<":
        return "a web page"
    return text if len(text) <= 300 else text[:299] + "…"


def _hint(status: int, code: object, place: Place) -> str | None:
    if code in NO_CREDIT or status == 402:
        return "The account has no credit left at this provider."
    if status == 401:
        if place.api_key_env is None:
            return "This address wants a key: name the environment variable that holds it in llm.api_key_env."
        return f"Check the key in {place.api_key_env}."
    if status == 403:
        return "Check the account's access to this model; if the provider flags this one text, leave the row out."
    if status in SETUP:
        return "Check the model's name in llm.model and the address in llm.base_url, which ends in /v1 as a rule."
    if status == 429:
        return "Set llm.requests_per_minute or llm.tokens_per_minute to what the account allows."
    return None


def retry_after_s(headers: Any) -> float | None:
    """Return the seconds that ``retry-after-ms`` or ``retry-after`` (seconds or a date) ask to wait, or None."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - time.time()
            except (ValueError, TypeError, OverflowError):
                continue
        if seconds == seconds and seconds != float("inf"):
            return max(0.0, seconds)
    return None
