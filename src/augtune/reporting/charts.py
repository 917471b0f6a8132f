"""All charts of a run: which there are, in the order of the page, with what the page shows beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from augtune.reporting import plots, points
from augtune.reporting.figure import Chart, Styles
from augtune.reporting.frontier import frontier_chart
from augtune.reporting.makers import Maker, makers, makers_chart
from augtune.reporting.read import RunView
from augtune.reporting.reliability import Reliability, reliability_chart, reliability_of
from augtune.reporting.routing import routed_arms, routing_chart
from augtune.reporting.saturation import Step, saturation_chart, steps_of
from augtune.reporting.sizes import sizes_chart
from augtune.reporting.steps import learning_chart, validation_chart

__all__ = ["Charts", "charts_of"]

MOST_DIAGRAMS = 6
"""Arms with a reliability diagram."""


@dataclass(frozen=True)
class Charts:
    """The charts of a run's page.

    Args:
        arms: Scores of the arms.
        sizes: Score by synthetic rows, if sizes were swept.
        saturation: What each further step adds, if sizes were swept.
        steps: Those steps.
        forest: Differences from the baseline, one chart per metric.
        learning: Training loss by step.
        validation: Metric on validation rows by step.
        labels: Rows per label, one chart per distinct set of rows.
        makers: The generators.
        maker_labels: The labels each of them wrote.
        reliable: Arms with a reliability diagram, and what is in it.
        reliability: The diagrams, one for each of these.
        weights: Histograms by the arm that weighs its rows; None where no weights are on record.
        routing: Curves of arms that route.
        frontier: Score by cost.
    """

    arms: Chart
    sizes: Chart | None
    saturation: Chart | None
    steps: Sequence[Step]
    forest: Sequence[Chart]
    learning: Chart | None
    validation: Chart | None
    labels: Sequence[Chart]
    makers: Sequence[Maker]
    maker_labels: Chart | None
    reliable: Sequence[tuple[str, Reliability]]
    reliability: Sequence[Chart]
    weights: dict[str, Chart | None]
    routing: Sequence[Chart]
    frontier: Chart | None

    def __iter__(self) -> Iterator[Chart]:
        """Return every chart, in the order of the page."""
        found = [
            self.arms, self.sizes, self.saturation, *self.forest, self.learning, self.validation, *self.labels,
            self.maker_labels, *self.reliability, *self.weights.values(), *self.routing, self.frontier,
        ]  # fmt: skip
        return iter([chart for chart in found if chart is not None])


def charts_of(view: RunView, styles: Styles) -> Charts:
    """Return the charts that a run has something to show in."""
    steps, written = steps_of(view), makers(view)
    reliable = [(arm, one) for arm in view.leading(MOST_DIAGRAMS) if (one := reliability_of(view, arm)) is not None]
    weighted = [arm for arm in view.arms if view.arm_details(arm).weights is not None]
    forest = [points.differences_chart(view, styles, metric) for metric in view.metrics]
    routing = [routing_chart(view, arm, styles[arm], place) for place, arm in enumerate(routed_arms(view))]
    return Charts(
        arms=points.arms_chart(view, styles),
        sizes=sizes_chart(view),
        saturation=saturation_chart(view, steps),
        steps=steps,
        forest=[chart for chart in forest if chart is not None],
        learning=learning_chart(view, styles),
        validation=validation_chart(view, styles),
        labels=plots.labels_charts(view),
        makers=written,
        maker_labels=makers_chart(view, written),
        reliable=reliable,
        reliability=[
            reliability_chart(arm, one, styles[arm], place) for place, (arm, one) in enumerate(reliable)
        ],
        weights={arm: plots.weights_chart(view, arm, styles[arm], place) for place, arm in enumerate(weighted)},
        routing=[chart for chart in routing if chart is not None],
        frontier=frontier_chart(view, styles),
    )  # fmt: skip
