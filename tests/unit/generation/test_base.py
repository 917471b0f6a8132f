from __future__ import annotations

import json
import subprocess
import sys

import pytest

from augtune.core.dataset import Dataset
from augtune.core.errors import BudgetError, DataError, InputError, SettingsError
from augtune.core.outcomes import Cost
from augtune.generation import GENERATORS
from augtune.generation.base import Estimate, Generator, generate, spent
from augtune.generation.gpt3mix import Gpt3Mix
from augtune.generation.keep import Keeper, normalised
from augtune.generation.rephrase import Rephrase
from augtune.generation.waves import WAVE, most_calls


def numbered(request):
    return f"text {request.draw} {request.text[-9:]!r} (Label: Positive)"


@pytest.mark.parametrize("name", list(GENERATORS))
def test_every_row_of_the_catalog_is_a_generator_that_documents_its_keys(name):
    kind = GENERATORS.load(name)
    assert issubclass(kind, Generator)
    assert kind.kind == name
    assert all(field.description for field in kind.model_fields.values())


def test_a_list_joins_results_in_order_with_unique_ids(train, answering):
    llm = answering(numbered)
    makers = [Gpt3Mix(count=3), {"kind": "rephrase", "per_class": 1}, Gpt3Mix(count=2, temperature=0.5)]
    made = generate(train, makers, llm=llm)
    assert made.dataset.ids == (
        "gpt3mix-0000", "gpt3mix-0001", "gpt3mix-0002", "rephrase-0000", "rephrase-0001",
        "gpt3mix-0000.3", "gpt3mix-0001.3",
    )  # fmt: skip
    assert made.dataset.name == "gpt3mix+rephrase+gpt3mix"


def test_shortfalls_add_up(train, answering):
    made = generate(train, [Rephrase(per_class=2), Rephrase(per_class=3)], llm=answering(lambda _: ""))
    assert made.shortfall == {"negative": 5, "positive": 5}
    names = [row.example.id for row in made.dropped]
    assert len(set(names)) == len(names)


def test_human_rows_only_by_type(train):
    with pytest.raises(DataError) as caught:
        generate(Dataset(train.table, train.labels), "gpt3mix")
    assert str(caught.value) == (
        "generate: expected the human training rows, got a Dataset that may hold synthetic ones.\n"
        "  Use .human() to take the human rows only."
    )


@pytest.mark.parametrize("name", ["gpt3mix", "rephrase"])
def test_no_language_model_is_one_clear_error(train, name):
    with pytest.raises(InputError) as caught:
        generate(train, name)
    assert str(caught.value) == (
        f"{name}: a language model is needed to write rows, and none was given.\n"
        "  Name one: 'llm: {model: PROVIDER/MODEL, budget: 5 USD}' in the file, llm=augtune.LLM(...) in Python."
    )


def test_an_unknown_generator_in_a_list(train):
    with pytest.raises(SettingsError) as caught:
        generate(train, ["gpt3mix", "gtp3mix"])
    assert str(caught.value) == "generate[1].kind: no generator is called 'gtp3mix'; did you mean 'gpt3mix'?"


def test_pairs_are_refused_by_generators_of_single_texts(make_human, answering):
    from augtune.core.dataset import Example, HumanDataset
    from augtune.core.labels import Labels

    pairs = HumanDataset.from_examples([Example("p", "x", "a", text_pair="y")], Labels(("a",)), name="mrpc")
    for name in ("gpt3mix", "rephrase"):
        with pytest.raises(InputError) as caught:
            generate(pairs, name, llm=answering(numbered))
        assert str(caught.value) == (
            f"{name}: works on single texts, and the rows of 'mrpc' are pairs.\n"
            "  Pairs can be imported: {kind: imported, path: FILE}."
        )


def test_a_reached_budget_is_passed_on(train, answering):
    def reply(_):
        raise BudgetError("enough")

    with pytest.raises(BudgetError, match=r"^enough$"):
        generate(train, "gpt3mix", llm=answering(reply))


def test_many_rows_are_asked_for_in_waves(train, answering):
    llm = answering(lambda r: f"text {r.draw} (Label: Positive)")
    made = generate(train, Gpt3Mix(count=WAVE + 20), llm=llm)
    assert (len(made.dataset), len(llm.seen)) == (WAVE + 20, WAVE + 20)
    assert made.dataset.ids[-1] == f"gpt3mix-{WAVE + 19:04d}"


def test_a_providers_batch_takes_all_rows_at_once(train, answering, monkeypatch):
    sizes = []
    for is_batch in (True, False):
        llm = answering(lambda r: f"text {r.draw} (Label: Positive)")
        monkeypatch.setattr(type(llm), "is_batch", is_batch)
        send = llm.send_all
        lists = []
        monkeypatch.setattr(
            llm,
            "send_all",
            lambda requests, send=send, lists=lists, **more: lists.append(len(requests)) or send(requests, **more),
        )
        made = generate(train, Gpt3Mix(count=WAVE + 20), llm=llm)
        sizes.append((lists, made.dataset.fingerprint))
    assert [lists for lists, _ in sizes] == [[WAVE + 20], [WAVE, 20]]
    assert sizes[0][1] == sizes[1][1]


def test_most_calls_is_blind_to_a_floats_last_digits():
    assert [most_calls(100, 1.1), most_calls(280, 1.07), most_calls(3, 1.0)] == [110, 300, 3]


def test_spent_is_the_difference():
    before, after = Cost(0.5, 3, 1, 100, 10), Cost(0.75, 5, 1, 150, 30)
    assert spent(before, after) == Cost(0.25, 2, 0, 50, 20)
    assert spent(Cost(None), Cost(None)).usd is None


def test_estimates_add_up():
    assert Estimate(1, 2, 3, 4) + Estimate(10, 20, 30, 40) == Estimate(11, 22, 33, 44)


@pytest.mark.parametrize(
    ("one", "other"),
    [("A  b\n", "a B"), ("“x”", '"x"'), ("l’été", "L'E\u0301TE\u0301"), ("ﬁne", "fine"), ("Straße", "STRASSE")],
)
def test_texts_that_say_the_same(one, other):
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(("one", "other"), [("a b", "ab"), ("no", "no!"), ("résumé", "resume")])
def test_texts_that_do_not(one, other):
    assert normalised(one) != normalised(other)


def test_a_copy_names_the_first_human_row_of_that_text(make_human):
    train = make_human([("same", "a"), ("Same", "a")])
    keeper = Keeper("x", {"a": 3}, train)
    keeper.offer(train[1])
    assert [row.because for row in keeper.dropped] == ["says the same as human row train-0000"]


def test_rows_do_not_depend_on_the_processes_hash_seed(tmp_path):
    script = (
        "import json\n"
        "from augtune.core.dataset import Example, HumanDataset\n"
        "from augtune.core.labels import Labels\n"
        "from augtune.generation.gpt3mix import Gpt3Mix\n"
        "rows = [Example(str(i), f'text {i}', 'abc'[i % 3]) for i in range(9)]\n"
        "train = HumanDataset.from_examples(rows, Labels.found_in(r.label for r in rows))\n"
        "print(json.dumps(Gpt3Mix(per_class=3).preview(train, count=9)))\n"
    )
    found = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
            ).stdout
        )
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]


def test_importing_the_folder_loads_nothing_heavy():
    script = (
        "import sys\n"
        "import augtune.generation, augtune.generation.gpt3mix, augtune.generation.rephrase, augtune.generation.imported\n"
        "heavy = {'torch', 'transformers', 'openai', 'sklearn', 'scipy', 'datasets', 'plotly'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
