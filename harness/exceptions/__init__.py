"""What can go wrong in the harness.

HarnessError
├── SpecificationInvalid        workflow, bindings or harness.yaml: each problem by file, line, column and key
├── NameUnknown                 a run, model, role, workflow ... that does not exist; the nearest one that does
├── ConfigurationInvalid        a setting that cannot be used
├── RoleUnbound                 no binding fills a role
├── MoneyError
│   ├── BudgetExceeded          a limit would be passed; nothing was sent
│   ├── PriceUnknown            a model without a price; nothing was sent
│   ├── HoldClosed              a hold that was already settled
│   └── LimitInvalid            a limit that cannot be set
├── ProviderError               what an endpoint answered, or that it did not
│   ├── RateLimited             429: wait and try again
│   ├── QuotaSpent              429 that no waiting mends
│   ├── Overloaded              5xx, 529
│   │   └── CircuitOpen         it failed so often that it is left alone for a while
│   ├── Unreachable             no connection, or none any more
│   ├── DeadlinePassed          the call's time was up before it was sent
│   ├── Broken                  an answer that cannot be read, or ended too early
│   ├── ContextTooLong          the one 400 a bigger model can mend
│   ├── Refused                 the provider declined to answer
│   ├── KeyRefused              401, 403, or no key where one is needed
│   └── RequestRefused          any other 4xx: our request was wrong
├── AnswerInvalid               an answer that cannot be used: outside its schema, cut off, declined
├── StateRefused                a value that checkpoints do not carry
├── FindingRefused              a finding that the memory or the ontology does not take
├── CallableRefused             a registered function cannot be called with what it is given
├── ToolError
│   ├── ToolFailed              what a tool or its server said, or that it said nothing
│   ├── ToolArgumentsRefused    arguments outside the tool's schema
│   └── ToolChanged             a server's tool is not the one that was approved
├── PlanInvalid                 a plan that cannot be run: a cycle, an unknown worker, inputs that do not fit
├── AnswerRefused               a person's answer that is not taken
├── ExpressionInvalid           a text that is no condition
├── ExpressionFailed            a condition that cannot be asked of these values
├── Confined                    a step that would carry private data out at a stranger's word
└── RunError
    ├── NodeFailed              a node of the graph failed for good
    ├── NodeTimedOut            a node took longer than it may
    ├── WaitsForPerson          the run is safe and needs somebody's answer
    ├── QuestionExpired         nobody answered in time
    ├── RunCancelled            somebody cancelled it; it can be resumed
    ├── LeaseHeld               another process advances this run
    ├── RunInterrupted          stopped from outside; can be resumed
    ├── LimitOfRunReached       steps, visits or time of one run
    └── MigrationRefused        it cannot go on with another version of its workflow
"""

from harness.exceptions.money_errors import BudgetExceeded, HoldClosed, LimitInvalid, MoneyError, PriceUnknown
from harness.exceptions.node_errors import (
    AnswerInvalid,
    AnswerRefused,
    CallableRefused,
    Confined,
    ExpressionFailed,
    ExpressionInvalid,
    FindingRefused,
    PlanInvalid,
    StateRefused,
)
from harness.exceptions.provider_errors import (
    Broken,
    CircuitOpen,
    ContextTooLong,
    DeadlinePassed,
    KeyRefused,
    Overloaded,
    ProviderError,
    QuotaSpent,
    RateLimited,
    Refused,
    RequestRefused,
    Unreachable,
)
from harness.exceptions.root import HarnessError, NameUnknown
from harness.exceptions.run_errors import (
    LeaseHeld,
    LimitOfRunReached,
    MigrationRefused,
    NodeFailed,
    NodeTimedOut,
    QuestionExpired,
    RunCancelled,
    RunError,
    RunInterrupted,
    WaitsForPerson,
)
from harness.exceptions.specification_errors import (
    BindingsChanged,
    ConfigurationInvalid,
    RoleUnbound,
    SpecificationInvalid,
)
from harness.exceptions.tool_errors import ToolArgumentsRefused, ToolChanged, ToolError, ToolFailed

__all__ = [
    "AnswerInvalid",
    "AnswerRefused",
    "BindingsChanged",
    "Broken",
    "BudgetExceeded",
    "CallableRefused",
    "CircuitOpen",
    "ConfigurationInvalid",
    "Confined",
    "ContextTooLong",
    "DeadlinePassed",
    "ExpressionFailed",
    "ExpressionInvalid",
    "FindingRefused",
    "HarnessError",
    "HoldClosed",
    "KeyRefused",
    "LeaseHeld",
    "LimitInvalid",
    "LimitOfRunReached",
    "MigrationRefused",
    "MoneyError",
    "NameUnknown",
    "NodeFailed",
    "NodeTimedOut",
    "Overloaded",
    "PlanInvalid",
    "PriceUnknown",
    "ProviderError",
    "QuestionExpired",
    "QuotaSpent",
    "RateLimited",
    "Refused",
    "RequestRefused",
    "RoleUnbound",
    "RunCancelled",
    "RunError",
    "RunInterrupted",
    "SpecificationInvalid",
    "StateRefused",
    "ToolArgumentsRefused",
    "ToolChanged",
    "ToolError",
    "ToolFailed",
    "Unreachable",
    "WaitsForPerson",
]
