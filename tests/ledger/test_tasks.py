"""A task's id says which piece of business of which run it is, the same in every replay."""

from hypothesis import given
from hypothesis import strategies as st

from harness.ledger.tasks import task_id_for

words = st.text(st.sampled_from("ab/.:-é "), max_size=4)
tasks = st.tuples(words, words, words)


def test_a_task_has_the_same_id_in_every_replay_and_version():
    # The first twelve digits of `printf 'run-1\0licence\0numpy' | sha256sum`; a stored ledger is full of such ids.
    assert task_id_for("run-1", "licence", "numpy") == "run-1.063c03e8db54"


@given(tasks, tasks)
def test_different_pieces_of_business_have_different_ids(one, other):
    assert (task_id_for(*one) == task_id_for(*other)) is (one == other)


def test_kind_and_key_are_not_run_together():
    assert task_id_for("r", "ab", "c") != task_id_for("r", "a", "bc")
    assert task_id_for("r", "a", "") != task_id_for("r", "", "a")


def test_a_task_s_id_begins_with_its_run():
    assert task_id_for("run-1", "licence", "numpy").startswith("run-1.")
