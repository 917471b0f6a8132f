"""What stages depend on: the same for the same work, another where something else would come out."""

from __future__ import annotations

from augtune.curation.agree import Agree
from augtune.experiment.content import settings_content
from augtune.generation.gpt3mix import Gpt3Mix


def test_a_key_that_came_later_changes_no_stage_that_does_not_use_it():
    for settings in (Gpt3Mix, Agree):
        assert "vote_tokens" not in settings_content(settings(), ())
        assert settings_content(settings(vote_tokens=4000), ())["vote_tokens"] == 4000
