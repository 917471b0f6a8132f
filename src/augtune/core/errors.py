"""What can go wrong, as a tree; each error says what, where, expected, got and what to do.

```
AugtuneError                 exit code
├── InputError               2   the user's input is wrong
│   ├── SettingsError        2   a setting: unknown key, wrong type, contradiction (all of them at once)
│   ├── DataError            2   rows, files, columns, labels
│   ├── ExtraError           2   an optional dependency is missing
│   └── StorageError         2   a file or folder cannot be written (disk full, belongs to something else)
├── TrainingError            2   training cannot go on (NaN loss, out of memory)
├── BudgetError              3   the budget was reached; all that was paid for is kept
└── ProviderError            4   a language model provider failed for good
```
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "AugtuneError",
    "BudgetError",
    "DataError",
    "ExtraError",
    "InputError",
    "ProviderError",
    "SettingsError",
    "StorageError",
    "TrainingError",
]


LONGEST = 20_000  # characters of a message; a row, or the names of a file's columns, may be millions
END = 500


def _shortened(message: str) -> str:
    """Return a message that can be read: of one too long the beginning and the end."""
    left_out = len(message) - LONGEST
    return message if left_out <= 0 else f"{message[: LONGEST - END]} … ({left_out:,} characters) … {message[-END:]}"


class AugtuneError(Exception):
    """Base of all errors augtune raises on purpose.

    Args:
        message: One sentence: where, expected, got.
        hint: What to do next; shown on a line of its own.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        message = _shortened(message)
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  {self.hint}"


class InputError(AugtuneError):
    """The user's input is wrong; nothing was changed."""


class SettingsError(InputError, ValueError):
    """One or more settings are wrong; ``problems`` holds one line for each.

    It is a ValueError too, so that a validator that raises it tells its place.
    """

    def __init__(self, problems: str | Iterable[str], *, hint: str | None = None) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems), hint=hint)


class DataError(InputError):
    """Rows, files, columns or labels are not what they have to be."""


class ExtraError(InputError):
    """An optional dependency is needed and missing."""


class StorageError(InputError):
    """A file or folder cannot be read or written, or belongs to something else."""


class TrainingError(AugtuneError):
    """Training cannot go on; the message says at which step and why."""


class BudgetError(AugtuneError):
    """The budget was reached. What was paid for is kept; the same command carries on once it is raised."""

    exit_code = 3


class ProviderError(AugtuneError):
    """A language model provider failed.

    Args:
        message: What the provider said or did.
        hint: What to do next.
        retryable: True for a failure that may pass by itself (429, 5xx, time-out).
        retry_after_s: Seconds the provider asked to wait, if it did.
    """

    exit_code = 4

    def __init__(
        self, message: str, *, hint: str | None = None, retryable: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable
        self.retry_after_s = retry_after_s
