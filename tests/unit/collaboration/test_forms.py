import re

import pytest

from augtune.collaboration.forms import FORMS, Shown, find_form
from augtune.core.errors import InputError
from augtune.core.labels import Labels

LABELS = Labels(("no", "not sure"), {"no": "It says\nno."})
SHOWN = Shown("a {{ text }} & <b>", None, "no", (("no", 0.98765), ("not sure", 0.01235)), [
    {"text": "one\ntwo", "text_pair": None, "label": "not sure"}
])  # fmt: skip
NEEDS = {
    "minimal": set(),
    "minimal_label": {"decision"},
    "classify": set(),
    "examples": {"examples"},
    "label": {"decision"},
    "probabilities": {"probabilities"},
    "label_probabilities": {"decision", "probabilities"},
    "label_examples": {"decision", "examples"},
    "all": {"decision", "probabilities", "examples"},
}


@pytest.mark.parametrize("name", FORMS)
def test_form_shows_what_it_needs_and_nothing_else(name):
    form = find_form(name)
    text = "\n".join(turn.content for turn in form.messages(SHOWN, LABELS, text_type="note"))
    assert form.needs == NEEDS[name]
    assert "a {{ text }} & <b>" in text
    assert "'no' or 'not sure'" in text
    assert "no: It says no." in text
    assert ("98.77%" in text) == ("probabilities" in form.needs)
    assert ("- not sure: one two\n" in text) == ("examples" in form.needs)
    assert ("label: no\n" in text) == ("decision" in form.needs)
    assert re.fullmatch(r"ask-[a-z-]+@\d+#[0-9a-f]{8}", form.mark)


def test_minimal_form_is_the_bare_text_after_a_system_line():
    turns = find_form("minimal").messages(SHOWN, LABELS)
    assert [turn.role for turn in turns] == ["system", "user"]
    assert turns[1].content == "a {{ text }} & <b>"


def test_pair_shows_both_texts():
    for name in FORMS:
        shown = Shown("first", "second", "no", (("no", 1.0), ("not sure", 0.0)), SHOWN.examples)
        assert "second" in find_form(name).messages(shown, LABELS)[-1].content, name


def test_own_form_is_read_from_its_file_and_again_when_it_changes(tmp_path):
    file = tmp_path / "mine.jinja2"
    head = "---\nid: mine\nversion: 3\nlanguage: de\n---\n"
    file.write_text(head + "Sei knapp.\n<<user>>\n{{ text }} ({{ decision }})\n")
    form = find_form(str(file))
    assert form.needs == {"decision"}
    assert form.mark.startswith("mine@3#")
    assert [turn.content for turn in form.messages(SHOWN, LABELS)] == ["Sei knapp.", "a {{ text }} & <b> (no)"]
    file.write_text(head + "{{ text }}\n")
    assert find_form(str(file)).system is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{{ text }} {{ lable }}", "'lable' is nothing that a prompt is given; did you mean 'labels'?"),
        ("{{ labels }}", "the prompt never shows {{ text }}."),
        ("{{ text ", "line 1: unexpected end of template"),
    ],
)
def test_own_form_is_refused_when_it_cannot_work(tmp_path, body, message):
    file = tmp_path / "mine.jinja2"
    file.write_text(f"---\nid: mine\nversion: 1\nlanguage: en\n---\n{body}\n")
    with pytest.raises(InputError) as caught:
        find_form(str(file))
    assert message in caught.value.message


def test_unknown_form_names_the_closest():
    with pytest.raises(InputError, match=r"^form: no prompt form is called 'lable'; did you mean 'label'\?$"):
        find_form("lable")
    with pytest.raises(InputError, match=r"^form: nowhere.jinja2: no such file.$"):
        find_form("nowhere.jinja2")
