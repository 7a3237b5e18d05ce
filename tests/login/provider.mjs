// A real OpenID provider on loopback (oidc-provider), and a small Neon behind it that takes its access tokens alone.

import { once } from 'node:events';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const SCOPES = ['offline', ...['create', 'read', 'update', 'delete'].map((right) => `urn:neoncloud:projects:${right}`),
  ...['create', 'read', 'update', 'delete', 'permission'].map((right) => `urn:neoncloud:orgs:${right}`)];

const LONG = 3600;

/** Starts one that ends with the test. */
export async function start(t) {
  const world = { lifetime: LONG, renewals: 0, refusals: 0, isAway: false };
  let provider;
  const server = createServer((request, response) => {
    if (request.url.startsWith('/api/v2/')) return api(provider, request, response);
    if (world.isAway) return request.socket.destroy();
    return provider.callback()(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  world.origin = `http://127.0.0.1:${server.address().port}`;
  provider = new Provider(world.origin, {
    clients: [{
      client_id: 'neonctl',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    }],
    scopes: ['openid', 'offline_access', ...SCOPES],
    claims: { openid: ['sub', 'email', 'name'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, email: `${sub}@example.com`, name: 'Ada L' }) }),
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    ttl: { AccessToken: () => world.lifetime, IdToken: LONG, RefreshToken: LONG, Grant: LONG, Session: LONG, Interaction: LONG },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    cookies: { keys: ['a key of the tests'] },
    jwks: undefined,
  });
  // The person says yes to whatever is asked.
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
    if (prompt.name === 'login') {
      return provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: 'ada' } });
    }
    const grant = (grantId && (await provider.Grant.find(grantId))) ||
      new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    return provider.interactionFinished(ctx.req, ctx.res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
  });
  const isRenewal = (ctx) => ctx.oidc.params?.grant_type === 'refresh_token';
  provider.on('grant.success', (ctx) => isRenewal(ctx) && world.renewals++);
  provider.on('grant.error', (ctx) => isRenewal(ctx) && world.refusals++);
  return Object.assign(world, { provider, server });
}

async function api(provider, request, response) {
  const json = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const token = await provider.AccessToken.find(request.headers.authorization?.replace('Bearer ', '') ?? '');
  if (!token) return json(401, { code: '', message: 'this token does not count' });
  const id = token.accountId;
  switch (new URL(request.url, 'http://x').pathname) {
    case '/api/v2/users/me':
      return json(200, { id, email: `${id}@example.com`, name: 'Ada', last_name: 'L', login: id });
    case '/api/v2/users/me/organizations':
      return json(200, { organizations: [{ id: 'org-quiet-sun-12345678', name: 'house' }] });
    case '/api/v2/projects':
      return json(200, { projects: [{ id: 'quiet-sun-12345678', name: 'shop', org_id: 'org-quiet-sun-12345678', region_id: 'aws-us-east-1', created_at: '2026-01-01T00:00:00Z' }] });
    default:
      return json(404, { code: '', message: 'not found' });
  }
}

/** A browser whose person signs in: where the provider sends it then. */
export async function browse(page) {
  const jar = new Map();
  let address = new URL(page);
  for (let hops = 0; hops < 20; hops++) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(address, { redirect: 'manual', headers: { cookie } });
    for (const set of answer.headers.getSetCookie()) {
      const [name, value] = set.split(';', 1)[0].split(/=(.*)/s);
      if (value) jar.set(name, value);
      else jar.delete(name);
    }
    const location = answer.headers.get('location');
    if (!location) throw new Error(`${address} answered ${answer.status}: ${await answer.text()}`);
    address = new URL(location, address);
    if (address.pathname === '/callback') return address;
  }
  throw new Error('the provider goes in a circle');
}
