// Official MCP clients find the issuer of a server by its challenge, register there, sign in with PKCE for this resource, and call.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

import { browse, SCOPES, start } from './provider.mjs';

const BIN = process.env.NEON_MCP_BIN;
const PYTHON = process.env.OAUTH_PYTHON;
const REDIRECT = 'http://127.0.0.1:9/callback';

/** A small Neon, which takes the operator's key alone. */
async function neon(t) {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push({ method: request.method, authorization: request.headers.authorization });
    const project = { id: 'quiet-sun-12345678', name: 'shop', region_id: 'aws-us-east-1', created_at: '2026-01-01T00:00:00Z' };
    const ok = request.headers.authorization === 'Bearer napi_key_of_the_operator';
    response.writeHead(ok ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(ok ? { projects: [project], project, auth_method: 'api_key_user', organizations: [] } : { message: 'no' }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => (server.closeAllConnections(), server.close()));
  return { api: `http://127.0.0.1:${server.address().port}/api/v2`, seen };
}

/** A server of `neon-mcp http --auth oauth` at a provider. */
async function world(t, ...more) {
  const provider = await start();
  t.after(() => provider.close());
  const { api, seen } = await neon(t);
  const home = await mkdtemp(join(tmpdir(), 'neon-mcp-oauth-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  const env = {
    PATH: process.env.PATH, HOME: home, XDG_STATE_HOME: join(home, 'state'), XDG_CONFIG_HOME: join(home, 'config'),
    NEON_API_HOST: api, NEON_API_KEY: 'napi_key_of_the_operator', NEON_MCP_CONTEXT_FILE: 'off', NEON_MCP_LOG: 'trace',
  };
  const words = ['http', '--listen', '127.0.0.1:0', '--auth', 'oauth', '--oauth-issuer', provider.origin, ...more];
  const child = spawn(BIN, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = [];
  child.stderr.on('data', (data) => log.push(data));
  t.after(() => child.kill());
  const [url] = await once(createInterface({ input: child.stdout }), 'line');
  const audit = () => readFile(join(home, 'state', 'neon-mcp', 'audit.jsonl'), 'utf8');
  return { provider, seen, url, audit, log: () => Buffer.concat(log).toString() };
}

/** What an official client keeps of its sign-in. */
class Keeper {
  constructor(scope) {
    this.scope = scope;
  }
  get redirectUrl() {
    return REDIRECT;
  }
  get clientMetadata() {
    return {
      client_name: 'official-typescript-sdk', redirect_uris: [REDIRECT], application_type: 'native',
      grant_types: ['authorization_code'], response_types: ['code'], token_endpoint_auth_method: 'none',
      ...(this.scope && { scope: this.scope }),
    };
  }
  clientInformation() {
    return this.client;
  }
  saveClientInformation(client) {
    this.client = client;
  }
  tokens() {
    return this.kept;
  }
  saveTokens(tokens) {
    this.kept = tokens;
  }
  redirectToAuthorization(page) {
    this.page = page;
  }
  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }
  codeVerifier() {
    return this.verifier;
  }
  saveDiscoveryState(state) {
    this.discovered = state;
  }
  discoveryState() {
    return this.discovered;
  }
}

const identity = { name: 'official-typescript-sdk', version: '1' };

for (const mode of [undefined, 'auto']) {
  test(`TypeScript client (${mode ?? 'older era'}) signs in for this resource and calls`, async (t) => {
    const { provider, seen, url, log } = await world(t);
    const keeper = new Keeper();
    const options = mode ? { versionNegotiation: { mode } } : {};
    const transport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: keeper });
    const first = transport();
    await assert.rejects(new Client(identity, options).connect(first), UnauthorizedError);
    const back = await browse(keeper.page);
    // The whole answer, since it says which issuer it is of (RFC 9207).
    await first.finishAuth(back.searchParams);
    const client = new Client(identity, options);
    await client.connect(transport());
    t.after(() => client.close());
    const { tools } = await client.listTools();
    assert.ok(tools.some((tool) => tool.name === 'list_projects'));
    const result = await client.callTool({ name: 'list_projects', arguments: {} });
    assert.ok(!result.isError, JSON.stringify(result));
    assert.equal(result.structuredContent.result.projects.length, 1);

    const asked = provider.authorizations.at(-1);
    assert.equal(asked.resource, url);
    assert.equal(asked.code_challenge_method, 'S256');
    for (const scope of SCOPES) assert.ok(asked.scope.split(' ').includes(scope), asked.scope);
    // Its token goes no further than to the server, which has none in its log.
    assert.ok(seen.length > 0 && seen.every((request) => request.authorization === 'Bearer napi_key_of_the_operator'));
    assert.ok(!log().includes(keeper.kept.access_token));
  });
}

test('Python client signs in for this resource and calls', { skip: !PYTHON && 'there is no Python with its packages' }, async (t) => {
  const { provider, seen, url, log } = await world(t);
  for (const mode of ['legacy', 'auto']) {
    const { stdout } = await promisify(execFile)(PYTHON, ['official_python.py', url, mode], { env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } });
    const told = JSON.parse(stdout);
    assert.deepEqual(told.projects, ['quiet-sun-12345678']);
    const asked = provider.authorizations.at(-1);
    assert.equal(asked.resource, url);
    assert.equal(asked.code_challenge_method, 'S256');
    assert.ok(!log().includes(told.token));
  }
  assert.ok(seen.every((request) => request.authorization === 'Bearer napi_key_of_the_operator'));
});

test('token that lacks a scope is told which, and its owner is named in the log of refusals', async (t) => {
  const { provider, url, audit } = await world(t);
  const keeper = new Keeper();
  const transport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: keeper });
  const first = transport();
  await assert.rejects(new Client(identity).connect(first), UnauthorizedError);
  // The person is asked for less than the server has.
  const page = new URL(keeper.page);
  page.searchParams.set('scope', 'neon:read');
  await first.finishAuth((await browse(page)).searchParams);
  const answer = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${keeper.kept.access_token}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'delete_project', arguments: { project_id: 'quiet-sun-12345678' } } }),
  });
  assert.equal(answer.status, 403);
  assert.match(answer.headers.get('www-authenticate'), /error="insufficient_scope".*scope="neon:read neon:destructive"/);
  assert.ok((await audit()).includes(`${provider.origin} ada`));
});
