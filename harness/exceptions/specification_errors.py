"""Files, settings and bindings that cannot be used."""

from collections.abc import Sequence

from harness.exceptions.root import HarnessError


class SpecificationInvalid(HarnessError):
    """A file that cannot be used; each problem is one line `file:line:column: key: what is wrong, what mends it`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class ConfigurationInvalid(HarnessError):
    """A setting that cannot be used: where it came from, its value, what would mend it."""

    def __init__(self, setting: str, value: str, origin: str, remedy: str) -> None:
        super().__init__(setting, value, origin, remedy)
        self.setting = setting
        self.value = value
        self.origin = origin
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.setting}={self.value!r} (from {self.origin}): {self.remedy}"


class RoleUnbound(HarnessError):
    """No binding fills this role."""

    def __init__(self, role: str, workflow: str | None, node: str | None) -> None:
        super().__init__(role, workflow, node)
        self.role = role
        self.workflow = workflow
        self.node = node

    def __str__(self) -> str:
        where = f" (workflow {self.workflow!r}, node {self.node!r})" if self.workflow else ""
        return f"no binding fills the role {self.role!r}{where}: `harness bind {self.role} MODEL`"


class BindingsChanged(HarnessError):
    """Another change of the bindings came first; nothing was written."""

    retryable = True

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(expected, current)
        self.expected = expected
        self.current = current

    def __str__(self) -> str:
        return (
            f"bindings are at version {self.current}, not {self.expected}: look at them again, then repeat the change"
        )
