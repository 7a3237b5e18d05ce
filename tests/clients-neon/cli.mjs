// The `neon` CLI on the sandbox: each of its commands, and whether it did what it must. Prints the table; fails where one of
// them stopped working, or where one works that the table says doesn't.

import commands from './node_modules/neon/dist/commands/index.js';

import { branches } from './commands/branches.mjs';
import { contents } from './commands/contents.mjs';
import { folder } from './commands/folder.mjs';
import { account, deletion, projects } from './commands/projects.mjs';
import { services } from './commands/services.mjs';
import { snapshots } from './commands/snapshots.mjs';
import { Sandbox } from './sandbox.mjs';
import { Table } from './table.mjs';

/** Commands that are about something else than the API, or that need what CI doesn't have. */
const NOT_RUN = {
  auth: 'signs in through a browser',
  profile: 'keeps credentials of several accounts',
  open: 'opens a browser',
  claim: 'talks to another service of Neon',
  init: 'installs editors\' extensions and asks questions',
  mcp: "installs Neon's own server in editors",
  plugins: 'downloads programs',
  skills: 'downloads texts for agents',
  ask: "asks Neon's assistant",
  bootstrap: 'downloads templates',
  dev: 'runs functions until it is stopped',
  deploy: 'needs packages that a neon.ts imports',
  config: 'needs packages that a neon.ts imports',
  git: 'sets up hooks of git',
};

const problems = [];
const started = performance.now();
const sandbox = await Sandbox.start();
const table = new Table(sandbox);
try {
  const made = await projects(table);
  await table.run(['set-context', '--project-id', made.project], 'what follows is about that project', () => {}, { text: true });
  for (const part of [branches, contents, account, snapshots, services, folder, deletion]) {
    try {
      await part(table, made);
    } catch (error) {
      problems.push(`the part "${part.name}" ended early: ${error.stack}`);
    }
  }
} finally {
  const code = await sandbox.stop();
  if (code !== 0) problems.push(`the sandbox ended with ${code}`);
}

const run = new Set(table.rows.map(({ words }) => words[0]));
for (const { command, aliases = [] } of commands) {
  const [name] = command.split(' ');
  if (![name, ...aliases].some((word) => run.has(word) || word in NOT_RUN)) problems.push(`nothing is said of: neon ${name}`);
}

const count = (test) => table.rows.filter(test).length;
const failed = count((row) => row.problem);
const seconds = ((performance.now() - started) / 1000).toFixed(0);
console.log(`not run: ${Object.entries(NOT_RUN).map(([name, why]) => `${name} (${why})`).join(', ')}`);
console.log(
  `neon CLI: ${table.rows.length} commands in ${seconds} s: ${count((row) => !row.problem && !row.lacks)} did what they must, ` +
    `${count((row) => !row.problem && row.lacks)} are known not to, ${failed} failed`,
);
for (const problem of problems) console.error(problem);
if (failed || problems.length) process.exit(1);
