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

  /** An agent waits for a yes to the deletion of a branch. */
  async function waiting(t, name = 'goes', agent = undefined) {
    const server = await Server.start(t, agent);
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

  /** An agent waits for a yes to the deletion of a whole project. */
  async function severe(t) {
    const server = await Server.start(t);
    const args = { project_id: await server.project('till') };
    const call = await server.waits('delete_project', args);
    return { server, ...call, again: () => server.call('delete_project', args) };
  }

  const secret = (page) => page.getByLabel(/^The secret/);
  const name = (page) => page.getByLabel(/^To approve, type the name/);
  const alert = (page) => page.getByRole('alert');
  const heading = (page) => page.getByRole('heading').textContent();

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
    assert.match(await answer.text(), /<h1>Approve\?<\/h1>/);
  }

  async function assertRuns(again) {
    const [value, isError] = await again();
    assert.equal(isError, false, JSON.stringify(value));
    assert.equal(value.confirmed_by, 'page');
  }

  test('a yes lets the call run once', async (t) => {
    const call = await waiting(t);
    const page = await browser.page(t);
    const response = await page.goto(call.url);
    assert.equal(response.status(), 200);
    assert.equal(await page.title(), 'neon-mcp: Approve?');
    const plan = await page.locator('pre').innerText();
    for (const shown of ['Delete branch "goes"', 'of project "shop"', 'Effect: destructive.', 'Parent: "main"', 'Way back: ', 'Request: DELETE ']) {
      assert.ok(plan.includes(shown), plan);
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
    assert.match(await page.locator('pre').innerText(), /Effect: destructive, severe\b/);
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
      assert.ok((await page.locator('pre').innerText()).includes(`${JSON.stringify(HTML)} (br-`));
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
    for (const typed of ['till', call.secret, '', '']) {
      await page.keyboard.press('Tab');
      order.push(await focused());
      await page.keyboard.type(typed);
    }
    assert.deepEqual(order, ['name', 'secret', 'reject', 'approve']);
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
