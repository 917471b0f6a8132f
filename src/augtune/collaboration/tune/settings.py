"""The YAML keys of an arm of kind ``finetune``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from augtune.collaboration.forms import find_form
from augtune.core.errors import InputError
from augtune.core.settings import Settings
from augtune.llm.prices import FREE, TUNED, Price, list_price
from augtune.llm.settings import LLMSettings, Target, target_of

__all__ = ["LoraSettings", "TuneSettings"]

MOST_BYTES = 512 * 1024 * 1024


class LoraSettings(Settings):
    """How a model on this machine is tuned: low-rank updates beside frozen weights (Hu et al., ICLR 2022)."""

    rank: int = Field(default=16, ge=1, le=512)
    """Rank of each update."""

    alpha: float = Field(default=32.0, gt=0)
    """Updates count alpha / rank times."""

    dropout: float = Field(default=0.05, ge=0, lt=1)
    """Share of an update's inputs dropped in training."""

    targets: str | tuple[str, ...] = "all-linear"
    """Layers that get one: all-linear (all but the last), or names such as [q_proj, v_proj]."""

    whole: tuple[str, ...] = ()
    """Layers trained whole beside the updates, e.g. [lm_head, embed_tokens] for a model that is new to the task."""

    device: str = "auto"
    """Where it runs: cpu, cuda, cuda:1, ...; auto is a GPU if there is one."""

    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """What the frozen weights are held in; auto is what they are stored in."""


class TuneSettings(Settings):
    """How a language model is fine-tuned to label rows."""

    kind: ClassVar[str] = "finetune"

    model: str
    """PROVIDER/MODEL with OpenAI-shaped fine-tuning jobs, e.g. openai/gpt-4.1-mini-2025-04-14, or local/FOLDER."""

    base_url: str | None = None
    """Address of an OpenAI-compatible API in place of the provider's own."""

    api_key_env: str | None = None
    """Environment variable that holds the key, as for llm."""

    form: str | None = None
    """Prompt form of the training data, the same that is asked with afterwards; by default the one that tells all the
    evidence there is."""

    text_type: str = "text"
    """What the prompt calls a text."""

    epochs: Annotated[int, Field(ge=1, le=50)] | None = None
    """Passes over the rows; null leaves it to the provider, and is 3 here."""

    batch_size: Annotated[int, Field(ge=1)] | None = None
    """Rows per step; null leaves it to the provider, and is 8 here."""

    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """At a provider its multiplier, null leaves it to the provider; here the rate itself, null is 2e-4."""

    seed: int = 0
    """Of the order of rows and the first weights."""

    suffix: str | None = Field(default=None, max_length=64)
    """Part of the tuned model's name at the provider."""

    usd_per_million_tokens: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """What a million trained tokens cost, if the list here does not know the model."""

    price: Price | None = None
    """What asking the tuned model costs, {input: ..., output: ...} in $/million tokens, if prices.toml does not say."""

    tokenizer: str | None = None
    """Folder or hub name of the model's tokenizer, to count tokens exactly; by default the model's own where it runs
    here, tiktoken's where that is installed, and an estimate else."""

    most_bytes: int = Field(default=MOST_BYTES, ge=1)
    """Largest file the provider takes."""

    least_rows: int = Field(default=10, ge=1)
    """Fewest training rows the provider takes."""

    most_tokens: int = Field(default=65_536, ge=1)
    """Longest row, in tokens; at a provider longer ones would lose their end, which is the label."""

    poll_s: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    """Seconds between two looks at a job."""

    lora: LoraSettings = Field(default_factory=LoraSettings)
    """How a local model is tuned."""

    @field_validator("form")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                find_form(value)
        except InputError as error:
            raise ValueError(str(error).removeprefix("form: ")) from None
        return value

    @property
    def is_local(self) -> bool:
        """Whether the model is tuned on this machine."""
        return self.model.startswith("local/")

    @property
    def llm(self) -> LLMSettings:
        """The same model as one to ask."""
        return LLMSettings(model=self.model, base_url=self.base_url, api_key_env=self.api_key_env, price=self.price)

    @property
    def price_to_ask(self) -> Price | None:
        """What asking the tuned model costs; None if it is not known."""
        if self.is_local:
            return FREE
        return self.price or list_price(self.target.provider, f"{TUNED}{self.target.model}")

    @property
    def target(self) -> Target:
        """Where the model is."""
        return target_of(self.llm)
