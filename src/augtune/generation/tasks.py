"""Known tasks: what GPT3Mix's prompt calls a text and a label there, and the word for each label.

After Yoo et al. (Findings of EMNLP 2021). There, some tasks send several labels to one word; a word that stands for two
labels cannot be read back, so here each label has its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["TASKS", "Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """How a task is put to a language model.

    Args:
        text_type: What a text is, e.g. ``movie review``.
        label_type: What a label tells, e.g. ``sentiment``.
        words: Label to the word that stands for it in the prompt; empty if the labels speak for themselves.
    """

    text_type: str
    label_type: str
    words: Mapping[str, str] = field(default_factory=dict)

    def verbalizers(self, labels: tuple[str, ...]) -> dict[str, str]:
        """Return the word of each label if the task knows all of them (in any case), else nothing."""
        known = {label.casefold(): word for label, word in self.words.items()}
        if any(label.casefold() not in known for label in labels):
            return {}
        return {label: known[label.casefold()] for label in labels}


POLARITY = {"pos": "positive", "neg": "negative"}

TASKS: dict[str, Task] = {
    "agnews": Task(
        "news headline",
        "classification",
        {"Sci/Tech": "technology", "World": "world", "Sports": "sports", "Business": "business"},
    ),
    "atis-intent": Task(
        "user request",
        "intent type",
        {
            "atis_flight": "flight",
            "atis_quantity": "quantity",
            "atis_city": "city",
            "atis_ground_service": "ground",
            "atis_abbreviation": "abbreviation",
            "atis_airfare": "cost",
            "atis_flight_time": "time",
            "atis_airline": "airline",
            "atis_aircraft": "aircraft",
        },
    ),
    "cola": Task("text", "grammar", {"0": "incorrect", "1": "correct"}),
    "cr": Task("customer review", "sentiment", POLARITY),
    "dbpedia": Task("description", "classification"),
    "dbpedia-content": Task("description", "classification"),
    "imdb": Task("movie review", "sentiment", POLARITY),
    "mpqa": Task("phrase", "sentiment", POLARITY),
    "mr": Task("movie review", "sentiment", POLARITY),
    "rt20": Task("movie review", "sentiment"),
    "snips-intent": Task(
        "user request",
        "intent type",
        {
            "RateBook": "rate",
            "BookRestaurant": "book",
            "GetWeather": "weather",
            "SearchCreativeWork": "creative",
            "SearchScreeningEvent": "screening",
            "PlayMusic": "music",
            "AddToPlaylist": "playlist",
        },
    ),
    "sst2": Task("movie review", "sentiment"),
    "sst5": Task("movie review", "sentiment"),
    "subj": Task("text", "objective", {"objective": "yes", "subjective": "no"}),
    "trec6": Task(
        "question",
        "type",
        {
            "ABBR": "abbreviation",
            "LOC": "location",
            "DESC": "description",
            "NUM": "numeric",
            "ENTY": "entity",
            "HUM": "human",
        },
    ),
    "yahoo-answers": Task("question-answer pair", "question type"),
    "yelp": Task(
        "place review",
        "sentiment",
        {"1 star": "terrible", "2 star": "poor", "3 stars": "neutral", "4 stars": "good", "5 stars": "excellent"},
    ),
}
