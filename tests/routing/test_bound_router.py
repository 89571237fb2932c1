"""A change of the bindings acts at the next call, in every process on the same home."""

import asyncio
from dataclasses import replace

import pytest

from harness.assembly import Harness
from harness.exceptions import NameUnknown, RoleUnbound
from harness.ledger.entries import CallContext
from harness.routing.bindings import Binding, BindingsFile
from harness.routing.bound_router import BoundRouter
from harness.settings import Settings

CONTEXT = CallContext(
    organisation="default", person="ada", task_id="t", role="writer", path="draft", workflow="mail", node="draft"
)
MODELS = {
    "endpoints": {"here": {"base_url": "http://localhost:1"}},
    "models": {"mine": {"endpoint": "here", "wire_name": "mine", "context_tokens": 100}},
}


def bindings(*bound, **more):
    return BindingsFile.model_validate({"bindings": [{"role": "writer", **each} for each in bound], **more})


class Two:
    """Two processes' parts on one home; the second only reads."""

    def __init__(self, one, other):
        self.store = one.bindings
        self.routers = [BoundRouter(each.bindings, each.catalogue) for each in (one, other)]
        self.newest = {}

    async def change(self, changed, *, organisation="default"):
        made = await self.store.add(
            organisation, changed, made_by="ada", reason="", replaces=self.newest.get(organisation)
        )
        self.newest[organisation] = made.version
        return made.version

    async def routed(self, context=CONTEXT):
        """Model, address and version, of which both processes say the same."""
        first, second = [await router.route(context) for router in self.routers]
        assert first == second
        return first.targets[0].model_name, first.targets[0].endpoint.base_url, first.binding_version

    async def refused(self, error, context=CONTEXT):
        for router in self.routers:
            with pytest.raises(error):
                await router.route(context)


def on_one_home(tmp_path, scenario):
    settings = Settings(home=tmp_path / "home", person="ada")

    async def main():
        async with Harness(settings, None) as one, Harness(settings, None) as other:
            await scenario(Two(one, other))

    asyncio.run(main())


def test_a_change_acts_at_the_next_call_in_another_process_too(tmp_path):
    async def scenario(two):
        await two.refused(RoleUnbound)
        first = await two.change(bindings({"model": "smollm2-135m"}))
        assert await two.routed() == ("smollm2-135m", None, first)
        second = await two.change(bindings({"model": "mine"}, **MODELS))
        assert await two.routed() == ("mine", "http://localhost:1", second)
        moved = {**MODELS, "endpoints": {"here": {"base_url": "http://localhost:2"}}}
        third = await two.change(bindings({"model": "mine"}, **moved))
        assert await two.routed() == ("mine", "http://localhost:2", third)
        back = await two.change((await two.store.version("default", second)).bindings)
        assert await two.routed() == ("mine", "http://localhost:1", back)

    on_one_home(tmp_path, scenario)


def test_a_role_that_is_not_bound_any_more_is_refused(tmp_path):
    async def scenario(two):
        await two.change(bindings({"model": "smollm2-135m"}))
        await two.routed()
        await two.change(BindingsFile(bindings=(Binding(role="judge", model="smollm2-135m"),)))
        await two.refused(RoleUnbound)

    on_one_home(tmp_path, scenario)


def test_the_binding_of_the_very_place_is_asked_for(tmp_path):
    async def scenario(two):
        await two.change(
            bindings(
                {"model": "smollm2-135m"},
                {"model": "gpt-5-mini", "workflow": "mail"},
                {"model": "gpt-5-nano", "workflow": "mail", "node": "draft"},
            )
        )
        assert (await two.routed())[0] == "gpt-5-nano"
        assert (await two.routed(replace(CONTEXT, node="check")))[0] == "gpt-5-mini"
        assert (await two.routed(replace(CONTEXT, workflow="audit")))[0] == "smollm2-135m"
        assert (await two.routed(replace(CONTEXT, workflow=None, node=None)))[0] == "smollm2-135m"

    on_one_home(tmp_path, scenario)


def test_a_model_of_an_earlier_version_or_another_organisation_is_not_known(tmp_path):
    async def scenario(two):
        await two.change(bindings({"model": "mine"}, **MODELS))
        await two.change(bindings({"model": "mine"}), organisation="other")
        assert (await two.routed())[0] == "mine"
        await two.refused(NameUnknown, replace(CONTEXT, organisation="other"))
        assert (await two.routed())[0] == "mine"
        await two.change(bindings({"model": "mine"}))
        await two.refused(NameUnknown)

    on_one_home(tmp_path, scenario)
