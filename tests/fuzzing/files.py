"""Parsers of files and of settings, each with texts it is made for and with what must hold of what it takes."""

from __future__ import annotations

import itertools
import json
import math
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from augtune.cli.abstaining import answers_of
from augtune.collaboration.forms import FOLDER as FOLDER_OF_FORMS
from augtune.collaboration.forms import FORMS, Shown, find_form
from augtune.core.cells import csv_text, unguarded
from augtune.core.errors import DataError
from augtune.core.files import read_json
from augtune.core.foreign import weights_problem
from augtune.core.labels import Labels
from augtune.core.view import view_labels
from augtune.data import delimited, grammar, load, tables
from augtune.experiment import document
from augtune.experiment.plan import read_plan
from augtune.experiment.results import Results
from augtune.experiment.store import _valid
from augtune.generation.imported import Imported
from augtune.llm.keys import _dotenv
from augtune.llm.prices import Budget, Price
from augtune.llm.providers.replay import Replay
from augtune.llm.providers.trouble import retry_after_s
from augtune.reporting.read import read_run
from fuzzing.judge import Parser, check
from fuzzing.runs import small_run

__all__ = ["FOLDER", "PARSERS"]

NUMBERS = itertools.count()
EXAMPLES = ({"text": "a", "text_pair": None, "label": "b"},)
LABELS = Labels(("negative", "neutral", "positive"))


FOLDER = Path(tempfile.mkdtemp(prefix="hostile-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


def _file(name: str, text: str) -> Path:
    path = FOLDER / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


# ---- settings


def sample_size(text: str) -> None:
    wanted = grammar.parse(text)
    check(grammar.parse(str(wanted)) == wanted, "printed and read again, it is another sample")
    check(wanted.value is None or wanted.value > 0, "it asks for nothing")
    check(wanted.imbalance is None or 0 < wanted.imbalance.ratio <= 1, "the imbalance is none")
    check(wanted.longtail is None or wanted.longtail >= 1, "the tail is none")


def budget(text: str) -> None:
    found = Budget.parse(text)
    check(Budget.parse(str(found)) == found, "printed and read again, it is another budget")
    check(found.amount >= 0, "it is negative")


def price(text: str) -> None:
    try:
        listed = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return
    for row in listed.values():
        if isinstance(row, dict):
            known = {name: value for name, value in row.items() if name in Price.model_fields}
            usd = Price.parse(known, where="price").usd(tokens_in=1000, tokens_out=10)
            check(usd >= 0 and usd.is_finite(), "a call is paid back")


def yaml_value(text: str) -> None:
    value = document.value_of(text)
    if isinstance(value, dict) and value:
        document.dump(value).encode()


def override(text: str) -> None:
    before = {"train": {"lr": 1e-3}, "recipe": "dimp", "arms": {"a.b": {}}}
    after = document.override(before, [text])
    check(before == {"train": {"lr": 1e-3}, "recipe": "dimp", "arms": {"a.b": {}}}, "the input was changed")
    check(isinstance(after, dict), "no mapping came out")


def experiment(text: str) -> None:
    plan = read_plan(document.read(_file("experiment.yaml", text)))
    folders = [arm.folder for arm in plan.arms]
    check(len({name.casefold() for name in folders}) == len(folders), "two arms share a folder")
    for name in folders:
        check("/" not in name and name not in (".", "..") and "\0" not in name and name != "", f"a folder {name!r}")
    document.dump(plan.document).encode()


def view(text: str) -> None:
    value = document.value_of(text)
    made = view_labels(LABELS, value)
    check(set(made.was) == set(LABELS), "an old label is missing")
    check(set(made.was.values()) - {None} == set(made), "a class is made of nothing")


def label_names(text: str) -> None:
    names = [name for name in text.split("|") if name.strip()]
    found = Labels.found_in(names)
    check(set(found) == {name.strip() for name in names}, "the labels are others")
    check(tuple(found) == tuple(Labels.found_in(reversed(names))), "the order depends on the rows")


def dotenv(text: str) -> None:
    for name, value in _dotenv(_file(".env", text)).items():
        check("\n" not in name and "\n" not in value, "a line end in a key")


def wait(text: str) -> None:
    seconds = retry_after_s({"retry-after": text, "retry-after-ms": text[::-1]})
    check(seconds is None or (seconds >= 0 and math.isfinite(seconds)), "a wait without end")


def prompt_form(text: str) -> None:
    path = _file(f"own-{next(NUMBERS)}.jinja2", text)  # forms are remembered by file and time
    try:
        form = find_form(str(path))
    finally:
        path.unlink()
    for shown in (Shown("{{ 7 * 7 }} a\0b"), Shown("a", "b", "negative", (("negative", 0.75),), EXAMPLES)):
        for turn in form.messages(shown, LABELS):
            turn.content.encode()


# ---- rows


def jsonl(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()  # a file that was read has no halves, but for those JSON names
    table = tables.parse_jsonl(text, "x.jsonl")
    again = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.rows)
    again.encode()
    check(_same(tables.parse_jsonl(again, "again").rows, table.rows), "written and read again, rows are others")


def _same(one: Iterable[Mapping[str, object]], other: Iterable[Mapping[str, object]]) -> bool:
    return repr(list(map(dict, one))) == repr(list(map(dict, other)))  # NaN is equal to itself here


def separated(text: str) -> None:
    for tabs in (False, True):
        try:
            found = delimited.parse(text, source="x", tabs=tabs)
        except DataError:
            continue
        columns = list(found.rows[0]) if found.rows else []
        if not found.rows or "" in columns or any(unguarded(name) != name for name in columns):
            continue
        written = csv_text(found.rows, columns)
        again = delimited.parse(written, source="again", tabs=False).rows if len(columns) > 1 else None
        if again is None:
            continue
        texts = [{name: unguarded(cell) for name, cell in row.items()} for row in again]
        check(list(texts[0].values()) == list(found.rows[0].values()) and len(texts) == len(found.rows), "other rows")
        check([list(row.values()) for row in texts] == [list(row.values()) for row in found.rows], "other cells")


def rows_file(ending: str) -> Callable[[str], None]:
    def read(text: str) -> None:
        path = _file(f"rows{ending}", text)
        splits = load(path)
        for row in splits.train:
            check(row.label in splits.train.labels, "a label that is none")
            check(bool(row.text.strip()), "an empty text")
            row.text.encode()

    return read


def imported(text: str) -> None:
    human = load(_file("human.csv", "text,label\na film,negative\na treat,positive\nso so,neutral\n")).train
    made = Imported(path=_file("made.jsonl", text)).generate(human, llm=None, seed=0)
    for row in made.dataset:
        check(row.label in human.labels and bool(row.text.strip()), "a row without text or label")
        soft = row.probabilities
        check(soft is None or abs(sum(soft) - 1) < 1e-6, "probabilities that are none")


def predictions(text: str) -> None:
    table = tables.parse_jsonl(text, "x.jsonl")
    if "predicted" in table.columns:
        answers_of(table, "predicted", "probabilities" if "probabilities" in table.columns else None)


# ---- files of a run, recordings, weights


def recording(text: str) -> None:
    replay = Replay(_file("replies.jsonl", text))
    for reply in replay._replies.values():
        check(isinstance(reply.text, str), "a reply that is no text")
        reply.text.encode()


def run_folder(name: str) -> Callable[[str], None]:
    def read(text: str) -> None:
        folder = FOLDER / "run"
        if not folder.is_dir():
            small_run(folder)
        path = folder / name
        before = path.read_bytes()
        try:
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
            found = read_run(folder)
            for arm in found.arms:
                list(found.kept(arm)), found.predictions(arm, 0), found.per_class(arm), found.history(arm, 0)
            found.best(), found.metrics, found.comparison(found.arms[0])
            repr(Results.read(folder))
        finally:
            path.write_bytes(before)

    return read


def stamp(text: str) -> None:
    folder = FOLDER / "stage"
    folder.mkdir(exist_ok=True)
    (folder / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    (folder / "stamp.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    notes = _valid(folder)
    if notes is not None:
        files = read_json(folder / "stamp.json")["files"]
        check(all(".." not in name and not name.startswith("/") for name in files), "files outside the stage")


def weights_header(text: str) -> None:
    header = text.encode("utf-8", "surrogatepass")
    length = len(header).to_bytes(8, "little")
    path = FOLDER / "model.safetensors"
    path.write_bytes(length + header + b"\0" * 16)
    if weights_problem(path) is None:
        entries = json.loads(header)
        spans = sorted(entry["data_offsets"] for name, entry in entries.items() if name != "__metadata__")
        check(all(0 <= low <= high <= 16 for low, high in spans), "offsets outside the file")


HEADER = '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"v":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}'
STAMP = (
    '{"sort": "x", "key": "k", "about": "", "notes": {}, "files": {"rows.jsonl": [3, '
    '"ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"]}}'
)
ROW = '{"text": "a joyless retread", "label": "negative"}'
SOFT = '{"text": "it drags", "label": "negative", "probabilities": {"negative": 0.9, "neutral": 0.1, "positive": 0}}'
ASKED = '{"request": {"provider": "openai", "base_url": null, "model": "m", "messages": [{"role": "user", "content": "a"}]}, '
OWN_FORMS = tuple((FOLDER_OF_FORMS / f"{name}.jinja2").read_text(encoding="utf-8") for name in FORMS)
VIEW = "{neutral: neutral, loud: [positive], drop: [negative]}"
PREDICTION = '{"id": "t", "label": "a", "predicted": "b", "probabilities": {"a": 0.25, "b": 0.75}}\n'
PRICES = (
    '["openai/m"]\nas_of = 2026-01-02\ninput = 0.4\noutput = 1.6\ncached = 0.1\nbatch = 0.5\n',
    '["a/b"]\ninput = 1\noutput = 2\n["c/d"]\ninput = 0.0\noutput = 0.0\ncache_write = 1.25\n',
)
EXPERIMENT = """\
name: small
seeds: [0, 1]
data: {source: rows.csv, columns: {text: text, label: label}, train: 10/class, validation: none, test: all of test}
train: {encoder: bundled/minilm, steps: 20, recipe: vanilla}
arms:
  human only: {generate: null, curate: null}
  'more': {train: {recipe: two_stage}}
evaluate: {metrics: [macro_f1, accuracy], baseline: human only}
"""

PARSERS: tuple[Parser, ...] = (
    Parser(
        "sampling grammar", sample_size, (*grammar.EXAMPLES, "[0, 3, 17]", "2000, imbalance 0.5 majority='a+b'+c"), 150
    ),
    Parser("budget", budget, ("2 USD", "500 calls", "2M tokens", "0.25 USD", "1.5k calls"), 60),
    Parser("prices.toml", price, PRICES, 20),
    Parser("yaml", yaml_value, (EXPERIMENT, "3e-5", "[a, b]", "{a: 1, b: [no, yes]}", "|\n  a\n  b\n"), 8, 300_000),
    Parser(
        "override", override, ("train.lr=3e-5", "recipe.clamp=5", "arms.a.b.train={lr: 1}", "x=[1, 2]"), 25, 300_000
    ),
    Parser("experiment file", experiment, (EXPERIMENT, EXPERIMENT.replace("'more'", "'../up'")), 4, 300_000),
    Parser("view", view, ("one-vs-rest neutral", "{bad: [negative], rest: [neutral, positive]}", VIEW), 25, 300_000),
    Parser("prompt form", prompt_form, OWN_FORMS, 8, 20_000),
    Parser("label names", label_names, ("negative|neutral|positive", "1|2|10", "-1|0|1", "a| b |c", "05|5|²"), 60),
    Parser(".env", dotenv, ("OPENAI_API_KEY=abc\nexport X='y'\n# no\n",), 20),
    Parser("retry-after", wait, ("1.5", "120", "Wed, 21 Oct 2015 07:28:00 GMT", "-1"), 30),
    Parser("jsonl", jsonl, (f"{ROW}\n{ROW}\n", f"{SOFT}\n\n", '{"a": [1, {"b": null}], "c": 1e3}\n'), 80),
    Parser(
        "csv and tsv", separated, ("text,label\na,b\n", 'a;b\n"x ""y""";z\n', 'a\tb\n"1\t2\n', "=a,'b\n+1,@c\n"), 80
    ),
    Parser("rows: csv", rows_file(".csv"), ("text,label\na,b\nc,d\n", 'text,label\n"a\nb",1\n"c",2\n'), 10),
    Parser("rows: json", rows_file(".json"), (f"[{ROW}, {SOFT}]", '{"text": ["a", "b"], "label": [0, 1]}'), 10),
    Parser("rows: jsonl", rows_file(".jsonl"), (f"{ROW}\n{SOFT}\n",), 10),
    Parser("imported rows", imported, (f"{ROW}\n{SOFT}\n", f"{SOFT}\n"), 10),
    Parser(
        "predictions",
        predictions,
        ('{"id": "a", "predicted": null, "abstained": true, "probabilities": {"x": 1}}\n',),
        40,
    ),
    Parser("recorded replies", recording, (ASKED + '"reply": {"text": "good", "finish_reason": "stop"}}\n',), 40),
    Parser("run folder: results", run_folder("results.json"), (small_run(FOLDER / "one", "results.json"),), 10),
    Parser("run folder: details", run_folder("details.json"), (small_run(FOLDER / "one", "details.json"),), 10),
    Parser("run folder: rows", run_folder("data/two/synthetic.jsonl"), (f'{{"id": "a", {ROW[1:]}\n', f"{ROW}\n"), 10),
    Parser("run folder: predictions", run_folder("predictions/two/seed-0.jsonl"), (PREDICTION,), 10),
    Parser("stage stamp", stamp, (STAMP, STAMP.replace("rows.jsonl", "../../dev/zero")), 20),
    Parser("safetensors header", weights_header, (HEADER, HEADER[:-1] + ',"__metadata__":{"format":"pt"}}'), 40),
)
