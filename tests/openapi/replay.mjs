// Sends the requests that our tools sent to Prism, a validator that isn't ours, and counts what it finds wrong.
//
//   node replay.mjs PRISM_URL REQUESTS_FILE
//
// Prism tells what breaks Neon's OpenAPI file in a header of its answer. It also validates its own answers, which are made from
// the file's examples: what is wrong there is the file's, and only counted.
import { readFileSync } from "node:fs";
import process from "node:process";

const [, , prism, file] = process.argv;

// What Prism is wrong about: exactly these, each with its reason; one that doesn't happen any more is an error.
const PRISM_IS_WRONG = [
  {
    call: "update_auth_email_provider all",
    says: "request.body: Request body must match exactly one schema in oneOf",
    because: "the file tells the variants apart by a discriminator, which Prism doesn't look at: a whole one fits both",
  },
];

const unsent = ["host", "content-length", "connection", "accept-encoding", "transfer-encoding"];

/** What Prism says of a request, and how much of its own answer it finds wrong. */
async function ask({ method, target, headers, body }) {
  const answer = await fetch(prism + target, {
    method,
    headers: headers.filter(([name]) => !unsent.includes(name)),
    body: body === "" ? undefined : Buffer.from(body, "base64"),
  });
  const text = await answer.text();
  const violations = JSON.parse(answer.headers.get("sl-violations") ?? "[]");
  const ours = violations.filter(({ location }) => location[0] !== "response");
  const found = ours.map(({ location, message }) => `${location.join(".")}: ${message}`);
  // Without a violation in words, an answer that isn't one of success is a request that Prism didn't even validate.
  if (violations.length === 0 && answer.status >= 400) found.push(`status ${answer.status}: ${text}`);
  return { found, examples: violations.length - ours.length };
}

// A Prism that finds nothing would find nothing wrong.
const wrong = Buffer.from(JSON.stringify({ project: { pg_version: "new" } })).toString("base64");
const json = [["content-type", "application/json"], ["authorization", "Bearer x"]];
const probes = [
  { method: "POST", target: "/projects", headers: json, body: wrong },
  { method: "GET", target: "/projects?limit=none", headers: json, body: "" },
  { method: "GET", target: "/nothing", headers: json, body: "" },
];
for (const probe of probes) {
  const { found } = await ask(probe);
  if (found.length === 0) {
    console.log(`Prism finds nothing wrong with ${probe.method} ${probe.target}, and there is`);
    process.exit(1);
  }
}

const lines = readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const newer = new Set();
const tools = new Set();
const calls = new Set();
const known = new Set();
let [requests, violations, examples] = [0, 0, 0];

for (const request of lines) {
  const { call, tool, method, target } = request;
  if (request.newer) {
    newer.add(tool);
    continue;
  }
  tools.add(tool);
  calls.add(call);
  requests += 1;
  const answer = await ask(request);
  examples += answer.examples;
  for (const what of answer.found) {
    const entry = PRISM_IS_WRONG.find((entry) => entry.call === call && entry.says === what);
    if (entry) {
      known.add(entry);
      continue;
    }
    violations += 1;
    console.log(`${call}: ${method} ${target}\n  ${what}`);
  }
}

const stale = PRISM_IS_WRONG.filter((entry) => !known.has(entry));
for (const { call, says } of stale) console.log(`Prism doesn't say of ${call} any more: ${says}`);
for (const { call, says, because } of known) console.log(`Prism is wrong about ${call} (${says}): ${because}`);
console.log(`${newer.size} tools of operations newer than the file, not validated: ${[...newer].join(", ")}`);
console.log(`${examples} of the file's own examples break the file`);
console.log(`${tools.size} tools, ${calls.size} calls, ${requests} requests, ${violations} violations`);
process.exit(requests === 0 || violations > 0 || stale.length > 0 ? 1 : 0);
