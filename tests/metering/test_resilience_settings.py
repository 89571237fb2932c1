"""A project says how often and how long a call is tried."""

from pathlib import Path

from harness.parts import Ambient, Parts
from harness.settings import Settings


def test_attempts_and_deadline_come_from_the_settings_and_sleep_from_outside(tmp_path: Path) -> None:
    async def sleep(_seconds: float) -> None:
        return None

    settings = Settings(home=tmp_path, person="ada", call_attempts=2, call_deadline_seconds=7)
    parts = Parts(settings, None, Ambient(sleep=sleep))
    resilience = parts.resilience
    assert (resilience.policy.attempts, resilience.policy.deadline_seconds) == (2, 7)
    assert resilience.sleep is sleep
    parts.databases.close()
