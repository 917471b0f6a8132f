from __future__ import annotations

import pytest

from augtune.core.errors import SettingsError
from augtune.generation.base import generate
from augtune.generation.notebook import Notebook
from augtune.llm.messages import Reply

ROWS = [("i got the job", "joy"), ("where were you", "surprise"), ("they lied again", "anger")]

PROMPT = """\
Every line below pairs one tweet with its sentiment. Sentiment is one of 'joy', 'surprise' or 'anger'.
Tweet: i got the job (Sentiment: joy)
Tweet: they lied again (Sentiment: anger)
Tweet:"""


@pytest.fixture
def tweets(make_human):
    return make_human(ROWS, labels=("joy", "surprise", "anger"))


def test_the_prompt_has_no_blank_line_and_plain_labels(tweets):
    prompts = Notebook().preview(tweets, count=60)
    assert PROMPT in prompts
    assert all(len(prompt.splitlines()) == 4 for prompt in prompts)


def test_a_pair_may_be_one_row_twice(tweets):
    prompts = [prompt.splitlines()[1:3] for prompt in Notebook().preview(tweets, count=300)]
    assert 0.2 < sum(a == b for a, b in prompts) / 300 < 0.5


def test_it_is_sampled_as_the_notebook_sampled_gpt_3_or_the_model_named(tweets, answering):
    for settings, expected in (
        ({}, (0.9, 0.95, 30)),
        ({"sampling": "gpt-3"}, (0.9, 0.95, 30)),
        ({"sampling": "gpt-j"}, (0.9, 1.0, 40)),
        ({"sampling": "gpt-neo", "max_tokens": 20}, (0.9, 1.0, 20)),
    ):
        llm = answering(lambda _: "")
        generate(tweets, Notebook(count=1, attempts=1, **settings), llm=llm)
        [request] = llm.seen
        assert (request.temperature, request.top_p, request.max_tokens) == expected
        assert request.prompt is not None
        assert request.logprobs is None
        maker = Notebook(**settings)
        assert Notebook(**{name: value for name, value in maker.to_json().items() if name != "kind"}) == maker


@pytest.mark.parametrize("form", ["completion", "chat"])
@pytest.mark.parametrize("lead", ["", " ", "Tweet: ", "tweet:", "\n"])
@pytest.mark.parametrize(
    "text",
    ["this is it", "two tweets", "the new phone", "why am i here", "ever so tired", "Tweet", "t", "weet", "e: w"],
)
def test_texts_that_begin_with_t_w_or_e_survive(tweets, answering, text, lead, form):
    llm = answering(lambda _: f"{lead}{text} (Sentiment: joy)")
    [row] = generate(tweets, Notebook(count=1, form=form), llm=llm).dataset
    assert (row.text, row.label, row.generator.split("+")[-1]) == (text, "joy", "notebook@1#ce043a6e")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (" so happy (Sentiment: happiness)", "unknown label"),
        (" so happy (Sentiment: joy", "unreadable"),
        (" so happy", "unreadable"),
        (Reply(" so happy and", "length"), "cut off"),
        (" they lied again (Sentiment: anger)", "copy"),
    ],
)
def test_what_cannot_be_parsed_is_never_data(tweets, answering, reply, reason):
    made = generate(tweets, Notebook(count=3), llm=answering(lambda _: reply))
    assert len(made.dataset) == 0
    assert {row.reason for row in made.dropped} == {reason}
    assert len(made.dropped) == 6
    assert made.shortfall == {"(any label)": 3}


def test_sizes_are_nested(tweets, answering):
    texts = []
    for count in (5, 20):
        llm = answering(lambda r: f" tweet number {r.draw} (Sentiment: joy)")
        texts.append(set(generate(tweets, Notebook(count=count), llm=llm).dataset.texts))
    assert texts[0] < texts[1]


def test_an_unknown_model(tweets):
    with pytest.raises(SettingsError) as caught:
        generate(tweets, {"kind": "notebook", "sampling": "gpt-4"})
    assert caught.value.problems == ("generate.sampling: should be 'gpt-3', 'gpt-j' or 'gpt-neo', got 'gpt-4'",)
