// The sandbox that the clients talk to: started from the program, looked into through its API and through psql, stopped.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const ENDED = ['finished', 'failed', 'cancelled', 'skipped'];

/** What a program gets of our environment: nothing that could lead it to another Neon, another Postgres or another home. */
export function environment(home, more = {}) {
  const { PATH, LANG, TMPDIR } = process.env;
  const all = { PATH, LANG, TMPDIR, HOME: home, NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1', ...more };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

export class Sandbox {
  #child;

  /** One on PostgreSQL. `flags` are further flags of `neon-mcp sandbox`. */
  static async start(...flags) {
    const sandbox = new Sandbox();
    sandbox.home = await mkdtemp(join(tmpdir(), 'neon-clients-'));
    sandbox.#child = spawn(process.env.NEON_MCP_BIN, ['sandbox', '--no-project', '--sandbox-postgres', 'required', ...flags], {
      env: environment(sandbox.home),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = {};
    for await (const line of createInterface({ input: sandbox.#child.stdout })) {
      const [name, value] = line.split(/=(.*)/);
      said[name] = value;
      if (said.NEON_API_HOST && said.NEON_API_KEY) break;
    }
    sandbox.#child.stdout.resume();
    if (!said.NEON_API_KEY) throw new Error('the sandbox ended before it said where it is');
    sandbox.url = said.NEON_API_HOST;
    sandbox.key = said.NEON_API_KEY;
    return sandbox;
  }

  /** Ends it as Ctrl-C does, and waits until it has ended, its data removed. Returns its exit code, or the signal that it took. */
  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGINT');
      const late = setTimeout(() => this.#child.kill('SIGKILL'), 90_000);
      await ended;
      clearTimeout(late);
    }
    await rm(this.home, { recursive: true, force: true });
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  /** A call of Neon's API. Throws where it isn't answered with a 2xx. */
  async api(method, path, body) {
    return this.#call(`${this.url}${path}`, method, body);
  }

  /** A call of one of the routes that only the sandbox has. */
  async admin(method, path, body) {
    return this.#call(`${new URL(this.url).origin}/sandbox${path}`, method, body);
  }

  async #call(url, method, body) {
    const answer = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw Object.assign(new Error(`${method} ${url}: ${text}`), { status: answer.status });
    return text === '' ? undefined : JSON.parse(text);
  }

  /** Waits until no operation of a project is open. */
  async settled(project) {
    for (let tries = 0; tries < 600; tries += 1) {
      const { operations } = await this.api('GET', `/projects/${project}/operations?limit=100`);
      if (operations.every(({ status }) => ENDED.includes(status))) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the operations of ${project} don't end`);
  }

  /** Runs SQL through psql with a connection string as it is. Returns what psql prints: rows, their values parted by `|`. */
  async psql(uri, sql) {
    const { stdout } = await execute('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', uri, '-c', sql], {
      env: environment(this.home),
    });
    return stdout.trimEnd();
  }

  /** The connection string that the API gives for a branch. */
  async uri(project, branch, database = 'neondb', role = 'neondb_owner') {
    const query = new URLSearchParams({ branch_id: branch, database_name: database, role_name: role });
    return (await this.api('GET', `/projects/${project}/connection_uri?${query}`)).uri;
  }

  /** Runs SQL on a branch, as its owner. */
  async sql(project, branch, sql) {
    return this.psql(await this.uri(project, branch), sql);
  }
}
