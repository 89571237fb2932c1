"""Items of tools that the provider ran itself, told in words for every other vendor."""

import json

from harness.dialects.wire_json import first_text, object_at, objects_at, text_at
from harness.json_values import Json, JsonObject

# Items by the word that their tool is called; what is not here is unknown to this version.
_TOOLS = {
    "web_search_call": "web_search",
    "x_search_call": "x_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
    "computer_call": "computer",
    "local_shell_call": "local_shell",
    "shell_call": "shell",
    "shell_call_output": "shell",
    "apply_patch_call": "apply_patch",
    "apply_patch_call_output": "apply_patch",
    "mcp_call": "mcp",
    "mcp_list_tools": "mcp",
    "mcp_approval_request": "mcp",
    "tool_search_call": "tool_search",
    "tool_search_output": "tool_search",
}
_MOST_CHARACTERS = 20_000


def server_tool_of(item: JsonObject) -> str | None:
    """Which tool an item belongs to; None where it is no server tool's, or one that this version does not know."""
    return _TOOLS.get(text_at(item, "type"))


def words_of(item: JsonObject) -> str:
    """What was asked of the tool and what came of it, one thing a line; pictures are not told."""
    lines = [f"[{text_at(item, 'type')}{_named(item)}]", *_asked(item), *_came(item)]
    return "\n".join(line for line in lines if line)[:_MOST_CHARACTERS]


def _named(item: JsonObject) -> str:
    name = ".".join(filter(None, (text_at(item, "server_label"), text_at(item, "name"))))
    return f" {name}" if name else ""


def _asked(item: JsonObject) -> list[str]:
    action = object_at(item, "action") or object_at(item, "operation")
    arguments = item.get("arguments")
    return [
        *_texts(item.get("queries")),
        *(_texts(action.get("queries")) or [text_at(action, "query")]),
        first_text(action, ("url", "pattern", "diff")),
        *_texts(action.get("commands") or action.get("command")),
        text_at(item, "code"),
        text_at(item, "revised_prompt"),
        arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False) if arguments else "",
    ]


def _came(item: JsonObject) -> list[str]:
    output, failure = item.get("output"), item.get("error")
    results = [*objects_at(item, "results"), *objects_at(item, "outputs"), *objects_at(item, "output")]
    told = [first_text(result, ("text", "logs", "stdout", "filename")) for result in results]
    tools = ", ".join(text_at(tool, "name") for tool in objects_at(item, "tools"))
    return [
        output if isinstance(output, str) else "",
        *told,
        f"tools: {tools}" if tools else "",
        f"error: {failure if isinstance(failure, str) else json.dumps(failure, ensure_ascii=False)}" if failure else "",
    ]


def _texts(value: Json) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
