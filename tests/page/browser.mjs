// Chromium, as a person has it: a profile that is new and empty, and JavaScript off unless a check needs it.

import { createServer } from 'node:http';
import { once } from 'node:events';

import { chromium } from 'playwright-core';

const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const LOOKS = [
  ['wide', { width: 1200, height: 960 }],
  ['narrow', { width: 320, height: 740 }],
];

export class Browser {
  #chromium;

  static async start() {
    const browser = new Browser();
    browser.#chromium = await chromium.launch({
      executablePath: process.env.CHROMIUM,
      args: FLAGS,
      // Chromium can't confine itself as root.
      chromiumSandbox: process.getuid() !== 0,
    });
    return browser;
  }

  async stop() {
    await this.#chromium?.close();
  }

  /** A page in a context of its own, which ends with the test. `page.said` is what the console says. */
  async page(t, options = {}) {
    const context = await this.#chromium.newContext({ javaScriptEnabled: false, colorScheme: 'light', ...options });
    t.after(() => context.close());
    context.setDefaultTimeout(20_000);
    return this.tab(await context.newPage());
  }

  /** Another tab beside a page. */
  async beside(page) {
    return this.tab(await page.context().newPage());
  }

  tab(page) {
    page.said = [];
    page.on('console', (message) => page.said.push(message.text()));
    page.on('pageerror', (error) => page.said.push(String(error)));
    return page;
  }
}

/** Screenshots: 1200 and 320 pixels wide, light and dark. */
export async function shoot(page, name) {
  for (const [device, size] of LOOKS) {
    await page.setViewportSize(size);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${name}-${device}-${colorScheme}.png`, fullPage: true });
    }
  }
  await page.setViewportSize(LOOKS[0][1]);
  await page.emulateMedia({ colorScheme: 'light' });
}

/** Serves one page of HTML on another port of this machine, until the test ends: its port. */
export async function elsewhere(t, html) {
  const server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(html));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server.address().port;
}
