// A server over HTTP with the sandbox inside, an agent that can't ask its human, and what its operator reads in the log.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const ARGUMENTS = ['http', '--sandbox', '--sandbox-postgres', 'off', '--listen', '127.0.0.1:0', '--toolsets', 'all'];

export class Server {
  #child;
  #log = [];
  #approvals = new Map();

  /** Starts one that ends with the test, with the client of an agent named `agent`. */
  static async start(t, agent = 'page-test', variables = {}) {
    const server = new Server();
    const home = await mkdtemp(join(tmpdir(), 'neon-mcp-page-'));
    t.after(() => server.#stop(home));
    const env = { PATH: process.env.PATH, HOME: home, XDG_STATE_HOME: home, XDG_CONFIG_HOME: home, NEON_MCP_LOG: 'warn', NEON_MCP_SANDBOX_PROJECT: 'false', ...variables };
    server.#child = spawn(process.env.NEON_MCP_BIN, ARGUMENTS, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    createInterface({ input: server.#child.stderr }).on('line', (line) => server.#log.push(line));
    const [url] = await once(createInterface({ input: server.#child.stdout }), 'line', { signal: AbortSignal.timeout(20_000) });
    server.origin = new URL(url).origin;
    server.client = new Client({ name: agent, version: '1' }, { capabilities: {}, versionNegotiation: { mode: 'auto' } });
    const file = join(home, 'neon-mcp', `http-127.0.0.1-${new URL(url).port}.token`);
    const headers = { Authorization: `Bearer ${(await readFile(file, 'utf8')).trim()}` };
    await server.client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
    const { organizations } = await server.done('list_organizations');
    server.organization = organizations[0].id;
    return server;
  }

  async #stop(home) {
    await this.client?.close();
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      const late = setTimeout(() => this.#child.kill('SIGKILL'), 20_000);
      await ended;
      clearTimeout(late);
    }
    await rm(home, { recursive: true, force: true });
  }

  /** Calls a tool: its result, and whether it is an error. What an earlier refusal of the call handed out comes back with it. */
  async call(name, args = {}) {
    const known = JSON.stringify([name, args]);
    const approval = this.#approvals.get(known);
    const result = await this.client.callTool({ name, arguments: { ...args, ...(approval && { approval }) } });
    const handedOut = result.structuredContent?.error?.approval;
    if (handedOut) this.#approvals.set(known, handedOut);
    return [result.structuredContent, result.isError ?? false];
  }

  /** Calls a tool that must succeed: what Neon answered. */
  async done(name, args) {
    const [value, isError] = await this.call(name, args);
    assert.equal(isError, false, JSON.stringify(value));
    return value.result;
  }

  /** Calls a tool that waits for approval: the page's address and code as the agent gets them, the secret as the log tells it. */
  async waits(name, args) {
    const [value, isError] = await this.call(name, args);
    assert.deepEqual([isError, value.error?.kind, value.error?.changed], [true, 'requires_approval', 'no'], JSON.stringify(value));
    const { approval_page: url, code } = value.error;
    assert.ok(url.startsWith(`${this.origin}/approve/`), url);
    const secret = await this.#secret(url);
    assert.ok(!JSON.stringify(value).includes(secret), 'the agent is told the secret');
    return { url, code, secret };
  }

  async #secret(url) {
    for (let tries = 0; tries < 200; tries++) {
      const line = this.#log.findLast((line) => line.includes(url));
      const secret = line?.match(/one-time secret (\S+)$/)?.[1];
      if (secret) return secret;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`no secret for ${url} in the log: ${this.#log.join('\n')}`);
  }

  async project(name) {
    return (await this.done('create_project', { name, org_id: this.organization })).project.id;
  }

  async branch(project, name) {
    return (await this.done('create_branch', { project_id: project, name })).branch.id;
  }

  /** The names of a project's branches, sorted. */
  async branches(project) {
    return (await this.done('list_branches', { project_id: project })).branches.map(({ name }) => name).sort();
  }

  /** The branches that the sandbox deleted in a project, as its own operations tell. */
  async deletions(project) {
    const { operations } = await this.done('list_operations', { project_id: project });
    return operations.filter(({ action }) => action === 'delete_timeline').map((operation) => operation.branch_id);
  }

  /** The names of the projects, sorted. */
  async projects() {
    return (await this.done('list_projects', { org_id: this.organization })).projects.map(({ name }) => name).sort();
  }
}
