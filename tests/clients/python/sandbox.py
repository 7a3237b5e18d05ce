"""The sandbox that stands for Neon, alone in its process: what arrived there, and what is there."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request

PROGRAM = os.environ["NEON_MCP_BIN"]

# Requests to this machine don't go through anybody's proxy.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class Sandbox:
    """A sandbox process, and the servers that are started in front of it."""

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="neon-mcp-clients-")
        self.running: list[subprocess.Popen[str]] = []
        lines = self._start(["sandbox", "--sandbox-postgres", "off", "--no-project", "--operation-time", "5"], {}, 2)
        self.access = dict(line.split("=", 1) for line in lines)
        self.api = self.access["NEON_API_HOST"]
        self.organization = self.request("GET", "/users/me/organizations")["organizations"][0]["id"]

    def environment(self) -> dict[str, str]:
        """What a server needs to use this sandbox, and to leave the home directory alone."""
        places = {name: self.directory for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
        return {"NEON_MCP_LOG": "warn", **places, **self.access}

    def serve_http(self) -> tuple[str, str]:
        """Starts a server over HTTP in front of this sandbox; its URL, and the token that it asks for."""
        url = self._start(["http", "--listen", "127.0.0.1:0"], self.environment(), 1)[0]
        port = urllib.parse.urlsplit(url).port
        with open(os.path.join(self.directory, "neon-mcp", f"http-127.0.0.1-{port}.token")) as file:
            return url, file.read().strip()

    def _start(self, arguments: list[str], environment: dict[str, str], count: int) -> list[str]:
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": self.directory, **environment}
        process = subprocess.Popen([PROGRAM, *arguments], env=environment, stdout=subprocess.PIPE, text=True)
        self.running.append(process)
        lines = [process.stdout.readline().strip() for _ in range(count)]
        if not all(lines):
            raise RuntimeError(f"neon-mcp {arguments[0]} didn't start: it printed {lines}")
        return lines

    def stop(self) -> None:
        """Ends the servers first, then the sandbox."""
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                process.kill()
                process.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def request(self, method: str, path: str, body: object = None) -> dict:
        """A request of the test's own: below `/api/v2`, or the sandbox's own routes below `/sandbox`."""
        base = self.api.removesuffix("/api/v2") if path.startswith("/sandbox/") else self.api
        headers = {"authorization": f"Bearer {self.access['NEON_API_KEY']}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with _open(urllib.request.Request(base + path, data, headers, method=method), timeout=20) as response:
                return json.load(response)
        except urllib.error.HTTPError as refused:
            raise RuntimeError(f"{method} {path}: {refused} {refused.read().decode()}") from None

    def project(self, name: str) -> str:
        """Makes a project; its id."""
        body = {"project": {"name": name, "org_id": self.organization}}
        project = self.request("POST", "/projects", body)["project"]["id"]
        self._settle()
        return project

    def branch(self, project: str, name: str) -> str:
        """Makes a branch, and forgets the requests so far; its id."""
        branch = self.request("POST", f"/projects/{project}/branches", {"branch": {"name": name}})["branch"]["id"]
        self._settle()
        self.forget()
        return branch

    def _settle(self) -> None:
        """Ends the operations that run, which would be in the way of the next."""
        self.request("POST", "/sandbox/clock", {"advance_seconds": 5})

    def branches(self, project: str) -> list[str]:
        """The ids of a project's branches."""
        return [branch["id"] for branch in self.request("GET", f"/projects/{project}/branches")["branches"]]

    def projects(self) -> list[str]:
        """The ids of the projects."""
        return [project["id"] for project in self.request("GET", f"/projects?limit=400&org_id={self.organization}")["projects"]]

    def forget(self) -> None:
        """Empties the request log."""
        self.request("DELETE", "/sandbox/requests")

    def changes(self) -> list[str]:
        """The requests since then that change something, as `METHOD /path`, in their order."""
        requests = self.request("GET", "/sandbox/requests")["requests"]
        return [f"{request['method']} {request['path']}" for request in requests if request["method"] != "GET"]
