// The sandbox that stands for Neon, alone in its process: what arrived there, and what is there.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const PROGRAM = process.env.NEON_MCP_BIN;

/** A sandbox process, and the servers that are started in front of it. */
export class Sandbox {
  #running = [];

  static async start() {
    const sandbox = new Sandbox();
    sandbox.directory = await mkdtemp(join(tmpdir(), 'neon-mcp-clients-'));
    const lines = await sandbox.#spawn(['sandbox', '--sandbox-postgres', 'off', '--no-project', '--operation-time', '5'], {}, 2);
    sandbox.access = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    sandbox.organization = (await sandbox.request('GET', '/users/me/organizations')).organizations[0].id;
    return sandbox;
  }

  /** What a server needs to use this sandbox, and to leave the home directory alone. */
  environment() {
    const places = Object.fromEntries(['HOME', 'XDG_STATE_HOME', 'XDG_CONFIG_HOME'].map((name) => [name, this.directory]));
    return { NEON_MCP_LOG: 'warn', ...places, ...this.access };
  }

  /** Starts a server over HTTP in front of this sandbox; its URL, and the token that it asks for. */
  async serveHttp() {
    const [url] = await this.#spawn(['http', '--listen', '127.0.0.1:0'], this.environment(), 1);
    const file = join(this.directory, 'neon-mcp', `http-127.0.0.1-${new URL(url).port}.token`);
    return { url, token: (await readFile(file, 'utf8')).trim() };
  }

  async #spawn(args, environment, count) {
    const env = { PATH: process.env.PATH, HOME: this.directory, ...environment };
    const child = spawn(PROGRAM, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    this.#running.push(child);
    const lines = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line.trim());
      if (lines.length === count) return lines;
    }
    throw new Error(`neon-mcp ${args[0]} didn't start: it printed ${JSON.stringify(lines)}`);
  }

  /** Ends the servers first, then the sandbox. */
  async stop() {
    for (const child of this.#running.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await ended;
      clearTimeout(late);
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  /** A request of the test's own: below `/api/v2`, or the sandbox's own routes below `/sandbox`. */
  async request(method, path, body) {
    const api = this.access.NEON_API_HOST;
    const base = path.startsWith('/sandbox/') ? api.replace(/\/api\/v2$/, '') : api;
    const headers = { authorization: `Bearer ${this.access.NEON_API_KEY}`, 'content-type': 'application/json' };
    const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(20_000) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** Makes a project; its id. */
  async project(name) {
    const { project } = await this.request('POST', '/projects', { project: { name, org_id: this.organization } });
    await this.#settle();
    return project.id;
  }

  /** Makes a branch, and forgets the requests so far; its id. */
  async branch(project, name) {
    const { branch } = await this.request('POST', `/projects/${project}/branches`, { branch: { name } });
    await this.#settle();
    await this.forget();
    return branch.id;
  }

  /** Ends the operations that run, which would be in the way of the next. */
  async #settle() {
    await this.request('POST', '/sandbox/clock', { advance_seconds: 5 });
  }

  /** The ids of a project's branches. */
  async branches(project) {
    return (await this.request('GET', `/projects/${project}/branches`)).branches.map((branch) => branch.id);
  }

  /** The ids of the projects. */
  async projects() {
    return (await this.request('GET', `/projects?limit=400&org_id=${this.organization}`)).projects.map((project) => project.id);
  }

  /** Empties the request log. */
  async forget() {
    await this.request('DELETE', '/sandbox/requests');
  }

  /** The requests since then that change something, as `METHOD /path`, in their order. */
  async changes() {
    const { requests } = await this.request('GET', '/sandbox/requests');
    return requests.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`);
  }
}
