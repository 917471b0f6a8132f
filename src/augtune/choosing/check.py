"""What stands against a choice, found before rows are written for it or anything is trained. Loads without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augtune.choosing.folds import folds_of
from augtune.choosing.plan import Budget
from augtune.choosing.settings import ChooseSettings
from augtune.core.dataset import HumanDataset
from augtune.core.errors import SettingsError
from augtune.evaluation.metrics import metrics_of
from augtune.training.checks import check_rows, check_settings

if TYPE_CHECKING:
    from augtune.training.settings import TrainSettings

__all__ = ["check_choice", "check_room"]


def check_choice(human: HumanDataset, settings: TrainSettings, choose: ChooseSettings, *, seed: int = 0) -> None:
    """Refuse what no synthetic row can mend: human rows alone are trained on in any choice, and judge it.

    Args:
        human: The human rows.
        settings: How every way trains.
        choose: How is chosen.
        seed: Of the choice.

    Raises:
        SettingsError: If settings or the metric are not made for the labels, or fewer steps are allowed than the final
            training takes.
        DataError: If the human rows cannot be trained on, or are too few to train on some and judge by others.
    """
    check_settings(settings, human.labels, has_validation=False)
    (metric,) = metrics_of([choose.metric])
    metric.bound(human.labels)
    check_room(Budget.of(settings.steps_for(len(human)), choose))
    check_rows(human, settings)
    folds_of(human, None, None, choose.folds, seed=seed)


def check_room(budget: Budget) -> None:
    """Refuse a limit under what is trained in any case.

    Raises:
        SettingsError: If there is one.
    """
    if budget.most < budget.full:
        raise SettingsError(
            f"choose.max_steps: expected at least {budget.full}, which the final training takes; got {budget.most}"
        )
    if budget.distill and budget.most < budget.kept:
        raise SettingsError(
            f"choose.max_steps: expected at least {budget.kept}, which the two final trainings and that of the small "
            f"model take (distill: true); got {budget.most}"
        )
