"""Rebuild a published study of ELECTRA and GPT-4o as partners from its prediction files, without a single call.

    python examples/electra_gpt/rebuild.py [--json FILE]

The data pack is looked for at ``AUGTUNE_DATA`` and beside the project.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from study import CHARACTERS_PER_TOKEN, LABELS, PAPER, PARTS, Study, data_folder, read_study

import augtune as at
from augtune.collaboration.combine import Pool
from augtune.collaboration.curve import ALL
from augtune.core.files import write_json
from augtune.evaluation.cost import Bill, Item
from augtune.evaluation.significance import mcnemar

LARGE, MINI, LABEL_IN_PROMPT, CONFUSED = "E2-ELFT", "B3-G4OM", "E13-G4OM-ELFT", "E7-G4O-ELFT"
PAIRS = (
    ("B4-G4O", CONFUSED), (MINI, "E3-G4OM-EBFT"), (MINI, LABEL_IN_PROMPT), (LARGE, LABEL_IN_PROMPT),
    ("E1-EBFT", "E3-G4OM-EBFT"), ("E4-G4OMFT", "E5-G4OMFT-EBFT-P"), ("E4-G4OMFT", "E12-G4OFT-M"),
)  # fmt: skip
THRESHOLDS = (0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90)
CHOSEN = 0.70
LIFETIME = 1_000_000  # predictions that what is paid once is spread over


def scores(study: Study) -> dict[str, Any]:
    """Compare every recomputed score with the published files and table."""
    largest, values, cells, wrong, rows = 0.0, 0, 0, [], []
    for name, experiment in study.experiments.items():
        row: dict[str, Any] = {"id": name, "paper": PAPER[name]}
        for source, section, column in PARTS:
            found = at.evaluate(experiment.predictions, study.parts[source], resamples=0)
            row[section] = found["macro_f1"]
            if experiment.metrics:
                gaps = list(_gaps(found, experiment.metrics[section]))
                values, largest = values + len(gaps), max(largest, *gaps)
            for metric, key in (("macro_f1", f"{column}_f1"), ("accuracy", f"{column}_accuracy")):
                if key in experiment.table:
                    cells += 1
                    if round(100 * found[metric], 2) != float(experiment.table[key]):
                        wrong.append(f"{name} {key}")
        rows.append(row)
    return {"rows": rows, "values": values, "largest_difference": largest, "cells": cells, "cells_that_differ": wrong}


def _gaps(found: at.Scores, published: dict[str, Any]) -> list[float]:
    """Return the absolute differences between a report of ours and the published one."""
    gaps = [abs(found["accuracy"] - published["accuracy"]), abs(found["macro_f1"] - published["macro avg"]["f1-score"])]
    for label in LABELS:
        own = found.per_class[label].to_json()
        gaps += [abs(own[key] - published[label]["f1-score" if key == "f1" else key]) for key in own]
    return gaps


def tests(study: Study) -> list[dict[str, Any]]:
    """Return the exact McNemar test and the interval of the difference in macro-F1 for the pairs the article tests."""
    found = []
    settings = at.EvaluateSettings(metrics=("macro_f1",))
    for first, second in PAIRS:
        pair = [study[name].predictions for name in (first, second)]
        exact = mcnemar(study.test, *pair)
        gain = at.compare(study.test, at.Runs(second, (pair[1],)), at.Runs(first, (pair[0],)), settings)[0]
        found.append(
            {
                "first": first,
                "second": second,
                "only_first": exact.only_first,
                "only_second": exact.only_second,
                "p": exact.p,
                "difference": gain.difference,
                "interval": gain.interval.to_json(),
            }
        )
    return found


def guard(study: Study) -> list[dict[str, Any]]:
    """Ask of every prompt that names an encoder whether it shows that encoder's predictions."""
    reference = {"Base": study["E1-EBFT"].predictions, "Large": study[LARGE].predictions}
    found = []
    for name, experiment in study.experiments.items():
        if experiment.electra is None or experiment.encoder is None:
            continue
        one = at.same_model(experiment.electra, reference[experiment.encoder])
        found.append({"id": name, "named": experiment.encoder, "same": one.same, "labels_differ": one.labels_differ})
    return found


def against_the_one_inside(study: Study) -> dict[str, Any]:
    """Return what the calls of the mixed-up experiment gained over the classifier that is really in its prompts."""
    inside, answered = _electra(study, CONFUSED), study[CONFUSED].predictions
    exact = mcnemar(study.test, inside, answered)
    return {
        "alone": _f1(study, inside),
        "with_calls": _f1(study, answered),
        "p": exact.p,
        "only_alone": exact.only_first,
        "only_with_calls": exact.only_second,
    }


def refusal(study: Study) -> str:
    """Return what ``Evidence`` says to the study's mix-up."""
    try:
        at.Evidence(predictions=study[CONFUSED].electra, reference=study[LARGE].predictions)
    except at.DataError as error:
        return error.message
    raise SystemExit("error: the guard let the mix-up through.")


def routing(study: Study) -> dict[str, Any]:
    """Route by Large's confidence to gpt-4o-mini, which answers without having seen Large's label."""
    large, mini, partner = _electra(study, LABEL_IN_PROMPT), study[MINI].predictions, study[LABEL_IN_PROMPT].predictions
    fixed = at.route(large, mini, study.test, threshold=CHOSEN)
    if fixed.curve is None:
        raise SystemExit("error: the router has no curve.")
    table = [{"threshold": t, "share": fixed.curve.at(t).share, "f1": fixed.curve.at(t).value} for t in THRESHOLDS]
    routed = fixed.combine(large, mini)
    gain = at.compare(
        study.test,
        at.Runs("routed", (routed,)),
        at.Runs("label", (partner,)),
        at.EvaluateSettings(metrics=("macro_f1",)),
    )[0]
    exact = mcnemar(study.test, partner, routed)
    chosen = {name: at.route(large, mini, study.test, combine=name) for name in ("replace", "pool", "stack")}
    pools = {
        name: _f1(study, at.Router(LABELS, ALL, 1.0, Pool(0.6)).combine(large, study[name].predictions))
        for name in (MINI, "B4-G4O")
    }
    second = at.route(_electra(study, CONFUSED), mini, study.test, threshold=CHOSEN).chosen
    return {
        "table": table,
        "share": routed.share,
        "f1": _f1(study, routed),
        "label_in_prompt_f1": _f1(study, partner),
        "difference": gain.difference,
        "interval": gain.interval.to_json(),
        "p": exact.p,
        "only_label": exact.only_first,
        "only_routed": exact.only_second,
        "told_the_label_f1": _f1(study, fixed.combine(large, partner)),
        "pools": pools,
        "cross_validated": {
            name: {"f1": one.checked.value, "share": one.checked.share} for name, one in chosen.items() if one.checked
        },
        "round_2": second and {"share": second.share, "f1": second.value},
        "curve": fixed.curve.to_json(chosen=fixed.chosen),
        "temperature": at.route(study.validation_large, study.validation_large, study.validation).temperature,
    }


def costs(study: Study, routed: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what every experiment cost: as published, and with what the table leaves out (estimated)."""
    letters = sum(map(len, study.validation.texts)) / len(study.validation)
    example_tokens = letters / CHARACTERS_PER_TOKEN + 4
    rows = []
    for name, experiment in study.experiments.items():
        running = experiment.running_bill(example_tokens)
        rows.append(_cost_row(name, _f1(study, experiment.predictions), experiment.published_bill, running))
        rows[-1]["published"] = experiment.table.get("ft_cost")
    encoder, calls = study[LARGE], study[MINI].running_bill(example_tokens)
    asked = tuple(Item(item.what, (item.usd or 0) * routed["share"], "running") for item in calls.items)
    both = Bill((*encoder.running_bill(example_tokens).items, *asked), len(study.test))
    rows.append(_cost_row("routed", routed["f1"], encoder.published_bill, both))
    return rows


def _cost_row(name: str, f1: float, once: Bill, running: Bill) -> dict[str, Any]:
    whole = once + running
    return {
        "id": name,
        "f1": f1,
        "once_usd": once.usd,
        "usd_per_point": once.usd_per_point(f1),
        "running_usd": running.usd,
        "whole_usd_per_point": whole.usd_per_point(f1),
        "usd_per_1000": 1000 * (running.usd or 0) / running.predictions if running.predictions else 0.0,
        "usd_per_1000_over_lifetime": 1000 * (whole.usd_per_prediction(LIFETIME) or 0),
    }


def _electra(study: Study, name: str) -> at.Predictions:
    found = study[name].electra
    if found is None:
        raise SystemExit(f"error: {name} holds no predictions of an encoder.")
    return found


def _f1(study: Study, predictions: at.Predictions) -> float:
    return at.evaluate(predictions, study.test, resamples=0)["macro_f1"]


def rebuild(data: Path) -> dict[str, Any]:
    """Return everything that this example shows, as one JSON object."""
    study = read_study(data)
    routed = routing(study)
    return {
        "scores": scores(study),
        "tests": tests(study),
        "guard": guard(study),
        "refusal": refusal(study),
        "inside": against_the_one_inside(study),
        "routing": routed,
        "costs": costs(study, routed),
    }


def show(found: dict[str, Any]) -> None:
    """Print the result."""
    own = found["scores"]
    print(f"macro-F1 of {len(own['rows'])} experiments: merged, DynaSent round 1, round 2, SST")
    for row in own["rows"]:
        values = "  ".join(f"{100 * row[section]:.2f}" for _, section, _ in PARTS)
        print(f"  {row['id']:<22}{row['paper']:>4}  {values}")
    print(f"{own['values']} values against metrics.json: largest difference {own['largest_difference']:.1g}")
    print(f"{own['cells']} cells of the published table: {len(own['cells_that_differ'])} differ\n")
    print("exact McNemar: only the first right, only the second; difference in macro-F1")
    for t in found["tests"]:
        low, high = (100 * end for end in t["interval"])
        print(
            f"  {t['first']} → {t['second']}: {t['only_first']}/{t['only_second']}, p {t['p']:.5g}; "
            f"{100 * t['difference']:+.2f} [{low:.2f}, {high:.2f}]"
        )
    print("\nis the encoder inside the prompt the one that is named?")
    for g in found["guard"]:
        print(f"  {g['id']:<22} {g['named']:<6} {'yes' if g['same'] else 'NO'}, {g['labels_differ']} labels differ")
    print(f"  refused: {found['refusal']}")
    inside = found["inside"]
    print(
        f"  the classifier really inside has {100 * inside['alone']:.2f} alone; with GPT-4o's calls "
        f"{100 * inside['with_calls']:.2f}, McNemar p {inside['p']:.2g}\n"
    )
    _show_routing(found["routing"])
    print("\ncost in $: published and recomputed, per point of macro-F1; with inference (estimated), per 1,000")
    for c in found["costs"]:
        print(
            f"  {c['id']:<22}{100 * c['f1']:6.2f}{c.get('published') or '-':>9}{c['once_usd']:9.2f}"
            f"{c['usd_per_point']:7.2f}{c['whole_usd_per_point']:7.2f}{c['usd_per_1000']:8.4f}"
        )


def _show_routing(r: dict[str, Any]) -> None:
    print("gpt-4o-mini called only where Large's confidence is under a threshold: share of texts, macro-F1")
    for row in r["table"]:
        print(f"  {row['threshold']:.2f}  {row['share']:6.1%}  {100 * row['f1']:.2f}")
    low, high = (100 * end for end in r["interval"])
    print(
        f"  at {CHOSEN:.2f}: {100 * r['f1']:.2f} against {100 * r['label_in_prompt_f1']:.2f} for the label in every "
        f"prompt: {100 * r['difference']:+.2f} [{low:.2f}, {high:.2f}], McNemar p {r['p']:.2g} "
        f"({r['only_label']}/{r['only_routed']})"
    )
    print(f"  the same rows sent to gpt-4o-mini with Large's label in the prompt: {100 * r['told_the_label_f1']:.2f}")
    pools = ", ".join(f"{name} {100 * f1:.2f}" for name, f1 in r["pools"].items())
    print(f"  pool of 0.6 Large + 0.4 LLM: {pools}")
    for name, one in r["cross_validated"].items():
        print(f"  chosen by cross-validation, {name}: {100 * one['f1']:.2f} with {one['share']:.1%} sent")


def main() -> None:
    """Read the options, rebuild, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything, the curve included, to this file")
    options = parser.parse_args()
    found = rebuild(data_folder())
    show(found)
    if options.json is not None:
        write_json(options.json, found)
        print(f"\nwritten: {options.json}")


if __name__ == "__main__":
    main()
