"""A project on scripted replies, on a loopback server and on chat models of LangChain's, for the tests of that border."""

import asyncio
import json
from contextlib import contextmanager
from datetime import UTC, datetime

from harness.assembly import Harness
from harness.budgets.limits import Limit, ScopeKind, Unit
from harness.budgets.periods import Period
from harness.ledger.reports import GroupBy
from harness.portal import Portal
from tests.dialects.loopback_server import LoopbackServer

PRICE = {"input_usd_per_million": 1, "output_usd_per_million": 2, "source": "made up", "checked": "2026-11-24"}
CAPABILITIES = ("streaming", "tools")


def project(folder, *, replies=(), base_url=None, wire_name="normal", makers=None, capabilities=CAPABILITIES):
    """A folder with a harness.yaml whose roles are `writer` (scripted), `server` (loopback) and `inside` (a chat model)."""
    endpoints = {"scripted": {"scripted_replies": "replies.yaml"}}
    models = {"scripted": {"endpoint": "scripted", "wire_name": "scripted"}}
    bindings = [{"role": "writer", "model": "scripted"}]
    if base_url:
        endpoints["there"] = {"base_url": base_url}
        models["there"] = {"endpoint": "there", "wire_name": wire_name}
        bindings.append({"role": "server", "model": "there"})
    if makers:
        (folder / "makers.py").write_text(makers)
        endpoints["inside"] = {"dialect": "langchain", "chat_model": "mine", "timeout_seconds": 20}
        models["inside"] = {"endpoint": "inside", "wire_name": "inside-1"}
        bindings.append({"role": "inside", "model": "inside"})
    for model in models.values():
        model |= {"context_tokens": 8192, "capabilities": list(capabilities), "price": PRICE}
    (folder / "harness.yaml").write_text(
        json.dumps({"bindings": "bindings.yaml", **({"chat_models": {"mine": "makers:make"}} if makers else {})})
    )
    (folder / "bindings.yaml").write_text(json.dumps({"bindings": bindings, "endpoints": endpoints, "models": models}))
    (folder / "replies.yaml").write_text(json.dumps({"replies": list(replies) or [{"text": "fine thanks"}]}))
    return folder


def house_of(folder, person="ada"):
    return Harness.of_folder(folder, person=person)


@contextmanager
def server():
    """A loopback server in a loop of its own, for synchronous tests."""
    portal = Portal("loopback")
    running = LoopbackServer()
    portal.submitted(running.start).result()
    try:
        yield running
    finally:
        portal.submitted(running.close).result()
        portal.close()


def set_cap(folder, amount, unit=Unit.CALLS):
    """Cap what ada may ask for, in calls or in the unit's smallest part."""

    async def main():
        async with house_of(folder) as house:
            limit = Limit(
                limit_id=f"cap-{amount}",
                organisation=house.organisation,
                scope_kind=ScopeKind.PERSON,
                scope_id="ada",
                unit=unit,
                amount=amount,
                period=Period.NONE,
                zone="UTC",
                made_by="ada",
                made_at=datetime(2026, 11, 24, tzinfo=UTC),
            )
            await house.money.set_limit(limit)

    asyncio.run(main())


def costs_of(folder, by=GroupBy.KIND):
    """The lines of the ledger's report, by group."""

    async def main():
        async with house_of(folder) as house:
            return {line.group: line for line in house.reports.costs(house.organisation, by)}

    return asyncio.run(main())
