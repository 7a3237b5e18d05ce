// Starts a server over stdio and asks for its tools: node packaging/tools-list.mjs VERSION COMMAND [ARGUMENT…]. Fails where it
// doesn't answer, is of another version, or offers nothing.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const [version, command, ...rest] = process.argv.slice(2);
const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
const fail = (why) => {
  console.error(`${command}: ${why}`);
  child.kill('SIGKILL');
  process.exit(1);
};
const patience = setTimeout(() => fail('no answer after 60 seconds'), 60_000);
child.on('error', (error) => fail(error.message));
child.stdin.on('error', () => {});

const waiting = new Map();
const send = (message) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const ask = (id, method, params) =>
  new Promise((resolve) => {
    waiting.set(id, resolve);
    send({ id, method, params });
  });
createInterface({ input: child.stdout }).on('line', (line) => {
  const message = JSON.parse(line);
  waiting.get(message.id)?.(message.result ?? fail(JSON.stringify(message.error)));
});
const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })));
ended.then(({ code, signal }) => waiting.size && fail(`it ended with ${code ?? signal}`));

const { serverInfo } = await ask(1, 'initialize', {
  protocolVersion: '2025-06-18',
  capabilities: {},
  clientInfo: { name: 'tools-list', version: '1' },
});
if (serverInfo.version !== version) fail(`it is ${serverInfo.version}, not ${version}`);
send({ method: 'notifications/initialized' });
const { tools } = await ask(2, 'tools/list', {});
if (tools.length < 5) fail(`it offers ${tools.length} tools`);
waiting.clear();
child.stdin.end();
const { code } = await ended;
if (code !== 0) fail(`it ended with ${code} when its input was closed`);
clearTimeout(patience);
console.log(`${command}: neon-mcp ${serverInfo.version}, ${tools.length} tools`);
