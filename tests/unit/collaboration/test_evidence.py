import pytest

from augtune.collaboration.evidence import Evidence
from augtune.collaboration.forms import find_form
from augtune.collaboration.questions import Questions
from augtune.core.dataset import Dataset, Example
from augtune.core.errors import DataError, InputError
from augtune.core.labels import Labels


def shown(evidence, rows, form="examples"):
    exhibits = evidence.exhibits(Questions.of(rows), find_form(form))
    return [[(e["label"], e["text"]) for e in exhibits.shown(i).examples] for i in range(len(rows))]


def test_examples_are_the_nearest_first(train, test, tiny_encoder):
    found = shown(Evidence(similar=2, pool=train, encoder=tiny_encoder), test)
    assert [len(row) for row in found] == [2, 2, 2]
    alone = shown(Evidence(similar=1, pool=train, encoder=tiny_encoder), test)
    assert [row[:1] for row in found] == alone


def test_balanced_examples_are_so_many_of_each_label_in_order(train, test, tiny_encoder):
    for row in shown(Evidence(similar=2, pool=train, balanced=True, encoder=tiny_encoder), test):
        assert [label for label, _ in row] == ["negative", "negative", "positive", "positive"]


def test_examples_never_come_from_the_rows_asked_about(train, test, make_human, tiny_encoder):
    leaky = make_human([("A  really BORING story", "negative"), ("a fun movie", "positive")], "leaky")
    for choose in ("similar", "random"):
        found = shown(Evidence(similar=2, pool=leaky, choose=choose, encoder=tiny_encoder), test)
        assert found == [[("positive", "a fun movie")]] * 3
    with pytest.raises(DataError, match=r"^test: every row is one that is asked about, so none can be shown"):
        shown(Evidence(similar=1, pool=test, encoder=tiny_encoder), test)


def test_leave_one_out_hides_only_the_own_text(make_human, tiny_encoder):
    rows = make_human([("a film", "x"), ("a film", "y"), ("a movie", "x"), ("a story", "y")], "train")
    found = shown(Evidence(similar=3, pool=rows, leave_one_out=True, encoder=tiny_encoder), rows)
    assert [{text for _, text in row} for row in found][:2] == [{"a movie", "a story"}] * 2
    assert [len(row) for row in found] == [2, 2, 3, 3]


def test_random_examples_are_the_same_for_every_row_and_seed(train, test):
    one = shown(Evidence(similar=2, pool=train, choose="random", seed=1), test)
    assert one == shown(Evidence(similar=2, pool=train, choose="random", seed=1), test)
    assert one[0] == one[1] == one[2]
    assert any(shown(Evidence(similar=2, pool=train, choose="random", seed=s), test) != one for s in range(2, 6))


def test_pairs_are_compared_as_pairs(make_human, tiny_encoder):
    labels = Labels(("same",))
    rows = [Example("p", "a film", "same", text_pair="a movie"), Example("q", "a film", "same", text_pair="a story")]
    pool = type(make_human([("x", "same")], "x")).from_examples(rows, labels, name="pool")
    exhibits = Evidence(similar=2, pool=pool, encoder=tiny_encoder).exhibits(
        Questions.of([("a film", "a movie")], labels), find_form("examples")
    )
    assert [e["text_pair"] for e in exhibits.shown(0).examples] == ["a story"]


def test_evidence_says_what_is_wrong_with_it(train, test, guesses):
    with pytest.raises(InputError, match=r"^evidence: examples are asked for \(similar\), and there is no pool"):
        Evidence(similar=2)
    with pytest.raises(InputError, match=r"^evidence.similar: expected 0 or more examples, got -1\.$"):
        Evidence(similar=-1, pool=train)
    mixed = Dataset.from_examples([Example("g", "a film", "negative", origin="generated")], train.labels)
    with pytest.raises(DataError, match=r"^evidence.pool: expected human training rows, got a Dataset"):
        Evidence(similar=1, pool=mixed)
    with pytest.raises(
        InputError, match=r"^form 'label' shows the decision, and the evidence is given no predictions="
    ):
        shown(Evidence(), test, "label")
    with pytest.raises(InputError, match=r"^form 'all' shows the examples, and the evidence is given no similar= and"):
        shown(Evidence(predictions=guesses), test, "all")
    with pytest.raises(DataError, match=r"^train: has no row of label 'positive' to show as an example\.$"):
        shown(Evidence(similar=1, pool=train[:3], balanced=True), test)
    with pytest.raises(DataError, match=r"^predictions of small: no row 'train-0'"):
        shown(Evidence(predictions=guesses), train, "label")
