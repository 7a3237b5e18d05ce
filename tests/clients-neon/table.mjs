// Commands of the `neon` CLI, run one after the other, and the table of which of them worked.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { environment } from './sandbox.mjs';

const program = fileURLToPath(new URL('./node_modules/neon/dist/cli.js', import.meta.url));

export class Table {
  rows = [];
  #names = new Map();

  constructor(sandbox) {
    this.sandbox = sandbox;
    this.folder = join(sandbox.home, 'work');
  }

  /** From now on the table says `name` where a command has `value`. */
  name(value, name) {
    this.#names.set(value, name);
    return value;
  }

  /**
   * Runs a command and notes whether it did what it must.
   *
   * @param args its words, as a text or as a list
   * @param does what is checked, for the table
   * @param check looks at what came of it and throws where it isn't as it must be. It gets `json` (of the standard output,
   *   if it is JSON), `out`, `err` and `code`
   * @param options `code`, the exit code that it must have (0); `text`, whether it prints for people, not JSON; `input`, its
   *   standard input; `env`, more of an environment; `lacks`, why the sandbox can't do this: then it must fail
   */
  async run(args, does, check = () => {}, options = {}) {
    const words = typeof args === 'string' ? args.split(' ') : args;
    const started = performance.now();
    let problem;
    let result = {};
    try {
      result = await this.#neon(words, options);
      const wanted = options.code ?? (options.lacks ? 1 : 0);
      const said = `exit code ${result.code}\n${result.out}\n${result.err}`;
      if (options.lacks && result.code === 0) assert.fail(`it works now, and the table says that it doesn't:\n${said}`);
      assert.equal(result.code, wanted, said);
      await check(result);
    } catch (error) {
      problem = error.message;
    }
    const millis = Math.round(performance.now() - started);
    const command = words.map((word) => this.#shown(word)).join(' ');
    this.rows.push({ words, command, does, millis, problem, lacks: options.lacks });
    const sign = problem ? 'FAILED' : options.lacks ? 'no' : 'yes';
    console.log(`${sign.padEnd(7)}${String(millis).padStart(6)} ms  neon ${command}  # ${options.lacks ?? does}`);
    if (problem) console.log(problem.replaceAll(/^/gm, '        | '));
    return result.json;
  }

  #shown(word) {
    let shown = String(word);
    for (const [value, name] of this.#names) shown = shown.replaceAll(value, name);
    return /[\s'"*;]/.test(shown) ? `'${shown}'` : shown;
  }

  async #neon(words, { text, input, env }) {
    await mkdir(this.folder, { recursive: true });
    const own = words.indexOf('--');
    const before = own < 0 ? words : words.slice(0, own);
    const after = own < 0 ? [] : words.slice(own);
    // Telemetry is off by its flag, prompts and the check for updates by `CI`.
    const global = ['--no-analytics', '--api-host', this.sandbox.url, '--api-key', this.sandbox.key];
    const output = text ? [] : ['--output', 'json'];
    const child = spawn(process.execPath, [program, ...before, ...global, ...output, ...after], {
      cwd: this.folder,
      env: environment(this.sandbox.home, { CI: '1', NO_UPDATE_NOTIFIER: '1', NO_COLOR: '1', BROWSER: 'false', ...env }),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const late = setTimeout(() => child.kill('SIGKILL'), 90_000);
    const result = { out: '', err: '' };
    child.stdout.on('data', (data) => (result.out += data));
    child.stderr.on('data', (data) => (result.err += data));
    child.stdin.end(input ?? '');
    result.code = await new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal)));
    clearTimeout(late);
    try {
      result.json = JSON.parse(result.out);
    } catch {
      result.json = undefined;
    }
    return result;
  }
}
