"""Routes by the bindings in force: reads them before each call, so a change acts from the next step on."""

from harness.exceptions import RoleUnbound
from harness.ledger.entries import CallContext
from harness.models.catalogue import Catalogue
from harness.routing.binding_store import BindingStore, BindingVersion
from harness.routing.decision import Decision, decide


class BoundRouter:
    """Implements the metered call's `Router` over the binding store."""

    def __init__(self, bindings: BindingStore, builtin: Catalogue) -> None:
        self._bindings = bindings
        self._builtin = builtin
        self._catalogue: tuple[tuple[str, int], Catalogue] | None = None

    async def route(self, context: CallContext) -> Decision:
        """The targets of the most specific binding.

        Raises:
            RoleUnbound, NameUnknown: nothing fills the role.
        """
        current = await self._bindings.current(context.organisation)
        if current is None:
            raise RoleUnbound(context.role, context.workflow, context.node)
        binding = current.bindings.resolve(context.role, workflow=context.workflow, node=context.node)
        return decide(binding, self._catalogue_of(current), version=current.version)

    def _catalogue_of(self, current: BindingVersion) -> Catalogue:
        key = (current.organisation, current.version)
        if self._catalogue is None or self._catalogue[0] != key:
            self._catalogue = (key, current.bindings.catalogue(self._builtin))
        return self._catalogue[1]
