// How a server ends that a Node client started: its standard streams are sockets there, not pipes.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';

import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js';

import { PROGRAM } from './sandbox.mjs';

const ARGUMENTS = ['--sandbox', '--toolsets', 'all'];
const SDKS = [
  ['@modelcontextprotocol/sdk', LegacyClient, LegacyStdio],
  ['@modelcontextprotocol/client', ModernClient, ModernStdio],
];

/** A folder that whoever runs PostgreSQL passes through, and a sandbox's environment in it. */
async function place(t) {
  const folder = await mkdtemp(join(tmpdir(), 'neon-mcp-ends-'));
  await chmod(folder, 0o711);
  t.after(() => rm(folder, { recursive: true, force: true }));
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, XDG_STATE_HOME: join(folder, 'state'), TMPDIR: join(folder, 'tmp') };
  await promisify(execFile)('mkdir', ['-m', '711', env.TMPDIR]);
  const nothingIsLeft = async () => {
    assert.deepEqual(await readdir(env.TMPDIR), [], 'folders are left');
    const { stdout } = await promisify(execFile)('ps', ['-eo', 'args']);
    assert.deepEqual(stdout.split('\n').filter((line) => line.includes(folder)), [], 'processes are left');
  };
  return { env, nothingIsLeft };
}

/** One of three tries is within the time: a machine that is busy for a moment breaks no rule. */
async function within(most, took) {
  const tries = [];
  for (let count = 0; count < 3; count++) {
    tries.push(Math.round(await took()));
    if (tries.at(-1) < most) return console.log(`took ${tries} ms`);
  }
  assert.fail(`took ${tries} ms, not ${most}`);
}

describe('the end of a server of a Node client', { timeout: 180_000 }, () => {
  for (const [name, Client, Transport] of SDKS) {
    test(`${name} closes it, and needs no signal`, async (t) => {
      await within(1_000, async () => {
        const { env, nothingIsLeft } = await place(t);
        const transport = new Transport({ command: PROGRAM, args: ARGUMENTS, env, stderr: 'ignore' });
        const client = new Client({ name: 'ends', version: '1' }, { capabilities: {} });
        await client.connect(transport);
        // A sandbox with data, if there is a PostgreSQL.
        const { structuredContent } = await client.callTool({ name: 'list_projects', arguments: {} });
        assert.equal(structuredContent.result.projects.length, 1, JSON.stringify(structuredContent));
        const { pid } = transport;
        const began = performance.now();
        await client.close();
        const took = performance.now() - began;
        assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
        await nothingIsLeft();
        return took;
      });
    });
  }

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    test(`${signal} ends it within half a second`, async (t) => {
      await within(500, async () => {
        const { env, nothingIsLeft } = await place(t);
        const child = spawn(PROGRAM, [...ARGUMENTS, '--sandbox-postgres', 'off'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
        const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'ends', version: '1' } };
        child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`);
        await once(child.stdout, 'data');
        const began = performance.now();
        child.kill(signal);
        const [code] = await once(child, 'exit');
        const took = performance.now() - began;
        assert.equal(code, 0, 'it was killed');
        await nothingIsLeft();
        return took;
      });
    });
  }
});
