"""Fine-tuning at a provider: OpenAI-shaped files and jobs. Nothing is uploaded or started twice."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from augtune.collaboration.tune.settings import TuneSettings
from augtune.collaboration.tune.state import Status, TuneState
from augtune.core.errors import InputError, ProviderError
from augtune.core.extras import need
from augtune.core.json_text import decoded
from augtune.llm.failures import CallError
from augtune.llm.keys import read_key
from augtune.llm.providers.trouble import Place, failure_of

__all__ = ["ProviderTuner"]

WITHOUT = frozenset(
    {"anthropic", "gemini", "openrouter", "groq", "deepseek", "ollama", "vllm", "lmstudio", "transformers", "scripted"}
)
STATUS: Mapping[str, Status] = {
    "validating_files": "queued",
    "queued": "queued",
    "pending": "queued",
    "running": "running",
    "paused": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "expired": "expired",
}
EVENTS, LISTED = 100, 100
NO_TUNING = {404, 405, 410, 501}
TOO_LARGE = 413
LOCAL = "Tune an open model here instead: finetune.model: local/FOLDER (LoRA, pip install 'augtune[tune]')."


class ProviderTuner:
    """The jobs of one provider.

    Args:
        settings: The model and how it is tuned.
        path: File of the state, written after every step.

    Raises:
        InputError: If the provider has no fine-tuning jobs of this kind.
    """

    def __init__(self, settings: TuneSettings, path: Path) -> None:
        self.settings, self.path = settings, path
        self.target = settings.target
        if self.target.provider in WITHOUT and settings.base_url is None:
            raise InputError(
                f"finetune.model: {self.target.provider} offers no fine-tuning jobs at its address.", hint=LOCAL
            )
        self._client: Any = None
        self._key = ""

    def submit(self, state: TuneState, files: Mapping[str, Path], name: str) -> TuneState:
        """Upload the files and start the job; what is done already is not done again.

        Args:
            state: How it stands.
            files: Paths by ``train`` and ``validation``.
            name: Our name of the job. It is found again by it if the reply to its creation was lost.

        Raises:
            InputError: If the provider has no fine-tuning, or refuses a file for its size.
            ProviderError: If a call failed.
        """
        for role, file in files.items():
            if role not in state.files:
                found = self._call("upload the training file", functools.partial(_upload, file))
                state = state.save(self.path, status="uploaded", files={**state.files, role: str(found["id"])})
        if state.status == "creating":
            known = self._find(name)
            if known is not None:
                return self._read(state, known)
        state = state.save(self.path, status="creating")
        body = self._body(state, name)
        made = self._call("start the job", lambda c: c.fine_tuning.jobs.with_raw_response.create(**body))
        return self._read(state, made)

    def _body(self, state: TuneState, name: str) -> dict[str, Any]:
        asked = self.settings
        chosen = {
            "n_epochs": asked.epochs,
            "batch_size": asked.batch_size,
            "learning_rate_multiplier": asked.learning_rate,
        }
        body: dict[str, Any] = {
            "model": self.target.model,
            "training_file": state.files["train"],
            "seed": asked.seed,
            "metadata": {"augtune": name},
            "method": {
                "type": "supervised",
                "supervised": {"hyperparameters": {key: v for key, v in chosen.items() if v is not None}},
            },
        }
        if "validation" in state.files:
            body["validation_file"] = state.files["validation"]
        return body if asked.suffix is None else {**body, "suffix": asked.suffix}

    def _find(self, name: str) -> Mapping[str, Any] | None:
        listed = self._call("list the jobs", lambda c: c.fine_tuning.jobs.with_raw_response.list(limit=LISTED))
        rows = listed.get("data") or ()
        return next((row for row in rows if (row.get("metadata") or {}).get("augtune") == name), None)

    def poll(self, state: TuneState) -> TuneState:
        """Return how the job stands now, with its new events.

        Raises:
            ProviderError: If the provider could not be asked.
        """
        job = str(state.job)
        try:
            found = self._call("look at the job", lambda c: c.fine_tuning.jobs.with_raw_response.retrieve(job))
        except _GoneError:
            return state.save(
                self.path, status="expired", problem=f"the provider no longer knows the job {job}: it has expired"
            )
        state = self._read(state, found)
        events = self._call(
            "read the job's events",
            lambda c: c.fine_tuning.jobs.with_raw_response.list_events(job, limit=EVENTS),
        )
        state = self._with_events(state, events)
        return self._with_checkpoints(state, job) if state.status == "succeeded" else state

    def cancel(self, state: TuneState) -> TuneState:
        """Cancel the job and return how it stands.

        Raises:
            ProviderError: If the provider could not be asked.
        """
        job = str(state.job)
        return self._read(
            state, self._call("cancel the job", lambda c: c.fine_tuning.jobs.with_raw_response.cancel(job))
        )

    def _read(self, state: TuneState, found: Mapping[str, Any]) -> TuneState:
        status = STATUS.get(str(found.get("status")))
        if status is None:
            raise ProviderError(f"{self._name}: the job's status is {found.get('status')!r}, which is none known here.")
        error = found.get("error") or {}
        problem = error.get("message") if isinstance(error, Mapping) else str(error)
        if problem is None and status in ("failed", "expired"):
            problem = f"the provider says only that it {status}"
        return state.save(
            self.path,
            status=status,
            job=str(found["id"]),
            model=found.get("fine_tuned_model") or state.model,
            trained_tokens=found.get("trained_tokens") or state.trained_tokens,
            problem=problem,
        )

    def _with_events(self, state: TuneState, listed: Mapping[str, Any]) -> TuneState:
        known = {event["id"] for event in state.events}
        new = [
            {"id": e["id"], "at": e.get("created_at"), "level": e.get("level"), "message": e.get("message")}
            for e in listed.get("data") or ()
            if e["id"] not in known
        ]
        if not new:
            return state
        return state.save(self.path, events=(*state.events, *sorted(new, key=lambda event: event["at"] or 0)))

    def _with_checkpoints(self, state: TuneState, job: str) -> TuneState:
        try:
            listed = self._call(
                "list the job's checkpoints",
                lambda c: c.fine_tuning.jobs.checkpoints.with_raw_response.list(job, limit=LISTED),
            )
        except (InputError, _GoneError):
            return state  # not every provider with jobs has checkpoints
        found = [
            {"id": c["id"], "step": c.get("step_number"), "model": c.get("fine_tuned_model_checkpoint")}
            for c in listed.get("data") or ()
        ]
        return state.save(self.path, checkpoints=tuple(found)) if found else state

    @property
    def _name(self) -> str:
        return f"{self.target.provider}/{self.target.model}"

    def _call(self, what: str, work: Callable[[Any], Any]) -> Mapping[str, Any]:
        """Make one call, once: a call that may have been carried out is not repeated blindly."""
        sdk = need("openai", extra="llm", to="fine-tune at a provider")
        client = self._connected(sdk)
        place = Place(self._name, str(self.target.base_url), self.target.api_key_env, self._key)
        try:
            raw = work(client)
            value = decoded(raw.http_response.text)
        except sdk.OpenAIError as error:
            raise self._failure(error, place, what) from None
        except ValueError:
            raise ProviderError(f"{self._name}: {place.base_url} answered with no JSON when asked to {what}.") from None
        if not isinstance(value, Mapping):
            raise ProviderError(f"{self._name}: expected an object when asked to {what}, got {type(value).__name__}.")
        return value

    def _failure(self, error: Any, place: Place, what: str) -> Exception:
        status = getattr(error, "status_code", None)
        if status in NO_TUNING and ("upload" in what or "start" in what):
            return InputError(
                f"finetune.model: {place.base_url} has no fine-tuning jobs (HTTP {status} when asked to {what}).",
                hint=LOCAL,
            )
        if status in NO_TUNING:
            return _GoneError(f"{self._name}: HTTP {status} when asked to {what}.", "request")
        if status == TOO_LARGE:
            return InputError(
                f"finetune: the provider refuses the training file for its size (HTTP {status}).",
                hint="Sample fewer rows, or take a shorter prompt form.",
            )
        return failure_of(error, place)

    def _connected(self, sdk: Any) -> Any:
        if self._client is None:
            self._key = read_key(self.target.api_key_env) if self.target.api_key_env else ""
            self._client = sdk.OpenAI(api_key=self._key or "none", base_url=self.target.base_url, max_retries=0)
        return self._client

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _upload(file: Path, client: Any) -> Any:
    with file.open("rb") as stream:
        return client.files.with_raw_response.create(file=(file.name, stream), purpose="fine-tune")


class _GoneError(CallError):
    """What was asked about is not there."""
