from __future__ import annotations

import pytest

from run_folder import ARMS, NASTY

pytestmark = pytest.mark.browser


def found(page):
    return page.locator("#rows-found").inner_text()


def until(page, expression, wanted):
    """Wait until an expression has a value; the page's policy forbids the waiting of playwright itself."""
    for _ in range(100):
        if page.evaluate(expression) == wanted:
            return
        page.wait_for_timeout(50)
    assert page.evaluate(expression) == wanted


FOUND = "document.getElementById('rows-found').textContent"
NAME_COLOUR = "getComputedStyle(document.querySelector('#chart-arms [data-unformatted=\"human only\"]')).fill"


def first_texts(page):
    return page.locator("#row-list > li .text").all_inner_texts()


def column(page, table, place):
    return page.locator(f"#{table} tbody tr > :nth-child({place}) .value").all_inner_texts()


def test_report_opens_without_a_word_and_asks_for_nothing(shared, report_file):
    assert shared.messages == []
    assert shared.requests == [report_file.as_uri()]
    assert shared.page.title() == "helpdesk · augtune report"


def test_charts_are_drawn(page):
    drawn = page.evaluate(
        "Array.from(document.querySelectorAll('.chart'), (c) => [c.id, c.querySelectorAll('.trace, .point').length, c.ariaLabel.length])"
    )
    assert [name for name, _, _ in drawn] == [
        "chart-arms",
        "chart-differences-macro_f1",
        "chart-differences-accuracy",
        "chart-learning",
        "chart-validation",
        "chart-labels-0",
        "chart-labels-1",
        "chart-makers",
        "chart-reliability-0",
        "chart-reliability-1",
        "chart-reliability-2",
        "chart-reliability-3",
        "chart-weights-0",
        "chart-routing-0",
        "chart-frontier",
    ]
    assert all(marks >= 2 and spoken > 40 for _, marks, spoken in drawn)
    assert page.locator("#chart-learning .scatterlayer .trace path.js-line").count() == 16
    assert page.locator("#chart-arms .errorbars path").count() == 4
    assert page.locator("#chart-learning .annotation").count() == 4
    assert page.locator(".modebar-btn, .plotlyjsicon").count() == 0


def test_a_script_in_a_row_stays_text_and_does_not_run(page):
    texts = first_texts(page)
    assert texts[0] == NASTY[0]
    assert texts[1] == NASTY[1]
    assert texts[2] == NASTY[2]
    assert page.evaluate("window.hacked") is None
    assert page.locator("#row-list script, #row-list img, main b, main i").count() == 0
    assert page.evaluate("document.scripts.length") == 5


def test_policy_stops_a_script_that_got_in_all_the_same(opening):
    with opening() as opened:
        opened.page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s);"
            " const i = new Image(); i.src = 'https://example.org/x.png'; document.body.append(i); }"
        )
        assert opened.page.evaluate("window.hacked") is None
        assert len(opened.messages) == 2
        assert all("Content Security Policy" in message for message in opened.messages)


def test_arm_names_with_markup_are_shown_as_they_are(page):
    assert column(page, "table-arms", 1)[:4] == ARMS
    assert 'human + "gpt" <b>4/5</b>' in page.locator("#chart-arms").inner_text()


def test_search_finds_words_in_any_order(page):
    page.fill("input[name=search]", "1042. ticket")
    until(page, FOUND, "1 of 3,000 rows")
    assert "Ticket 1042." in first_texts(page)[0]
    page.click("#rows-reset")
    assert found(page) == "3,000 rows"
    assert page.evaluate("document.activeElement.name") == "search"


def test_search_reads_other_scripts(page):
    page.fill("input[name=search]", "客服电话")
    until(page, FOUND, "1 of 3,000 rows")
    assert first_texts(page) == [NASTY[4]]


def test_filters_add_up(page):
    page.select_option("select[name=fate]", label="dropped (300)")
    assert found(page) == "300 of 3,000 rows"
    page.select_option("select[name=by]", label="contamination (100)")
    assert found(page) == "100 of 3,000 rows"
    item = page.locator("#row-list > li").first
    assert "contamination: repeats test-0012 'My parcel <b>never</b> came' (0.97)" in item.inner_text()
    page.select_option("select[name=reason]", label="repeat (100)")
    assert found(page) == "0 of 3,000 rows"
    assert page.locator("#rows-page").inner_text() == "Page 1 of 1"


def test_rows_without_a_label_can_be_found(page):
    page.select_option("select[name=label]", label="no label (100)")
    assert found(page) == "100 of 3,000 rows"
    assert page.locator("#row-list .tag").first.inner_text() == "no label"


def test_pages_turn_by_mouse_and_keyboard(page):
    button = page.get_by_role("button", name="Next")
    before = first_texts(page)
    button.click()
    assert page.locator("#rows-page").inner_text() == "Page 2 of 150"
    assert first_texts(page) != before
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#rows-page").inner_text() == "Page 3 of 150"
    page.get_by_role("button", name="Last").click()
    assert page.locator("#rows-page").inner_text() == "Page 150 of 150"
    assert button.get_attribute("aria-disabled") == "true"
    button.press("Space")
    assert page.locator("#rows-page").inner_text() == "Page 150 of 150"
    page.get_by_role("button", name="First").press("Space")
    assert page.locator("#rows-page").inner_text() == "Page 1 of 150"


def test_filtering_thousands_of_rows_is_fast(page):
    took = page.evaluate(
        "() => { const s = document.querySelector('select[name=fate]'); const t = performance.now();"
        " for (let i = 0; i < 10; i++) { s.value = String(i % 2); s.dispatchEvent(new Event('change')); }"
        " return (performance.now() - t) / 10; }"
    )
    assert took < 100


def test_long_text_unfolds_by_keyboard(page):
    button = page.get_by_role("button", name="Show all").first
    text = page.locator("#row-list .text.folded").first
    low = text.bounding_box()["height"]
    button.focus()
    page.keyboard.press("Enter")
    unfolded = page.locator("#row-list .text", has_text="w" * 700)
    assert unfolded.bounding_box()["height"] > low
    assert page.get_by_role("button", name="Show less").get_attribute("aria-expanded") == "true"


def test_right_to_left_text_runs_right_to_left(page):
    assert page.evaluate("getComputedStyle(document.querySelectorAll('#row-list .text')[5]).direction") == "rtl"


def test_tables_sort_by_mouse_and_keyboard(page):
    table = page.locator("#table-arms")
    heading = table.locator("th", has_text="macro-F1")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    values = [float(value) for value in column(page, "table-arms", 2)]
    assert values == sorted(values, reverse=True)
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert [float(value) for value in column(page, "table-arms", 2)] == sorted(values)
    table.get_by_role("button", name="Arm").press("Space")
    assert heading.get_attribute("aria-sort") is None
    assert column(page, "table-arms", 1) == sorted(ARMS, key=str.lower)
    assert table.locator("tfoot").inner_text().startswith("majority")


def test_empty_cells_sort_last_both_ways(page):
    heading = page.locator("#table-cost th", has_text="Per point gained")
    for _ in range(2):
        heading.get_by_role("button").click()
        assert column(page, "table-cost", 7)[-1] == "–"


def test_skip_link_comes_first_and_what_is_focused_shows_it(opening):
    with opening() as opened:
        page = opened.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.locator("#table-arms button").first.focus()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "macro-F1"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_structure_can_be_read_out(page):
    faults = page.evaluate(
        """() => {
          const faults = [];
          const levels = Array.from(document.querySelectorAll('h1,h2,h3,h4'), (h) => Number(h.tagName[1]));
          levels.forEach((level, i) => { if (i && level > levels[i - 1] + 1) faults.push(`heading ${i} jumps`); });
          for (const t of document.querySelectorAll('table')) {
            if (!t.caption?.textContent.trim()) faults.push(`${t.id}: no caption`);
            if (t.querySelector('th:not([scope])')) faults.push(`${t.id}: a th without scope`);
            if (t.parentElement.tabIndex !== 0) faults.push(`${t.id}: box without keyboard scrolling`);
          }
          for (const c of document.querySelectorAll('input,select')) if (!c.labels.length) faults.push(`${c.name}: no label`);
          const ids = Array.from(document.querySelectorAll('main [id]'), (e) => e.id).filter((id) => !/^(clip|topdefs|defs|legend|g)/.test(id));
          if (new Set(ids).size !== ids.length) faults.push('an id is used twice');
          for (const a of document.querySelectorAll('a[href^="#"]')) if (!document.querySelector(a.hash)) faults.push(`${a.hash} leads nowhere`);
          return faults;
        }"""
    )
    assert faults == []


def faults_of(axe, page):
    found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [(one["id"], one["impact"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found]


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")], ids=lambda value: str(value)
)
def test_axe_finds_no_fault(opening, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    # the page's policy forbids scripts from elsewhere, those of a test included
    with opening(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        opened.page.wait_for_timeout(300)
        assert faults_of(axe.Axe(), opened.page) == []


def test_axe_sees_a_fault_where_there_is_one(opening):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with opening(bypass_csp=True) as opened:
        opened.page.evaluate("document.querySelector('.intro').style.color = '#cccccc'")
        assert [name for name, _, _ in faults_of(axe.Axe(), opened.page)] == ["color-contrast"]


def shown(page, table):
    return page.locator(f"#{table} tbody tr:visible").count()


def test_tables_filter_by_words_in_any_column(page):
    box = page.get_by_label("Filter: Differences against the baseline.")
    whole = shown(page, "table-differences")
    assert whole == 9
    box.fill("McNemar two-stage")
    assert shown(page, "table-differences") == 1
    assert page.locator(".filter [role=status]").first.inner_text() == "1 of 9 lines"
    page.locator("#table-differences button.sort").first.click()
    assert shown(page, "table-differences") == 1
    box.press("Escape")
    assert (box.input_value(), shown(page, "table-differences")) == ("", whole)
    box.fill("no such arm")
    assert shown(page, "table-differences") == 0
    box.fill("")
    assert page.locator("#table-arms").locator("xpath=ancestor::section").locator("input").count() == 0


def test_every_chart_without_a_table_beside_it_has_one_behind_it(page):
    bare = page.evaluate(
        "Array.from(document.querySelectorAll('.chart'), (c) => [c.id, c.nextElementSibling?.matches('details.behind') ?? false])"
        ".filter(([, has]) => !has).map(([id]) => id)"
    )
    assert bare == [
        "chart-arms",
        "chart-differences-macro_f1",
        "chart-differences-accuracy",
        "chart-labels-0",
        "chart-labels-1",
    ]
    summary = page.locator("#chart-frontier + details summary")
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("#table-frontier").is_visible()
    page.keyboard.press("Enter")
    assert not page.locator("#table-frontier").is_visible()


def test_all_that_can_be_used_is_reached_by_tab_and_shows_it(opening):
    with opening() as opened:
        page = opened.page
        wanted = page.evaluate(
            "Array.from(document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]'))"
            ".filter((e) => e.checkVisibility() && !e.closest('details:not([open]) > :not(summary)')).length"
        )
        reached = set()
        for _ in range(wanted + 5):
            page.keyboard.press("Tab")
            place, outline = page.evaluate(
                "(() => { const e = document.activeElement; window.all_ ??= Array.from(document.querySelectorAll('*'));"
                " return [e === document.body ? -1 : all_.indexOf(e), getComputedStyle(e).outlineStyle]; })()"
            )
            if place >= 0:
                assert outline != "none", page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
                reached.add(place)
        assert len(reached) == wanted


def test_no_page_scrolls_sideways(opening):
    right = "Math.max(...Array.from(document.querySelectorAll('.chart svg.main-svg'), (s) => s.getBoundingClientRect().right))"
    with opening(viewport={"width": 390, "height": 844}) as opened:
        page = opened.page
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        for width in (390, 320, 800):
            page.set_viewport_size({"width": width, "height": 844})
            until(page, f"{right} <= {width}", True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.messages == []


def test_charts_follow_the_width(opening):
    with opening() as opened:
        opened.page.set_viewport_size({"width": 420, "height": 800})
        until(opened.page, "document.querySelector('#chart-arms svg').getBoundingClientRect().width < 420", True)
        assert all(legend.is_visible() for legend in opened.page.locator(".legend").all())
        assert opened.page.locator("#chart-learning .annotation").count() == 0


def test_dark_scheme_reaches_page_and_charts(opening):
    with opening(color_scheme="dark") as opened:
        page = opened.page
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
        assert page.evaluate(NAME_COLOUR) == "rgb(233, 235, 239)"
        page.emulate_media(color_scheme="light")
        until(page, NAME_COLOUR, "rgb(27, 31, 39)")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(253, 253, 251)"


def test_print_is_light_unfolded_and_comes_back(opening):
    with opening(color_scheme="dark") as opened:
        page = opened.page
        page.evaluate(
            "addEventListener('beforeprint', () => { window.open_ = document.querySelectorAll('details:not([open], .behind)').length;"
            f" window.ink_ = {NAME_COLOUR}; }})"
        )
        assert page.pdf(format="A4")[:4] == b"%PDF"
        assert page.evaluate("[window.open_, window.ink_]") == [0, "rgb(27, 31, 39)"]
        assert page.locator("details[open]").count() == 0
        assert opened.messages == []


def test_nothing_is_wider_than_paper(opening):
    with opening(viewport={"width": 688, "height": 1000}) as opened:
        opened.page.emulate_media(media="print")
        opened.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        # A4 less the margins; a browser shrinks the whole page where one table is wider
        until(opened.page, "document.documentElement.scrollWidth <= 688", True)


def test_without_javascript_the_numbers_are_there(chromium, report_file):
    tab = chromium.new_context(java_script_enabled=False)
    page = tab.new_page()
    page.goto(report_file.as_uri())
    assert "Highest macro-F1: dimp" in page.locator(".lede").inner_text()
    assert page.locator("#table-arms tbody tr").count() == 4
    assert "needs JavaScript" in page.locator("#rows").inner_text()
    tab.close()
