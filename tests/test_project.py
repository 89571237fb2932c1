"""A project's file, and its tools and code by name alone."""

import sys
from pathlib import Path

import pytest

from harness.exceptions import NameUnknown, SpecificationInvalid
from harness.project import find_project, load_project
from harness.tools.declarations import ToolDeclaration
from harness.tools.tool import Approval

FILE = """\
settings:
  organisation: lab
workflows:
  audit: audit/workflow.yaml
bindings: bindings.yaml
tools:
  list_packages: inventory:listed
code:
  checks.agree: checks.agreement:agree
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose folder could not be imported by its name."""
    folder = tmp_path / "licence-audit 1"
    (folder / "checks").mkdir(parents=True)
    (folder / "harness.yaml").write_text(FILE)
    (folder / "inventory.py").write_text("from .names import NAME\n\ndef listed():\n    return [NAME, __name__]\n")
    (folder / "names.py").write_text("NAME = 'mit'\n")
    (folder / "checks" / "agreement.py").write_text("from ..names import NAME\n\ndef agree():\n    return NAME\n")
    return folder


def refused(folder: Path, text: str) -> tuple[str, ...]:
    (folder / "harness.yaml").write_text(text)
    with pytest.raises(SpecificationInvalid) as caught:
        load_project(folder / "harness.yaml")
    return caught.value.problems


def unresolved(folder: Path, path: str) -> str:
    (folder / "harness.yaml").write_text(f"tools:\n  it: {path}\n")
    with pytest.raises(SpecificationInvalid) as caught:
        load_project(folder / "harness.yaml").tool_function("it")
    (problem,) = caught.value.problems
    assert problem.startswith(f"{folder / 'harness.yaml'}:2:3: tools.it: ")
    return problem


def test_a_project_is_found_upwards(folder: Path):
    project = find_project(folder / "checks")

    assert project is not None
    assert project.folder == folder
    assert project.file.settings.organisation == "lab"
    assert project.bindings_path == folder / "bindings.yaml"
    assert project.prices_path is None
    assert project.ontology_path is None


def test_the_nearest_project_counts(folder: Path):
    inner = folder / "checks"
    (inner / "harness.yaml").write_text("")

    found = find_project(inner)

    assert found is not None
    assert found.folder == inner


def test_a_folder_without_a_project_has_none(tmp_path: Path):
    assert find_project(tmp_path) is None


def test_a_workflow_is_known_by_its_name(folder: Path):
    project = load_project(folder / "harness.yaml")

    assert project.workflow_path("audit") == folder / "audit" / "workflow.yaml"
    with pytest.raises(NameUnknown, match="no workflow 'audt'; did you mean 'audit'"):
        project.workflow_path("audt")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tool: {}\n", "1:1: tool: unknown key; did you mean 'tools'?"),
        ("tools:\n  a: os.system\n", "2:3: tools.a: "),
        ("tools:\n  a: ../evil:run\n", "2:3: tools.a: "),
        ("tools:\n  a: /tmp/evil.py:run\n", "2:3: tools.a: "),
        ("settings:\n  persn: ada\n", "2:3: settings.persn: unknown key; did you mean 'person'?"),
        ("tools: {a: m:f}\ncode: {a: m:g}\n", "1:1: 'a' is registered under `tools` and under `code`: rename one"),
        ("tools: [\n", ""),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(tmp_path: Path, text: str, expected: str):
    assert refused(tmp_path, text)[0].startswith(f"{tmp_path / 'harness.yaml'}:{expected}")


def test_names_are_known_without_importing_anything(folder: Path):
    (folder / "inventory.py").write_text("raise SystemExit('imported')")
    loaded = set(sys.modules)

    registry = load_project(folder / "harness.yaml").registry()

    assert registry.tools.keys() >= {"list_packages"}
    assert registry.code >= {"checks.agree"}
    assert registry.workflows == {"audit"}
    assert not {name for name in set(sys.modules) - loaded if "project" in name}


def test_a_tool_is_loaded_with_its_neighbours_and_the_path_stays_as_it_is(folder: Path):
    path = list(sys.path)
    project = load_project(folder / "harness.yaml")

    name, module = project.tool_function("list_packages")()

    assert name == "mit"
    assert module.startswith("_harness_project_")
    assert project.resolve_callable("checks.agree")() == "mit"
    assert sys.path == path
    assert "inventory" not in sys.modules


def test_two_projects_may_have_modules_of_one_name(tmp_path: Path):
    answers: list[object] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "harness.yaml").write_text("code: {say: words:say}\n")
        (tmp_path / name / "words.py").write_text(f"def say():\n    return {name!r}\n")
        answers.append(load_project(tmp_path / name / "harness.yaml").resolve_callable("say")())

    assert answers == ["one", "two"]


def test_a_folder_that_is_a_package_is_loaded_as_one(folder: Path):
    (folder / "__init__.py").write_text("from . import names\nnames.NAME = 'set by the package'\n")

    assert load_project(folder / "harness.yaml").resolve_callable("checks.agree")() == "set by the package"


def test_only_what_is_registered_can_be_called(folder: Path):
    project = load_project(folder / "harness.yaml")

    with pytest.raises(NameUnknown, match="no tool 'list_package'; did you mean 'list_packages'"):
        project.tool_function("list_package")
    with pytest.raises(NameUnknown):
        project.resolve_callable("inventory:listed")


def test_a_tool_is_no_code_so_that_no_effect_is_made_beside_its_record(folder: Path):
    project = load_project(folder / "harness.yaml")

    with pytest.raises(NameUnknown, match="no code 'list_packages'"):
        project.resolve_callable("list_packages")
    with pytest.raises(NameUnknown, match=r"no tool 'checks\.agree'"):
        project.tool_function("checks.agree")


@pytest.mark.parametrize(
    ("module", "path", "expected"),
    [
        ("", "absent:run", "there is no module 'absent'"),
        ("", "absent.deeper:run", "there is no module 'absent.deeper'"),
        ("import surely_not_installed\n", "m:run", "module 'm' needs 'surely_not_installed': install it"),
        (
            "from .neighbour import x\n",
            "m:run",
            "module 'm' needs 'neighbour': it is not in the folder of harness.yaml",
        ),
        ("def runs(): ...\n", "m:run", "module 'm' has no 'run'; did you mean 'runs'?"),
        ("run = 3\n", "m:run", "'m:run' is int, which cannot be called"),
        ("1 / 0\n", "m:run", "importing 'm' failed: ZeroDivisionError('division by zero')"),
        ("import os\nos.nothing\n", "m:run", "importing 'm' failed: AttributeError("),
        ("def run(:\n", "m:run", "importing 'm' failed: SyntaxError("),
    ],
)
def test_what_cannot_be_loaded_is_named_with_its_place_and_reason(
    tmp_path: Path, module: str, path: str, expected: str
):
    (tmp_path / "m.py").write_text(module)

    assert expected in unresolved(tmp_path, path)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution that registers tools and code."""
    site = tmp_path / "site"
    information = site / "surplus-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: surplus\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[harness.tools]\nfetch = surplus_tools:fetch\nlist_packages = surplus_tools:fetch\n\n"
        "[harness.code]\nbroken = surplus_tools:absent\n"
    )
    (site / "surplus_tools.py").write_text("def fetch():\n    return 'installed'\n")
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("installed")
def test_installed_packages_register_tools_and_the_projects_own_go_first(folder: Path):
    project = load_project(folder / "harness.yaml")

    assert project.registry().tools.keys() == {"fetch", "list_packages"}
    assert "broken" in project.registry().code
    assert "fetch" not in project.registry().code
    assert project.tool_function("fetch")() == "installed"
    assert project.tool_function("list_packages")() != "installed"
    assert project.tool_origin("fetch") == "entry point 'fetch' of surplus"
    assert project.tool_origin("list_packages") == f"{folder / 'harness.yaml'}:7:3"
    with pytest.raises(
        SpecificationInvalid, match="entry point 'broken' of surplus: module 'surplus_tools' has no 'absent'"
    ):
        project.resolve_callable("broken")


@pytest.mark.usefixtures("installed")
def test_more_may_be_said_of_an_installed_packages_tool(folder: Path):
    (folder / "harness.yaml").write_text("tools: {fetch: {effect: true, approval: always}}\n")
    project = load_project(folder / "harness.yaml")

    declared = project.registry().tools["fetch"]

    assert (declared.effect, declared.outward, declared.approval) == (True, True, Approval.ALWAYS)
    assert project.tool_function("fetch")() == "installed"


def test_what_is_said_of_tools_and_servers_is_known_to_a_check(tmp_path: Path):
    (tmp_path / "harness.yaml").write_text(
        """\
http: {allowed_hosts: [api.example.com]}
tools:
  plain: m:f
  store: {function: m:f, effect: true, outward: false, private: true}
  look: {http: {url: "https://api.example.com/items/{id}"}, trusted: true}
  pay:
    http: {method: POST, url: "https://api.example.com/payments"}
    parameters: {type: object, properties: {usd: {type: number}}, required: [usd]}
mcp_servers:
  mail: {command: [mail-server], env: {KEY: "env:MAIL_KEY"}, effect: true, approval: always}
"""
    )

    registry = load_project(tmp_path / "harness.yaml").registry()

    assert registry.tools["plain"] == ToolDeclaration("plain")
    assert registry.tools["store"] == ToolDeclaration("store", effect=True, private=True)
    assert registry.tools["look"] == ToolDeclaration(
        "look", outward=True, trusted=True, parameters=frozenset({"id"}), required=frozenset({"id"})
    )
    assert registry.tools["pay"] == ToolDeclaration("pay", effect=True, outward=True, required=frozenset({"usd"}))
    assert registry.tool("mail.send") == ToolDeclaration("mail", effect=True, outward=True, approval=Approval.ALWAYS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tools: {b: {function: m:f, efect: true}}", "1:28: tools.b.efect: unknown key; did you mean 'effect'?"),
        ("tools: {b: 5}", "1:9: tools.b: Input should be a valid string, not 5"),
        ("tools: {b: {approval: sometimes}}", "1:13: tools.b.approval: 'sometimes' is not known; known here: never, "),
        (
            "tools: {b: {http: {url: https://a.example/x}}}",
            "1:20: tools.b.http.url: host 'a.example' is not listed: add it to `http: {allowed_hosts: [...]}`",
        ),
        (
            "http: {allowed_hosts: [a.example]}\ntools: {b: {http: {url: 'http://a.example:8080/x'}}}",
            "2:20: tools.b.http.url: host 'a.example:8080' is not listed",
        ),
        ("http: {allowed_hosts: ['https://a.example/x']}", "1:24: http.allowed_hosts[0]: name a host as "),
        (
            "tools: {b: {http: {url: 'https://a{b}.example/'}}}",
            "1:20: tools.b.http.url: is http:// or https://, a host ",
        ),
        ("tools: {b: {http: {url: 'https://u:p@a.example/'}}}", "1:20: tools.b.http.url: is http:// or https://, a "),
        ("tools: {b: {http: {url: 'https://a.example/../x'}}}", "1:20: tools.b.http.url: has a segment of dots"),
        (
            "tools: {b: {http: {url: 'https://a.example/', headers: {X-Api-Key: abc}}}}",
            "1:47: tools.b.http.headers: header 'X-Api-Key' is a secret: keep it in the environment and write `env:NAME`",
        ),
        (
            "tools: {b: {http: {url: 'https://a.example/{id}'}, parameters: {properties: {no: {}}}}}",
            "1:9: tools.b: {id} is no property of `parameters` (no): add it there",
        ),
        (
            """\
http: {allowed_hosts: [a.example]}
tools: {b: {http: {url: 'https://a.example/'}, parameters: {properties: {n: {type: text}}}}}""",
            "2:78: tools.b.parameters.properties.n.type: ",
        ),
        (
            "tools: {b: {http: {method: GET, url: 'https://a.example/', json: {}}}}",
            "1:13: tools.b.http: GET has no body",
        ),
        ("mcp_servers: {s: {}}", "1:15: mcp_servers.s: a server has a `command` that starts it, or a `url` where "),
        ("mcp_servers: {s: {command: [x], headers: {A: b}}}", "1:15: mcp_servers.s: `headers` are for a server at a "),
        ("mcp_servers: {s.t: {command: [x]}}", "1:15: mcp_servers.s.t: "),
        (
            "mcp_servers: {s: {command: [x]}}\ntools: {s.t: m:f}",
            "1:1: tool 's.t' has the name of an MCP server, or of ",
        ),
    ],
)
def test_a_mistake_about_a_tool_is_named_with_its_place(tmp_path: Path, text: str, expected: str):
    assert refused(tmp_path, text + "\n")[0].startswith(f"{tmp_path / 'harness.yaml'}:{expected}")
