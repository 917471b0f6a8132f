"""Charts as files, and tables for papers."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from augtune.core.errors import DataError, StorageError
from augtune.reporting.charts import charts_of
from augtune.reporting.confusions import confusion_charts
from augtune.reporting.drawing import drawn
from augtune.reporting.files import export_charts
from augtune.reporting.palette import arm_styles
from augtune.reporting.papers import paper_tables

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    return export_charts(run, tmp_path_factory.mktemp("figures") / "new" / "folder")


def test_there_is_a_file_for_every_chart_named_by_what_it_shows(written):
    assert [path.name for path in written.paths] == [
        "arms.svg", "differences-macro_f1.svg", "differences-accuracy.svg", "learning.svg", "validation.svg",
        "labels-0.svg", "labels-1.svg", "makers.svg", "reliability-human-only.svg",
        "reliability-human-+-gpt-b-4-5-b.svg", "reliability-two-stage.svg", "reliability-dimp.svg", "weights-dimp.svg",
        "routing-two-stage.svg", "frontier.svg", "confusion-human-only.svg", "confusion-human-+-gpt-b-4-5-b.svg",
        "confusion-two-stage.svg", "confusion-dimp.svg",
    ]  # fmt: skip
    assert written.unreadable == ""
    assert sorted(path.name for path in written.paths[0].parent.iterdir()) == sorted(p.name for p in written.paths)


def test_every_svg_is_whole_asks_for_nothing_and_says_what_it_shows(written, view):
    charts = [*charts_of(view, arm_styles(view.arms, view.baseline)), *confusion_charts(view)]
    for path, chart in zip(written.paths, charts, strict=True):
        text = path.read_text(encoding="utf-8")
        tree = ElementTree.fromstring(text)
        assert tree.tag == f"{SVG}svg"
        assert len(tree.findall(f".//{SVG}path")) > 5
        assert not tree.findall(f".//{SVG}image")
        told = next(one.text for one in tree.iter() if one.tag.endswith("}description"))
        assert told == chart.alt
        assert "<dc:date>" not in text
        linked = re.findall(r'xlink:href="([^#"][^"]*)"', text)
        assert linked == []


def test_the_same_run_gives_the_same_bytes(run, written, tmp_path):
    again = export_charts(run, tmp_path)
    assert [path.read_bytes() for path in again.paths] == [path.read_bytes() for path in written.paths]


@pytest.mark.parametrize(("format", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_other_formats_are_what_they_are_called(run, tmp_path, format, start):
    found = export_charts(run, tmp_path, format=format)
    assert {path.suffix for path in found.paths} == {f".{format}"}
    assert all(path.read_bytes().startswith(start) for path in found.paths)


def test_a_file_shows_the_points_of_the_page(view):
    charts = charts_of(view, arm_styles(view.arms, view.baseline))
    (axes,) = drawn(charts.arms.figure).axes
    points = [tuple(one.get_offsets()[0]) for one in axes.collections if len(one.get_offsets())]
    wanted = [(view.arm(arm).mean["macro_f1"], 3 - place) for place, arm in enumerate(view.arms)]
    assert [point for point in points if point in wanted] == wanted
    texts = [one.get_text() for one in axes.texts]
    assert 'human + "gpt" <b>4/5</b>' in texts
    assert any("[" in text for text in texts)


def test_bars_of_a_row_stand_end_to_end(view):
    chart = charts_of(view, arm_styles(view.arms, view.baseline)).labels[1]
    (axes,) = drawn(chart.figure).axes
    human, synthetic = ([(bar.get_x(), bar.get_width()) for bar in group] for group in axes.containers)
    assert [width for _, width in human] == list(view.details.counts.train.values())
    assert [x for x, _ in synthetic] == [width for _, width in human]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["human rows", "synthetic rows"]


def test_a_heatmap_and_its_numbers_have_the_true_class_downwards(view):
    (axes,) = drawn(confusion_charts(view)[0].figure).axes
    assert axes.get_ylim() == (5.5, -0.5)
    assert [label.get_text() for label in axes.get_yticklabels()] == view.labels
    table = view.arm_details("human only").confusion
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {
        ((column, row), f"{table[row][column]:,}") for row in range(6) for column in range(6)
    }


def test_dollars_and_missing_letters_neither_start_a_formula_nor_go_unsaid(own_run, tmp_path):
    for name in ("results.json", "details.json"):
        path = own_run / name
        path.write_text(path.read_text().replace("two-stage", "$x_1$ ꙮ").replace("dimp", "a_b^c$"))
    found = export_charts(own_run, tmp_path)
    assert found.unreadable in ("", "ꙮ")
    names = [path.name for path in found.paths]
    assert "confusion-x_1-ꙮ.svg" in names
    assert "confusion-a_b-c.svg" in names


def test_arms_whose_names_are_alike_have_files_of_their_own(own_run, tmp_path):
    for name in ("results.json", "details.json"):
        path = own_run / name
        value = json.loads(path.read_text())
        value["arms"]["di/mp"], value["arms"]["di:mp"] = value["arms"]["dimp"], value["arms"]["dimp"]
        path.write_text(json.dumps(value))
    names = [path.name for path in export_charts(own_run, tmp_path).paths]
    assert len(set(names)) == len(names)
    assert {"confusion-di-mp.svg", "confusion-5.svg"} <= set(names)


def test_a_folder_that_cannot_be_made_and_a_run_that_is_none_are_told(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/in: cannot make this folder: Not a directory\.$"):
        export_charts(run, tmp_path / "file" / "in")
    with pytest.raises(DataError, match=r"holds no results\.json"):
        export_charts(tmp_path, tmp_path / "out")


def test_markdown_has_every_table_with_the_best_in_bold(run):
    text = paper_tables(run, "markdown")
    captions = [block.split("\n")[0] for block in text.split("\n\n") if not block.startswith("|")]
    assert [caption.split(":")[0].split(".")[0] for caption in captions] == [
        "Every arm on 240 test rows", "Differences against the baseline", "F1 of each class by arm, mean over 3 seeds",
        "Confidence against accuracy; the gap is what confidence is too high (+) or too low (−) by", "Rows per label",
        "What each generator wrote; labels are off by the share of its rows that would need another label to have the human rows' shares",
        "From written to kept", "What each arm's model calls cost",
    ]  # fmt: skip
    rows = [line for line in text.splitlines() if line.startswith("| dimp | **0.")]
    assert len(rows) == 1
    assert r'human + "gpt" &lt;b>4/5&lt;/b>' in text
    for block in (block for block in text.split("\n\n") if block.startswith("|")):
        lengths = [len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().splitlines()]
        assert len(set(lengths)) == 1


def test_latex_is_balanced_and_escaped(run):
    text = paper_tables(run, "latex")
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == text.count(r"\bottomrule") == 8
    assert len(set(re.findall(r"\\label\{(tab:[\w-]+)\}", text))) == 8
    assert r'human + "gpt" \textless{}b\textgreater{}4/5\textless{}/b\textgreater{}' in text
    assert re.search(r"\\textbf\{0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] \$\\pm\$ 0\.\d{3}\}", text)
    assert not set("−±–→·\u00a0") & set(text)
    for table in text.split("\n\n"):
        columns = len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", table)[1])
        lines = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert all(len(re.findall(r"(?<!\\)&", line)) == columns - 1 for line in lines)
        depths = [line.count("{") - line.count(r"\{") - line.count("}") + line.count(r"\}") for line in lines]
        assert set(depths) == {0}
    assert all(a != b for a, b in pairwise(text.split("\n\n")))
