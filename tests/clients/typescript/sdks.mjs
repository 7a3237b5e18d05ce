// The two generations of the official TypeScript SDK, each behind the same few functions.

import * as modern from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { AjvJsonSchemaValidator as ModernValidator } from '@modelcontextprotocol/client/validators/ajv';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { AjvJsonSchemaValidator as LegacyValidator } from '@modelcontextprotocol/sdk/validation/ajv';

const IDENTITY = { name: 'official-typescript-sdk', version: '1' };

/** What every request shows: the token of a server over HTTP. */
const shown = ({ token }) => ({ requestInit: { headers: { Authorization: `Bearer ${token}` } } });

/** `@modelcontextprotocol/sdk`: one era. It declares elicitation in the older way, with no mode named. */
export const sdk = {
  validator: () => new LegacyValidator(),
  async connect(server, human) {
    const client = new LegacyClient(IDENTITY, { capabilities: human ? { elicitation: {} } : {} });
    if (human) client.setRequestHandler(ElicitRequestSchema, ({ params }) => human(params));
    const transport = server.url ? new LegacyHttp(new URL(server.url), shown(server)) : new LegacyStdio(server);
    // The client tells its transport what was negotiated, and nobody else.
    let version;
    const told = transport.setProtocolVersion?.bind(transport);
    transport.setProtocolVersion = (negotiated) => {
      version = negotiated;
      told?.(negotiated);
    };
    return connected(client, transport, () => version, (params, options) => client.callTool(params, undefined, options));
  },
};

/** `@modelcontextprotocol/client`: both eras, the older one unless it is told to look. */
export const client = (mode) => ({
  validator: () => new ModernValidator(),
  async connect(server, human) {
    const capabilities = human ? { elicitation: { form: {} } } : {};
    const client = new modern.Client(IDENTITY, { capabilities, ...(mode && { versionNegotiation: { mode } }) });
    if (human) client.setRequestHandler('elicitation/create', ({ params }) => human(params));
    const transport =
      server.url ? new modern.StreamableHTTPClientTransport(new URL(server.url), shown(server)) : new ModernStdio(server);
    const version = () => client.getNegotiatedProtocolVersion();
    return connected(client, transport, version, (params, options) => client.callTool(params, options));
  },
});

async function connected(client, transport, version, callTool) {
  // What the SDK meets and can't make sense of, it reports here, not to the caller.
  const complaints = [];
  client.onerror = (error) => complaints.push(String(error));
  await client.connect(transport);
  return {
    client,
    complaints,
    version: version(),
    callTool,
    async close() {
      if (transport.sessionId) await transport.terminateSession();
      await client.close();
    },
  };
}
