"""The official Python SDK signs in at the issuer of a server, and calls a tool: prints what it got."""

import asyncio
import json
import sys
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

REDIRECT = "http://127.0.0.1:9/callback"


class Kept(TokenStorage):
    """What the client keeps of its sign-in."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """A browser whose person signs in."""

    back: dict[str, list[str]]

    async def open(self, page: str) -> None:
        cookies: dict[str, str] = {}
        async with httpx2.AsyncClient(trust_env=False) as http:
            for _ in range(20):
                cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
                answer = await http.get(page, headers={"cookie": cookie}, follow_redirects=False)
                http.cookies.clear()
                for header in answer.headers.get_list("set-cookie"):
                    for name, morsel in SimpleCookie(header).items():
                        cookies[name] = morsel.value
                cookies = {name: value for name, value in cookies.items() if value}
                page = urljoin(page, answer.headers["location"])
                if urlsplit(page).path == "/callback":
                    self.back = parse_qs(urlsplit(page).query)
                    return
        raise RuntimeError("the provider goes in a circle")

    async def arrived(self) -> AuthorizationCodeResult:
        one = lambda name: self.back.get(name, [None])[0]
        return AuthorizationCodeResult(code=one("code"), state=one("state"), iss=one("iss"))


async def main(url: str, mode: str) -> None:
    kept, browser = Kept(), Browser()
    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="official-python-sdk",
            redirect_uris=[REDIRECT],
            grant_types=["authorization_code"],
            response_types=["code"],
            token_endpoint_auth_method="none",
            application_type="native",
        ),
        storage=kept,
        redirect_handler=browser.open,
        callback_handler=browser.arrived,
    )
    async with httpx2.AsyncClient(auth=provider, trust_env=False, timeout=30) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            result = await client.call_tool("list_projects", {})
            assert not result.is_error, result
            projects = [project["id"] for project in result.structured_content["result"]["projects"]]
            print(json.dumps({"projects": projects, "token": kept.tokens.access_token}))


asyncio.run(main(sys.argv[1], sys.argv[2]))
