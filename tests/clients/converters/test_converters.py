"""Every published tool, through the converters with which agents' frameworks hand schemas to model APIs: none is refused, and no
argument is lost on the way."""

import copy
import json
import os
import tempfile
import unittest

from agents.strict_schema import ensure_strict_json_schema
from google.genai import types
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from pydantic_ai.profiles.google import GoogleJsonSchemaTransformer
from pydantic_ai.profiles.openai import OpenAIJsonSchemaTransformer

PROGRAM = os.environ["NEON_MCP_BIN"]
MODES = {
    "all": ["--toolsets", "all"],
    "default": [],
    "read-only": ["--toolsets", "all", "--read-only"],
    "discovery": ["--discovery"],
}


def arguments_of(schema: dict, at: str = "") -> dict[str, str]:
    """The arguments that a schema takes, with those inside of them, and the type of each."""
    schema = json.loads(json.dumps(schema))
    choices = schema.get("anyOf") or schema.get("any_of") or []
    real = [choice for choice in choices if str(choice.get("type")).lower() != "null"]
    if len(real) == 1:
        schema = {**schema, **real[0]}
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next(kind for kind in kind if kind != "null")
    found = {at: str(kind).lower()} if at else {}
    for name, below in (schema.get("properties") or {}).items():
        found |= arguments_of(below, f"{at}/{name}")
    if schema.get("items"):
        found |= arguments_of(schema["items"], f"{at}/*")
    return found


def output_troubles(schema: dict | None, at: str = "") -> list[str]:
    """What no framework can make a type of, in the schema of results."""
    if schema is None:
        return [f"{at}: there is none"]
    troubles = [] if isinstance(schema.get("type"), str) else [f"{at}: no type, or several"]
    refused = {"uniqueItems", "contentMediaType", "writeOnly", "$ref", "oneOf", "anyOf", "allOf"} & schema.keys()
    troubles += [f"{at}: has {key}" for key in sorted(refused)]
    if schema.get("type") == "array" and "items" not in schema:
        troubles.append(f"{at}: a list of what?")
    for name, below in schema.get("properties", {}).items():
        troubles += output_troubles(below, f"{at}/{name}")
    if "items" in schema:
        troubles += output_troubles(schema["items"], f"{at}/*")
    return troubles


def langchain(tool, wrapped) -> dict:
    return convert_to_openai_tool(wrapped, strict=True)["function"]["parameters"]


def openai_agents(tool, wrapped) -> dict:
    return ensure_strict_json_schema(copy.deepcopy(tool.inputSchema))


def pydantic_ai_openai(tool, wrapped) -> dict:
    return OpenAIJsonSchemaTransformer(copy.deepcopy(tool.inputSchema), strict=True).walk()


def pydantic_ai_google(tool, wrapped) -> dict:
    return GoogleJsonSchemaTransformer(copy.deepcopy(tool.inputSchema), strict=None).walk()


def google_schema(tool, wrapped) -> dict:
    schema = types.JSONSchema.model_validate(simple(tool.inputSchema))
    converted = types.Schema.from_json_schema(
        json_schema=schema, api_option="GEMINI_API", raise_error_on_unsupported_field=True
    )
    return converted.model_dump(mode="json", exclude_none=True)


def google_declaration(tool, wrapped) -> dict:
    declaration = types.FunctionDeclaration(
        name=tool.name, description=tool.description, parameters_json_schema=tool.inputSchema
    )
    return declaration.parameters_json_schema


def simple(schema):
    """Gemini's own form has no word for a closed object, which says nothing about what can be sent."""
    if isinstance(schema, dict):
        closed = schema.get("additionalProperties") is False
        return {k: simple(v) for k, v in schema.items() if not (closed and k == "additionalProperties")}
    return schema


CONVERTERS = [
    langchain,
    openai_agents,
    pydantic_ai_openai,
    pydantic_ai_google,
    google_schema,
    google_declaration,
]


def server(arguments: list[str], home: str) -> StdioServerParameters:
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": home, "XDG_STATE_HOME": home, "NEON_MCP_LOG": "error"}
    environment["NEON_MCP_SANDBOX_PROJECT"] = "false"
    sandbox = ["--sandbox", "--sandbox-postgres", "off"]
    return StdioServerParameters(command=PROGRAM, args=[*sandbox, *arguments], env=environment)


class Converters(unittest.IsolatedAsyncioTestCase):
    async def test_every_tool_is_taken_whole_by_every_converter(self) -> None:
        print("\n| list | converter | tools | arguments | refused | lost |\n| --- | --- | --- | --- | --- | --- |")
        for mode, flags in MODES.items():
            with tempfile.TemporaryDirectory() as home:
                async with stdio_client(server(flags, home)) as streams, ClientSession(*streams) as session:
                    await session.initialize()
                    tools = (await session.list_tools()).tools
                    wrapped = {tool.name: tool for tool in await load_mcp_tools(session)}
            self.assertGreaterEqual(len(tools), 4)
            troubles = []
            refused = dict.fromkeys((convert.__name__ for convert in CONVERTERS), 0)
            lossy = dict.fromkeys(refused, 0)
            arguments = 0
            for tool in tools:
                troubles += [f"{tool.name}: outputSchema{trouble}" for trouble in output_troubles(tool.outputSchema)]
                wanted = arguments_of(tool.inputSchema)
                arguments += len(wanted)
                for convert in CONVERTERS:
                    try:
                        taken = arguments_of(convert(tool, wrapped[tool.name]))
                    except Exception as error:  # noqa: BLE001: whatever a converter says is a refusal
                        troubles.append(f"{tool.name}: {convert.__name__} refuses: {error}")
                        refused[convert.__name__] += 1
                        continue
                    lost = {at: kind for at, kind in wanted.items() if taken.get(at) != kind}
                    empty = [at for at, kind in taken.items() if kind == "object" and not any(
                        other.startswith(f"{at}/") for other in taken)]
                    if lost or empty:
                        troubles.append(f"{tool.name}: {convert.__name__} loses {lost or empty}")
                        lossy[convert.__name__] += len(lost) + len(empty)
            for name in refused:
                print(f"| {mode} | {name} | {len(tools)} | {arguments} | {refused[name]} | {lossy[name]} |")
            self.assertEqual(troubles, [], f"{mode}: {len(troubles)} of {len(tools)} tools")

    async def test_null_for_what_is_left_out_is_taken(self) -> None:
        """Strict modes make every argument required: what a model leaves out comes as null."""
        with tempfile.TemporaryDirectory() as home:
            async with stdio_client(server(["--toolsets", "all"], home)) as streams, ClientSession(*streams) as session:
                await session.initialize()
                tools = {tool.name: tool for tool in (await session.list_tools()).tools}

                async def call(tool: str, **given):
                    schema = tools[tool].inputSchema
                    nulls = {argument: None for argument in schema["properties"] if argument not in given}
                    result = await session.call_tool(tool, {**nulls, **given})
                    self.assertFalse(result.isError, f"{tool}: {result.content}")
                    return result.structuredContent["result"]

                organization = (await call("list_organizations"))["organizations"][0]["id"]
                project = (await call("create_project", name="nulls", org_id=organization))["project"]["id"]
                await call("list_projects")
                await call("list_branches", project_id=project)
                made = await call("create_branch", project_id=project, name="short")
                branch = made["branch"]["id"]
                labelled = await call("create_branch", project_id=project, name="labelled",
                                      annotation_value=[{"name": "team", "value": "shop"}])
                self.assertIn("labelled", json.dumps(labelled))
                for never in ({"expires_at": None, "name": "shorter"}, {"expires_at": "never"}):
                    await call("update_branch", project_id=project, branch_id=branch, **never)
                renamed = await call("update_branch", project_id=project, branch_id=branch, name="renamed")
                self.assertIn("renamed", json.dumps(renamed))


if __name__ == "__main__":
    unittest.main(verbosity=2)
