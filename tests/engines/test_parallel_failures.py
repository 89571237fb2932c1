"""What happens beside a node that fails or waits: it is done, or has had its time, before the run is put down."""

import asyncio

from harness.engines.run_store import RunStatus
from harness.exceptions import NodeFailed, WaitsForPerson
from harness.workflow.nodes.node_services import NodesUnderWay
from tests.engines.conftest import advanced, flow, resumed


def asking(count):
    names = [f"ask{number}" for number in range(count)]
    return flow(
        "asking",
        {name: {"kind": "human", "question": f"{name}.md", "output": name} for name in names},
        state=dict.fromkeys(names, dict),
        start=names,
        files={f"{name}.md": f"{name}?" for name in names},
    )


def test_all_questions_of_parallel_branches_are_asked_before_the_run_is_put_down(house):
    async def work(harness):
        waits = await advanced(harness, asking(5))
        assert isinstance(waits.error, WaitsForPerson)
        assert waits.run.status is RunStatus.WAITING
        asked = await harness.questions.open(waits.run.run_id)
        assert sorted(each.question.node for each in asked) == [f"ask{number}" for number in range(5)]
        for each in asked:
            await harness.questions.answer(
                each.question_id, {"approved": True}, digest=each.question.digest, person="ada"
            )
        assert (await resumed(harness, waits.run.run_id)).run.status is RunStatus.COMPLETED
        assert len(await harness.questions.open()) == 0

    house.run(work)


def test_what_runs_beside_a_question_is_done_before_the_run_is_put_down_and_not_done_again(house):
    did = []

    async def slow() -> None:
        await asyncio.sleep(0.2)
        did.append("slow")

    node = {"kind": "human", "question": "ask.md", "output": "answer"}
    both = flow(
        "both",
        {"ask": node, "slow": {}},
        {"slow": slow},
        state={"answer": dict},
        start=["ask", "slow"],
        files={"ask.md": "?"},
    )

    async def work(harness):
        waits = await advanced(harness, both)
        assert did == ["slow"]
        (asked,) = await harness.questions.open()
        await harness.questions.answer(
            asked.question_id, {"approved": True}, digest=asked.question.digest, person="ada"
        )
        assert (await resumed(harness, waits.run.run_id)).run.status is RunStatus.COMPLETED

    house.run(work)
    assert did == ["slow"]


def test_a_node_that_hangs_does_not_hold_a_failure_back_for_ever(house, monkeypatch):
    stopped = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append("hang")
            raise

    def fail() -> None:
        raise ValueError("broken")

    monkeypatch.setattr(NodesUnderWay.__init__, "__defaults__", (0.3,))
    both = flow("both", {"hang": {}, "fail": {}}, {"hang": hang, "fail": fail}, start=["hang", "fail"])

    async def work(harness):
        return await asyncio.wait_for(advanced(harness, both), 5)

    failed = house.run(work)
    assert isinstance(failed.error, NodeFailed)
    assert failed.error.node == "fail"
    assert stopped == ["hang"]


def test_a_failure_waits_for_others_no_longer_than_they_take():
    async def main():
        under_way = NodesUnderWay(grace_seconds=60)
        loop = asyncio.get_running_loop()

        async def work():
            with under_way.one():
                await asyncio.sleep(0.1)

        task = asyncio.create_task(work())
        began = loop.time()
        error = ValueError("mine")
        await under_way.done("failing", error)
        assert 0.09 <= loop.time() - began < 5
        assert (under_way.failed_node(error), under_way.failed_node(ValueError("mine"))) == ("failing", None)
        await task
        await under_way.done()  # with none at work it does not wait

    asyncio.run(main())
