import pytest

from augtune.core.labels import Labels
from augtune.curation.quality.leaks import LabelFinder, Leak

HYPERBOLE = LabelFinder(Labels(("hyperbole", "not hyperbole")))
EMOTIONS = LabelFinder(Labels(("joy", "anger", "Very-intimate", "SearchScreeningEvent", "3", "ok")))


@pytest.mark.parametrize(
    ("text", "named", "tag"),
    [
        ("He weighs a ton. (Hyperbolic)", (), "hyperbole"),
        ("He weighs a ton. (Hyperbole)", ("hyperbole",), "hyperbole"),
        ("The fruit is ripe. [Not hyperbolic]", (), "not hyperbole"),
        ("The fruit is ripe (non-hyperbole)", ("not hyperbole",), "not hyperbole"),
        ("That is no hyperbole, I swear", ("not hyperbole",), None),
        ("hyperbole, not hyperbole", ("hyperbole", "not hyperbole"), None),
        ("He weighs (as everyone who knows what hyperbole is knows) a ton", ("hyperbole",), None),
        ("He weighs a ton (really)", (), None),
        ("He weighs a ton (Hyperboles)", (), "hyperbole"),
        ("Label: hyperbole", ("hyperbole",), "hyperbole"),
        ("", (), None),
    ],
)
def test_labels_in_texts_and_tags(text, named, tag):
    assert HYPERBOLE.find(text) == Leak(frozenset(named), tag)


def test_names_are_read_as_words():
    assert EMOTIONS.find("what JOY!").named == {"joy"}
    assert EMOTIONS.find("enjoy the joyful").named == set()
    assert EMOTIONS.find("a very intimate question (anger)") == Leak(frozenset({"Very-intimate", "anger"}), "anger")
    assert EMOTIONS.find("search screening event").named == {"SearchScreeningEvent"}


def test_numbers_and_short_names_are_not_looked_for():
    assert EMOTIONS.find("3 is ok (3) (ok)") == Leak()
