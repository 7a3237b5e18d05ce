// A person decides on the approval page, in Chromium without JavaScript, what an agent's call does.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Browser, elsewhere, shoot } from './browser.mjs';
import { Server } from './server.mjs';

const HTML = `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>`;
const VIOLATION = /Content Security Policy/;

describe('the approval page', { timeout: 300_000, concurrency: 3 }, () => {
  let browser;

  before(async () => {
    browser = await Browser.start();
  });

  after(async () => {
    await browser?.stop();
  });

  /** An agent waits for approval of the deletion of a branch. */
  async function waiting(t, name = 'goes', agent = undefined, variables = {}) {
    const server = await Server.start(t, agent, variables);
    const project = await server.project('shop');
    const args = { project_id: project, branch_id: await server.branch(project, name) };
    const call = await server.waits('delete_branch', args);
    return {
      server,
      project,
      branch: args.branch_id,
      ...call,
      again: () => server.call('delete_branch', args),
      stays: async () => assert.deepEqual(await server.branches(project), [name, 'main'].sort()),
      /** Nothing was decided: the page still asks, and the agent is still told to wait. */
      async undecided() {
        await assertAsks(call.url);
        assertError(await this.again(), 'requires_approval');
        await this.stays();
      },
    };
  }

  /** An agent waits for approval of the deletion of a whole project. */
  async function severe(t) {
    const server = await Server.start(t);
    const args = { project_id: await server.project('till') };
    const call = await server.waits('delete_project', args);
    return { server, ...call, again: () => server.call('delete_project', args) };
  }

  const secret = (page) => page.getByLabel(/^The secret/);
  const name = (page) => page.getByLabel(/^To approve, type the name/);
  /** The whole plan, which is folded. */
  async function plan(page) {
    await page.getByText('All details').click();
    return page.locator('pre').first().innerText();
  }

  const alert = (page) => page.getByRole('alert');
  const heading = (page) => page.getByRole('heading', { level: 1 }).textContent();

  /** Clicks a button, and waits for what the server answers: its status. */
  async function click(page, button) {
    const answered = page.waitForResponse((response) => response.request().method() === 'POST');
    await page.getByRole('button', { name: button, exact: true }).click();
    const response = await answered;
    await page.waitForLoadState();
    return response.status();
  }

  /** Opens the page, types the secret, approves. */
  async function approve(page, call) {
    await page.goto(call.url);
    await secret(page).fill(call.secret);
    assert.equal(await click(page, 'Approve'), 303);
    await page.getByRole('heading', { name: 'Approved' }).waitFor();
  }

  function assertError([value, isError], kind) {
    assert.deepEqual([isError, value.error?.kind, value.error?.changed], [true, kind, 'no'], JSON.stringify(value));
  }

  async function assertAsks(url) {
    const answer = await fetch(url);
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), /<button[^>]* value="approve"/);
  }

  async function assertRuns(again) {
    const [value, isError] = await again();
    assert.equal(isError, false, JSON.stringify(value));
    assert.equal(value.approved_by, 'page');
  }

  test('approval lets the call run once', async (t) => {
    const call = await waiting(t);
    const page = await browser.page(t);
    const response = await page.goto(call.url);
    assert.equal(response.status(), 200);
    assert.equal(await page.title(), 'neon-mcp: Approve?');
    assert.match(await heading(page), /^Delete branch "goes"/, 'what is lost comes first');
    const text = await plan(page);
    for (const shown of ['Delete branch "goes"', 'of project "shop"', 'Effect: destructive.', 'Parent: "main"', 'Way back: ', 'Request: DELETE ']) {
      assert.ok(text.includes(shown), text);
    }
    assert.ok(await page.getByText('It is a client over http that calls itself "page-test 1" that wants to call delete_branch.').isVisible());
    await shoot(page, 'plan');
    await secret(page).fill(call.secret);
    assert.equal(await click(page, 'Approve'), 303);
    await page.getByText('It counts until').waitFor();
    assert.equal(await heading(page), 'Approved');
    assert.equal(page.url(), call.url, 'the secret stays out of the address');
    assert.ok(!(await page.content()).includes(call.secret));
    await shoot(page, 'approved');
    await call.stays();
    await assertRuns(call.again);
    assert.deepEqual(await call.server.branches(call.project), ['main']);
    assert.deepEqual(await call.server.deletions(call.project), [call.branch]);
    assert.deepEqual(page.said, []);
  });

  test('a no is told to the agent', async (t) => {
    const call = await waiting(t);
    const page = await browser.page(t);
    await page.goto(call.url);
    await secret(page).fill(call.secret);
    assert.equal(await click(page, 'Reject'), 303);
    await page.getByText('Nothing was sent to Neon.').waitFor();
    assert.equal(await heading(page), 'Rejected');
    await shoot(page, 'rejected');
    assertError(await call.again(), 'rejected');
    await call.stays();
    assert.deepEqual(await call.server.deletions(call.project), []);
    assert.deepEqual(page.said, []);
  });

  test('what is severe wants its name typed', async (t) => {
    const call = await severe(t);
    const page = await browser.page(t);
    await page.goto(call.url);
    assert.match(await plan(page), /Effect: destructive, severe\b/);
    assert.ok(await page.getByText(/^Effect: destructive, severe\b/).first().isVisible());
    for (const [typed, left] of [['tills', 4], ['', 3]]) {
      await name(page).fill(typed);
      await secret(page).fill(call.secret);
      assert.equal(await click(page, 'Approve'), 422);
      assert.equal(await alert(page).textContent(), `Not decided: that is not the name of the project: ${left} tries are left.`);
      if (typed) await shoot(page, 'wrong-name');
      await assertAsks(call.url);
    }
    assertError(await call.again(), 'requires_approval');
    assert.deepEqual(await call.server.projects(), ['till']);
    await name(page).fill('till');
    await secret(page).fill(call.secret);
    assert.equal(await click(page, 'Approve'), 303);
    await page.getByText('It counts until').waitFor();
    assert.equal(await heading(page), 'Approved');
    await assertRuns(call.again);
    assert.deepEqual(await call.server.projects(), []);
  });

  test('a wrong secret decides nothing, and neither does none', async (t) => {
    const call = await waiting(t);
    const page = await browser.page(t);
    const posts = [];
    page.on('request', (request) => request.method() === 'POST' && posts.push(request));
    await page.goto(call.url);
    for (const button of ['Approve', 'Reject']) {
      await page.getByRole('button', { name: button, exact: true }).click();
      assert.equal(await page.locator('input:invalid:focus').getAttribute('name'), 'secret', 'the browser asks for it');
    }
    assert.deepEqual(posts, []);
    for (const [button, left] of [['Approve', 4], ['Reject', 3]]) {
      await secret(page).fill('a guess');
      assert.equal(await click(page, button), 403);
      assert.equal(await alert(page).textContent(), `Not decided: that is not the secret that was given out for it: ${left} tries are left.`);
      assert.equal(await secret(page).inputValue(), '');
      await call.undecided();
    }
    await shoot(page, 'wrong-secret');
  });

  test('no other page decides, even with the secret', async (t) => {
    const call = await waiting(t);
    const form = (decision) => `
      <form method="post" action="${call.url}">
        <input type="hidden" name="secret" value="${call.secret}">
        <button name="decision" value="${decision}">${decision}</button>
      </form>`;
    const forms = ['approve', 'reject'].map(form).join('');
    // The other page's host, and what it tells of itself.
    for (const [host, policy, origin] of [
      ['127.0.0.1', 'unsafe-url', /^http:\/\/127\.0\.0\.1:/],
      ['localhost', 'unsafe-url', /^http:\/\/localhost:/],
      ['127.0.0.1', 'no-referrer', /^null$/],
    ]) {
      const port = await elsewhere(t, `<!DOCTYPE html><meta name="referrer" content="${policy}">${forms}`);
      for (const decision of ['approve', 'reject']) {
        const page = await browser.page(t);
        await page.goto(`http://${host}:${port}/`);
        const sent = page.waitForRequest(call.url);
        assert.equal(await click(page, decision), 403);
        assert.match((await (await sent).allHeaders()).origin, origin);
        assert.equal(await heading(page), 'Not from here');
        await assertAsks(call.url);
      }
      await call.undecided();
    }
    const framing = await browser.page(t);
    const port = await elsewhere(t, `<!DOCTYPE html><iframe src="${call.url}"></iframe>`);
    await framing.goto(`http://127.0.0.1:${port}/`);
    assert.equal(await framing.frameLocator('iframe').getByRole('button', { name: 'Approve' }).count(), 0);
    await call.undecided();
    assert.deepEqual(await call.server.deletions(call.project), []);
  });

  test('the page decides under each name of this machine', async (t) => {
    const call = await waiting(t);
    await approve(await browser.page(t), { ...call, url: call.url.replace('127.0.0.1', 'localhost') });
    await assertRuns(call.again);
  });

  test('names show as text', async (t) => {
    const call = await waiting(t, HTML, '<b>agent</b>');
    for (const javaScriptEnabled of [false, true]) {
      const page = await browser.page(t, { javaScriptEnabled });
      await page.goto(call.url);
      assert.ok((await plan(page)).includes(`${JSON.stringify(HTML)} (br-`));
      assert.ok(await page.getByText('calls itself "<b>agent</b> 1" that wants to call').isVisible());
      assert.equal(await page.locator('img, script, b').count(), 0);
      assert.equal(await page.title(), 'neon-mcp: Approve?');
      if (!javaScriptEnabled) await shoot(page, 'html-name');
      assert.deepEqual(page.said, []);
    }
  });

  test('the style applies, nothing else does, and a phone shows it whole', async (t) => {
    const call = await severe(t);
    const page = await browser.page(t, { javaScriptEnabled: true, viewport: { width: 360, height: 740 } });
    await page.goto(call.url);
    const look = await page.evaluate(() => {
      const style = (what) => getComputedStyle(document.querySelector(what));
      return [style('pre').whiteSpaceCollapse, style('.severe').borderLeftWidth, style('input').display, style('body').paddingLeft];
    });
    assert.deepEqual(look, ['preserve', '6px', 'block', '16px']);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it scrolls sideways');
    assert.deepEqual(page.said, []);
    // A style, a script or an image of another would be told in the console.
    for (const other of ['<style>pre{color:red}</style>', '<img src="/x.png">', '<p style="color:red">']) {
      const told = page.waitForEvent('console', (message) => VIOLATION.test(message.text()));
      await page.evaluate((html) => document.body.insertAdjacentHTML('beforeend', html), other);
      await told;
    }
  });

  for (const colorScheme of ['light', 'dark']) {
    test(`every text can be read, ${colorScheme}`, async (t) => {
      const call = await severe(t);
      const page = await browser.page(t, { javaScriptEnabled: true, colorScheme });
      await page.goto(call.url);
      await name(page).fill('tills');
      await secret(page).fill(call.secret);
      assert.equal(await click(page, 'Approve'), 422);
      await page.locator('summary').first().click();
      const texts = await page.evaluate(() => {
        const channels = (color) => {
          // A color is whatever the browser paints for it: `light-dark()` and names included.
          const pixel = new OffscreenCanvas(1, 1).getContext('2d');
          pixel.fillStyle = color;
          pixel.fillRect(0, 0, 1, 1);
          return [...pixel.getImageData(0, 0, 1, 1).data];
        };
        // WCAG 2.2, relative luminance and contrast ratio.
        const luminance = ([red, green, blue]) => {
          const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
          return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
        };
        const ground = (element) => {
          const color = channels(getComputedStyle(element).backgroundColor);
          return color[3] === 255 || !element.parentElement ? color : ground(element.parentElement);
        };
        const told = [...document.querySelectorAll('main *')].filter(
          (element) => element.checkVisibility() && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()),
        );
        return told.map((element) => {
          const [one, other] = [luminance(channels(getComputedStyle(element).color)), luminance(ground(element))];
          return [element.textContent.trim().slice(0, 40), (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
        });
      });
      assert.ok(texts.length > 12, JSON.stringify(texts));
      for (const [text, contrast] of texts) assert.ok(contrast >= 4.5, `${text}: ${contrast}`);
      console.log(`lowest contrast, ${colorScheme}: ${Math.min(...texts.map(([, contrast]) => contrast)).toFixed(2)}`);
      // Yes and no are told apart without their colours: one is filled, the other isn't.
      const filled = (button) =>
        page.getByRole('button', { name: button, exact: true }).evaluate((button) => getComputedStyle(button).backgroundColor);
      assert.equal(await filled('Reject'), 'rgba(0, 0, 0, 0)');
      assert.notEqual(await filled('Approve'), 'rgba(0, 0, 0, 0)');
      for (const width of [320, 600, 1200]) {
        await page.setViewportSize({ width, height: 800 });
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `it scrolls sideways at ${width}`);
      }
    });
  }

  test('it says where the secret is, counts down, and tells local times', async (t) => {
    const call = await waiting(t, 'goes', undefined, { TZ: 'IST-5:30' });
    const page = await browser.page(t, { javaScriptEnabled: true });
    await page.goto(call.url);
    assert.ok(await page.getByText(/^Sandbox: /).isVisible());
    const where = await secret(page).getAttribute('aria-describedby');
    assert.ok((await page.locator(`#${where}`).innerText()).includes(call.code), 'the line is found by the code');
    const time = page.locator('.timer time');
    assert.match(await time.textContent(), /^\d\d:\d\d:\d\d \(UTC\+05:30\)$/);
    const until = new Date(await time.getAttribute('datetime'));
    const left = () => page.locator('.left').evaluate((timer) => Number(getComputedStyle(timer).getPropertyValue('--left')));
    const first = await left();
    assert.ok(Math.abs((until - Date.now()) / 1_000 - first) <= 3, `${first} s are shown`);
    await page.waitForTimeout(2_500);
    const second = await left();
    assert.ok(second < first && second >= first - 4, `${first}, then ${second}`);
    assert.equal(await page.locator('.timer [aria-hidden=true]').count(), 1, 'nobody is read each second');
    // It looks again when its time is over.
    const refresh = Number(await page.locator('meta[http-equiv=refresh]').getAttribute('content'));
    assert.ok(refresh > first && refresh <= first + 5, `${refresh}`);
    assert.deepEqual(page.said, []);
  });

  test('going back and reloading approve nothing else', async (t) => {
    const server = await Server.start(t);
    const project = await server.project('shop');
    const [first, second] = [await server.branch(project, 'first'), await server.branch(project, 'second')];
    const args = (branch) => ({ project_id: project, branch_id: branch });
    const call = await server.waits('delete_branch', args(first));
    const page = await browser.page(t);
    await page.goto('about:blank');
    await approve(page, call);

    // Before the call is repeated: the page looks again, and shows what was decided.
    await page.reload();
    await page.getByText('It counts until').waitFor();
    assert.equal(await heading(page), 'Approved');
    await assertRuns(() => server.call('delete_branch', args(first)));

    // Afterwards another call waits: neither the form again, nor the way back touches it.
    const other = await server.waits('delete_branch', args(second));
    assert.notEqual(other.url, call.url);
    assert.notEqual(other.secret, call.secret);
    await page.reload();
    assert.equal(await heading(page), 'Nothing waits here');
    await page.goBack();
    assert.equal(await page.getByRole('button').count(), 0);
    await assertAsks(other.url);
    // The old secret is none for the new call.
    await page.goto(other.url);
    await secret(page).fill(call.secret);
    assert.equal(await click(page, 'Approve'), 403);
    assert.deepEqual(await server.branches(project), ['main', 'second']);
    await assertAsks(other.url);
    assert.deepEqual(await server.deletions(project), [first]);
  });

  test('no plan is shown that is out of date', async (t) => {
    const call = await waiting(t);
    const page = await browser.page(t);
    const response = await page.goto(call.url);
    assert.equal(response.headers()['cache-control'], 'no-store');
    await secret(page).fill('half a secret');
    await page.goto(call.url.replace(call.code, 'BBBB-BBBB'));
    assert.equal(await heading(page), 'Nothing waits here');
    await approve(await browser.beside(page), call);
    await page.goBack();
    assert.equal(await heading(page), 'Approved');
    assert.equal(await page.getByRole('button').count(), 0);
    await assertRuns(call.again);
    await page.goForward();
    await page.goBack();
    assert.equal(await heading(page), 'Nothing waits here', 'it was used');
  });

  test('a form that was left open decides nothing that was decided', async (t) => {
    const call = await waiting(t);
    const page = await browser.page(t);
    await page.goto(call.url);
    const beside = await browser.beside(page);
    await beside.goto(call.url);
    await secret(beside).fill(call.secret);
    assert.equal(await click(beside, 'Reject'), 303);
    await secret(page).fill(call.secret);
    assert.equal(await click(page, 'Approve'), 409);
    await page.getByText('Nothing was sent to Neon.').waitFor();
    assert.equal(await heading(page), 'Rejected');
    assertError(await call.again(), 'rejected');
  });

  test('by keyboard alone: name, secret, Reject, Approve', async (t) => {
    const call = await severe(t);
    const page = await browser.page(t);
    await page.goto(call.url);
    const focused = async () => {
      const on = page.locator(':focus');
      return (await on.getAttribute('value')) ?? (await on.getAttribute('name'));
    };
    const order = [];
    for (const typed of ['', 'till', call.secret, '', '']) {
      await page.keyboard.press('Tab');
      order.push(await focused());
      await page.keyboard.type(typed);
    }
    assert.deepEqual(order, [null, 'name', 'secret', 'reject', 'approve'], 'the fold first');
    await page.keyboard.press('Space');
    await page.getByRole('heading', { name: 'Approved' }).waitFor();
    await assertRuns(call.again);
    assert.deepEqual(await call.server.projects(), []);
  });

  for (const field of ['name', 'secret']) {
    test(`Enter in the field of the ${field} decides nothing`, async (t) => {
      const call = await severe(t);
      const page = await browser.page(t);
      await page.goto(call.url);
      await name(page).fill('till');
      await secret(page).fill(call.secret);
      const posted = page.waitForRequest((request) => request.method() === 'POST', { timeout: 1_000 }).catch(() => undefined);
      await page.locator(`input[name=${field}]`).press('Enter');
      assert.equal(await posted, undefined, 'nothing is sent');
      assertError(await call.again(), 'requires_approval');
      assert.deepEqual(await call.server.projects(), ['till']);
    });
  }
});
