"""What a prompt calls a text, a label and each of the labels: the keys that several generators share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field, field_validator

from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.core.settings import suggestion
from augtune.generation.base import Generator
from augtune.generation.lines import words_for
from augtune.generation.prompt import folded
from augtune.generation.tasks import TASKS

__all__ = ["Names", "Naming", "described"]

LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Names:
    """What a prompt calls things.

    Args:
        text_type: A text, e.g. ``movie review``.
        label_type: A label, e.g. ``sentiment``.
        words: Label to the word that stands for it, in the order of the labels.
    """

    text_type: str
    label_type: str
    words: Mapping[str, str]


class Naming(Generator):
    """A generator whose prompts name a task."""

    task: str | None = None
    """A known task, e.g. sst2 or trec6: sets text_type, label_type and verbalizers where they are not given."""

    text_type: str | None = None
    """What the prompt calls a text, e.g. 'movie review'; by default 'text'."""

    label_type: str | None = None
    """What the prompt calls a label, e.g. 'sentiment'; by default 'label'."""

    verbalizers: dict[str, str] = Field(default_factory=dict)
    """The word that stands for a label in the prompt; by default the label's own name."""

    @field_validator("task")
    @classmethod
    def _known_task(cls, value: str | None) -> str | None:
        name = value.replace("_", "-") if value is not None else None
        if name is not None and name not in TASKS:
            raise ValueError(f"no task is called {value!r}{suggestion(name, TASKS)}")
        return name

    @field_validator("text_type", "label_type")
    @classmethod
    def _on_one_line(cls, value: str | None) -> str | None:
        if value is not None and (not value.strip() or folded(value) != value or any(c in value for c in "():")):
            raise ValueError(f"expected a word or two without brackets, colons or line breaks, got {value!r}")
        return value

    @field_validator("verbalizers")
    @classmethod
    def _plain_words(cls, value: dict[str, str]) -> dict[str, str]:
        for label, word in value.items():
            if not word.strip() or folded(word) != word or len(word) > LONGEST_NAME:
                raise ValueError(f"expected a short word for {label!r}, got {word!r}")
        return value

    def names(self, labels: Labels) -> Names:
        """Return what the prompts call things; what is not given comes from the task, else it is 'text' and 'label'.

        Raises:
            SettingsError: If ``verbalizers`` names an unknown label, or two labels share a word.
        """
        task = TASKS.get(self.task) if self.task is not None else None
        return Names(
            self.text_type or (task.text_type if task else "text"),
            self.label_type or (task.label_type if task else "label"),
            words_for(labels, self.verbalizers, task, where="generate.verbalizers"),
        )


def described(labels: Labels, given: Mapping[str, str], *, where: str) -> dict[str, str]:
    """Return each label's description: the one given, else the label's own, else ``""``.

    Raises:
        SettingsError: If one is given for an unknown label.
    """
    unknown = [name for name in given if name not in labels]
    if unknown:
        raise SettingsError([f"{where}: no label is called {name!r}{suggestion(name, labels)}" for name in unknown])
    return {label: given.get(label, labels.descriptions.get(label, "")) for label in labels}
