"""A person behind the official Python SDK approves and rejects what destroys something, over both transports and in both
eras of the protocol. What arrived at the sandbox is counted there; what the server says about it isn't taken for it.
"""

import json
import logging
import unittest

import httpx2
import jsonschema
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitRequestFormParams, ElicitResult, Implementation

from sandbox import PROGRAM, Sandbox

LEGACY, MODERN = "2025-11-25", "2026-07-28"


class Human:
    """Answers every form in the same way, and remembers what it was shown."""

    def __init__(self, action: str, content: dict | None = None) -> None:
        self.answer = ElicitResult(action=action, content=content)
        self.forms: list[ElicitRequestFormParams] = []

    async def __call__(self, _context: object, form: ElicitRequestFormParams) -> ElicitResult:
        self.forms.append(form)
        return self.answer


class Complaints(logging.Handler):
    """What the SDK logs when it meets a message that it can't make sense of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # asyncio says how long the test's own steps take.
        if record.name == "asyncio":
            return
        self.texts.append(f"{record.name}: {record.getMessage()}")


class Scenarios:
    """What every way of reaching the server must hold."""

    transport: str
    # How the SDK is told to negotiate, and what must come out of it: an SDK that changes its mind is noticed.
    mode: str
    version: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.stop)
        cls.project = cls.sandbox.project("shop")
        if cls.transport == "http":
            cls.server, cls.token = cls.sandbox.serve_http()
        else:
            cls.server = StdioServerParameters(command=PROGRAM, args=["stdio"], env=cls.sandbox.environment())

    def setUp(self) -> None:
        self.complaints = Complaints()
        logging.getLogger().addHandler(self.complaints)

    def tearDown(self) -> None:
        logging.getLogger().removeHandler(self.complaints)
        self.assertEqual(self.complaints.texts, [], "the SDK stumbled over a message")

    def client(self, human: Human | None) -> Client:
        """A client; it declares elicitation when there is a human behind it."""
        identity = Implementation(name="official-python-sdk", version="1")
        server = self.server
        if self.transport == "http":
            headers = {"Authorization": f"Bearer {self.token}"}
            # The SDK reads a stream for as long as the server has something to say.
            http = httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=300))
            server = streamable_http_client(server, http_client=http)
        return Client(
            server,
            mode=self.mode,
            client_info=identity,
            elicitation_callback=human,
            read_timeout_seconds=20,
            raise_exceptions=True,
        )

    async def call(self, human: Human | None, tool: str, arguments: dict) -> tuple[dict, bool]:
        """Calls a tool through a client of its own: the structured result, and whether it is an error."""
        async with self.client(human) as client:
            self.assertEqual(client.protocol_version, self.version)
            result = await client.call_tool(tool, arguments)
        self.assertEqual([block.type for block in result.content], ["text"])
        self.assertIn(result.structured_content["service"], result.content[0].text)
        return result.structured_content, result.is_error

    def assert_shown(self, human: Human, field: str, kind: str, name: str, times: int = 1) -> None:
        """The human saw that many forms, one as a rule: each with the name of what is lost, and one field."""
        self.assertEqual(len(human.forms), times)
        for form in human.forms:
            self.assertIn(name, form.message)
            jsonschema.Draft202012Validator.check_schema(form.requested_schema)
            self.assertEqual([*form.requested_schema["properties"]], [field])
            self.assertEqual(form.requested_schema["properties"][field]["type"], kind)
            self.assertEqual(form.requested_schema["required"], [field])

    async def refused(self, human: Human, kind: str) -> None:
        """A branch survives this human's answer, and nothing arrives."""
        name = self._testMethodName
        branch = self.sandbox.branch(self.project, name)
        value, is_error = await self.call(human, "delete_branch", {"project_id": self.project, "branch_id": branch})
        self.assertTrue(is_error, value)
        self.assertEqual((value["error"]["kind"], value["error"]["changed"]), (kind, "no"), value)
        self.assert_shown(human, "approve", "boolean", name)
        self.assertEqual(self.sandbox.changes(), [])
        self.assertIn(branch, self.sandbox.branches(self.project))

    async def test_accepted(self) -> None:
        branch = self.sandbox.branch(self.project, "goes")
        human = Human("accept", {"approve": True})
        value, is_error = await self.call(human, "delete_branch", {"project_id": self.project, "branch_id": branch})
        self.assertFalse(is_error, value)
        self.assertEqual(value["approved_by"], "client", value)
        self.assert_shown(human, "approve", "boolean", "goes")
        self.assertEqual(self.sandbox.changes(), [f"DELETE /projects/{self.project}/branches/{branch}"])
        self.assertNotIn(branch, self.sandbox.branches(self.project))

    async def test_declined(self) -> None:
        await self.refused(Human("decline"), "rejected")

    async def test_cancelled(self) -> None:
        await self.refused(Human("cancel"), "cancelled_by_user")

    async def test_accepted_without_the_tick(self) -> None:
        await self.refused(Human("accept", {"approve": False}), "approval_malformed")

    async def test_accepted_without_content(self) -> None:
        await self.refused(Human("accept"), "approval_malformed")

    async def test_a_project_goes_by_its_typed_name_alone(self) -> None:
        project = self.sandbox.project("till")
        self.sandbox.forget()
        wrong = Human("accept", {"name": "tills"})
        value, is_error = await self.call(wrong, "delete_project", {"project_id": project})
        self.assertTrue(is_error, value)
        self.assertEqual((value["error"]["kind"], value["error"]["changed"]), ("wrong_name", "no"), value)
        # A wrong name is asked again, once.
        self.assert_shown(wrong, "name", "string", "till", 2)
        self.assertEqual(self.sandbox.changes(), [])
        self.assertIn(project, self.sandbox.projects())

        right = Human("accept", {"name": "till"})
        value, is_error = await self.call(right, "delete_project", {"project_id": project})
        self.assertFalse(is_error, value)
        self.assertEqual(value["approved_by"], "client", value)
        self.assert_shown(right, "name", "string", "till")
        self.assertEqual(self.sandbox.changes(), [f"DELETE /projects/{project}"])
        self.assertNotIn(project, self.sandbox.projects())

    async def test_nobody_to_ask(self) -> None:
        branch = self.sandbox.branch(self.project, "unasked")
        value, is_error = await self.call(None, "delete_branch", {"project_id": self.project, "branch_id": branch})
        self.assertTrue(is_error, value)
        self.assertEqual((value["error"]["kind"], value["error"]["changed"]), ("requires_approval", "no"), value)
        self.assertIn("unasked", json.dumps(value["error"]["plan"]))
        self.assertEqual(self.sandbox.changes(), [])
        self.assertIn(branch, self.sandbox.branches(self.project))

    async def test_reading_and_writing_ask_nothing(self) -> None:
        human = Human("decline")
        self.sandbox.forget()
        async with self.client(human) as client:
            self.assertEqual(client.protocol_version, self.version)
            self.assertEqual(client.server_info.name, "neon-mcp")
            self.assertIn("Neon is serverless Postgres", client.instructions)
            listed = await client.call_tool("list_projects", {})
            self.assertFalse(listed.is_error, listed)
            self.assertIn(self.project, json.dumps(listed.structured_content))
            self.assertEqual(self.sandbox.changes(), [])
            heard: list[float] = []

            async def progress(done: float, _total: float | None, _message: str | None) -> None:
                heard.append(done)

            arguments = {"project_id": self.project, "name": "made"}
            made = await client.call_tool("create_branch", arguments, progress_callback=progress)
            self.assertFalse(made.is_error, made)
            self.assertNotIn("approved_by", made.structured_content)
        self.assertTrue(heard, "no progress arrived")
        self.assertEqual(human.forms, [])
        self.assertEqual(self.sandbox.changes(), [f"POST /projects/{self.project}/branches"])

    async def test_every_tool_is_listed_with_schemas_that_hold(self) -> None:
        async with self.client(None) as client:
            tools = (await client.list_tools()).tools
            for tool in tools:
                jsonschema.Draft202012Validator.check_schema(tool.input_schema)
                if tool.output_schema is not None:
                    jsonschema.Draft202012Validator.check_schema(tool.output_schema)
            names = {tool.name for tool in tools}
            self.assertEqual(len(names), len(tools))
            self.assertGreater(len(names), 20)
            self.assertLessEqual({"list_projects", "create_branch", "delete_branch", "delete_project"}, names)
            hints = {tool.name: tool.annotations.destructive_hint for tool in tools}
            self.assertEqual((hints["delete_branch"], hints["list_projects"]), (True, False))


class StdioLegacy(Scenarios, unittest.IsolatedAsyncioTestCase):
    transport, mode, version = "stdio", "legacy", LEGACY


class StdioModern(Scenarios, unittest.IsolatedAsyncioTestCase):
    # What the SDK does by itself: it looks for 2026-07-28 first.
    transport, mode, version = "stdio", "auto", MODERN


class HttpWithoutToken(unittest.IsolatedAsyncioTestCase):
    async def test_nothing_is_served_without_the_token(self) -> None:
        sandbox = Sandbox()
        self.addCleanup(sandbox.stop)
        url, token = sandbox.serve_http()
        for shown in ({}, {"Authorization": f"Bearer {token[:-1]}"}, {"Authorization": token}):
            with self.assertRaises(BaseException):
                server = streamable_http_client(url, http_client=httpx2.AsyncClient(headers=shown))
                async with Client(server, read_timeout_seconds=20) as client:
                    await client.list_tools()


class HttpLegacy(Scenarios, unittest.IsolatedAsyncioTestCase):
    transport, mode, version = "http", "legacy", LEGACY


class HttpModern(Scenarios, unittest.IsolatedAsyncioTestCase):
    transport, mode, version = "http", "auto", MODERN


if __name__ == "__main__":
    unittest.main(verbosity=2)
