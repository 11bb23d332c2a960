// Drives Chromium for package browser: reads commands from standard input, one
// JSON object a line, and answers each with one on standard output. It ends, and
// the browser with it, when standard input does.
//
// Arguments: the directory of playwright-core, the script of axe-core, the path of
// Chromium.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [library, axePath, executablePath] = process.argv.slice(2);
const { chromium } = createRequire(import.meta.url)(library);
const axe = readFileSync(axePath, 'utf8');

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
    // Tests make their certificates themselves.
    '--ignore-certificate-errors'],
});

// Longer than anything takes on a machine that is busy with other tests.
const timeout = 20_000;

/** visitors are the people at the browser, each with cookies of his own. */
const visitors = new Map();

/** Runs in every frame before its own scripts: tells of what the policy blocks, and
 * of a payload that runs, which sets __fired. */
function watch() {
  document.addEventListener('securitypolicyviolation', (e) => {
    window.reportViolation(`${e.violatedDirective} blocks ${e.blockedURI || e.sourceFile}`);
  });
  Object.defineProperty(window, '__fired', { set: (value) => window.reportFired(String(value)) });
}

const named = (name) => `[name=${JSON.stringify(name)}]`;
const valued = (name, value) => named(name) + (value ? `[value=${JSON.stringify(value)}]` : '');

/** Visitor is one of them, with one page. What goes wrong on pages of the
 * watched site is collected. */
class Visitor {
  static async come({ site, scripts, like }) {
    const v = new Visitor();
    v.site = site;
    v.scripts = scripts;
    v.problems = [];
    v.requests = [];
    v.fragments = 0; // that have arrived
    v.bodies = []; // of the page and the fragments that came into it
    v.bytes = 0;
    v.context = await browser.newContext({
      javaScriptEnabled: scripts,
      reducedMotion: 'reduce',
      storageState: like ? await visitors.get(like).context.storageState() : undefined,
    });
    v.context.setDefaultTimeout(timeout);
    await v.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: site });
    if (scripts) {
      await v.context.exposeBinding('reportViolation', ({ frame }, what) => v.report(frame, `content security policy: ${what}`));
      await v.context.exposeBinding('reportFired', (_, what) => v.problems.push(`a payload ran: ${what}`));
      await v.context.addInitScript(watch);
    }
    v.context.on('page', (page) => v.attend(page));
    v.page = await v.context.newPage();
    await v.weigh();
    return v;
  }

  /** Collects what happens on a page, which may be a window that a page opened. */
  attend(page) {
    const main = page.mainFrame();
    page.on('pageerror', (error) => this.report(main, `script: ${error}`));
    page.on('dialog', async (dialog) => {
      if (dialog.type() !== 'beforeunload') {
        this.problems.push(`a script ran: ${dialog.type()}(${JSON.stringify(dialog.message())})`);
      }
      await dialog.accept();
    });
    page.on('console', (message) => {
      // That something did not load is judged by its answer.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        this.report(main, `console: ${message.text()}`, message.location().url);
      }
    });
    page.on('request', (request) => {
      this.requests.push(request.url());
      if (/^(https?|wss?):/.test(request.url()) && !this.ours(request.url()) && !this.moves(request)) {
        this.report(main, `request to ${request.url()}`);
      }
    });
    page.on('requestfailed', (request) => {
      const why = request.failure()?.errorText ?? 'it failed';
      // That a page was left before it had everything is no fault of its.
      if (why !== 'net::ERR_ABORTED') {
        this.report(main, `${request.url()}: ${why}`, request.url());
      }
    });
    page.on('response', (response) => {
      const request = response.request();
      const fragment = request.headers()['hx-request'] === 'true';
      const move = this.moves(request);
      if (move) {
        this.status = response.status();
        this.bodies = [];
      } else if (response.status() >= 400) {
        this.report(main, `${response.status()} ${response.url()}`, response.url());
      }
      if ((move || fragment) && (response.status() < 300 || response.status() >= 400)) {
        this.bodies.push(response.text().catch((error) => `cannot be read: ${error.message}`));
      }
    });
    page.on('requestfinished', (request) => {
      if (request.headers()['hx-request'] === 'true') {
        this.fragments++;
      }
    });
  }

  /** Counts bytes as they come over the wire, headers included, page by page. */
  async weigh() {
    const session = await this.context.newCDPSession(this.page);
    await session.send('Network.enable');
    session.on('Network.requestWillBeSent', ({ type, requestId, loaderId, redirectResponse }) => {
      if (redirectResponse) {
        this.bytes += redirectResponse.encodedDataLength;
      } else if (type === 'Document' && requestId === loaderId) {
        this.bytes = 0;
      }
    });
    session.on('Network.loadingFinished', ({ encodedDataLength }) => { this.bytes += encodedDataLength; });
  }

  ours(url) {
    return url.startsWith(`${this.site}/`);
  }

  moves(request) {
    return request.isNavigationRequest() && request.frame() === this.page?.mainFrame();
  }

  /** Takes down what went wrong in a frame of the site, or with an address of it. */
  report(frame, what, url = '') {
    const page = frame.page().url();
    if ([page, frame.url(), url].some((u) => this.ours(u))) {
      this.problems.push(`${url || page}: ${what}`);
    }
  }

  state() {
    return { url: this.page.url(), status: this.status };
  }

  /** Does what leads to another page, and waits for it. */
  async leads(act) {
    await Promise.all([this.page.waitForNavigation(), act()]);
    return this.state();
  }

  target(name) {
    const exact = { name, exact: true };
    return this.page.getByRole('link', exact).or(this.page.getByRole('button', exact));
  }

  // The commands.

  async go({ url }) {
    await this.page.goto(url);
    return this.state();
  }

  async reload() {
    await this.page.reload();
    return this.state();
  }

  async back() {
    await this.page.goBack();
    return this.state();
  }

  async forward() {
    await this.page.goForward();
    return this.state();
  }

  async where() {
    return this.state();
  }

  async fill({ name, value }) {
    await this.page.locator(`${named(name)}:visible`).fill(value);
  }

  async check({ name, value, on }) {
    await this.page.locator(valued(name, value)).setChecked(on);
  }

  async file({ name, path }) {
    await this.page.locator(`input[type=file]${named(name)}`).setInputFiles(path);
  }

  /** Opens what is folded behind a summary. */
  async unfold({ name }) {
    await this.page.locator('summary', { hasText: name }).click();
  }

  /** Clicks on the link or button and waits for the page behind it. */
  async click({ name }) {
    return this.leads(() => this.target(name).click());
  }

  /** Clicks on what a selector finds, and waits for the page behind it. */
  async clickon({ selector }) {
    return this.leads(() => this.page.locator(selector).click());
  }

  /** Clicks on the link or button, which leads to no other page. */
  async tap({ name }) {
    await this.target(name).click();
  }

  async tapon({ selector }) {
    await this.page.locator(selector).click();
  }

  async press({ key }) {
    await this.page.keyboard.press(key);
  }

  async pressthrough({ key }) {
    return this.leads(() => this.page.keyboard.press(key));
  }

  async type({ text }) {
    await this.page.keyboard.type(text);
  }

  async focused({ selector }) {
    await this.page.locator(selector).and(this.page.locator(':focus')).waitFor({ state: 'attached' });
  }

  /** Sends a form from a page of no site, as a page of a stranger would. */
  async post({ url, fields }) {
    await this.page.goto('about:blank');
    return this.submit({ url, fields });
  }

  /** Sends the form of the page with a button that it does not offer. */
  async force({ name, value }) {
    return this.leads(() => this.page.evaluate((button) => {
      const form = document.querySelector('main form[method=post]');
      form.append(Object.assign(document.createElement('input'), { type: 'hidden', ...button }));
      form.submit();
    }, { name, value }));
  }

  /** Asks for something as a script of the page would. */
  async ask({ method, url, headers, fields }) {
    return this.page.evaluate(async ([method, url, headers, fields]) => {
      const body = method === 'GET' ? undefined : new URLSearchParams(fields);
      const answer = await fetch(url, { method, headers, body });
      return { url: answer.url, status: answer.status, body: await answer.text() };
    }, [method, url, headers ?? {}, fields ?? {}]);
  }

  /** Returns where the page's links and searches lead to, and what forms change. */
  async exits() {
    return this.page.evaluate(() => {
      const forms = [...document.forms];
      return {
        links: [...new Set([...[...document.links].map((a) => a.href), ...forms.filter((f) => f.method === 'get').map((f) => f.action)])],
        changes: forms.filter((f) => f.method === 'post').map((f) => f.action),
      };
    });
  }

  /** Puts the visitor's clock into the hands of the test. It goes on by itself. */
  async clock() {
    await this.context.clock.install();
  }

  /** Lets time pass at once. */
  async pass({ seconds }) {
    await this.context.clock.fastForward(seconds * 1000);
  }

  /** Returns the page as it stands, with what is hidden in it. */
  async standing() {
    return this.page.content();
  }

  /** Sends a form. */
  async submit({ url, fields }) {
    return this.leads(() => this.page.evaluate(([action, values]) => {
      const form = Object.assign(document.createElement('form'), { method: 'post', action });
      for (const [name, value] of Object.entries(values)) {
        form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }));
      }
      document.body.append(form);
      form.submit();
    }, [url, fields]));
  }

  /** Waits until the page has this address, without its query. */
  async at({ url }) {
    await this.page.waitForURL((now) => now.origin + now.pathname === url);
    return this.state();
  }

  /** Waits until the page shows the text. */
  async shows({ text }) {
    await this.page.getByText(text).and(this.page.locator(':visible')).first().waitFor();
  }

  /** Waits until the page shows the text no longer. */
  async hides({ text }) {
    const found = this.page.getByText(text).and(this.page.locator(':visible'));
    await found.first().waitFor({ state: 'hidden' });
  }

  /** Waits until the selector finds something that is to be seen. */
  async finds({ selector }) {
    await this.page.locator(selector).and(this.page.locator(':visible')).first().waitFor();
  }

  async count({ selector }) {
    return this.page.locator(selector).and(this.page.locator(':visible')).count();
  }

  async offers({ name }) {
    return this.target(name).count();
  }

  async seen() {
    return this.fragments;
  }

  /** Waits until one more fragment than so many has come, and its place is taken. */
  async fragment({ seen }) {
    for (const began = Date.now(); this.fragments <= seen; await new Promise((next) => { setTimeout(next, 5); })) {
      if (Date.now() - began > timeout) {
        throw new Error('no fragment has come');
      }
    }
    await this.page.locator('.htmx-request, .htmx-swapping, .htmx-settling, .htmx-added').first().waitFor({ state: 'detached' });
  }

  async text() {
    return `${this.page.url()}\n${await this.page.title()}\n${await this.page.locator('body').innerText()}`;
  }

  /** Returns the text of the page and what stands in its fields. */
  async written() {
    const fields = await this.page.locator('input:not([type=hidden]):visible, textarea:visible')
      .evaluateAll((all) => all.map((field) => field.value));
    return [await this.page.locator('body').innerText(), ...fields];
  }

  async source() {
    return (await Promise.all(this.bodies)).join('\n');
  }

  async size() {
    await this.page.waitForLoadState('networkidle');
    return this.bytes;
  }

  async wide() {
    return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  }

  async viewport({ width, height }) {
    await this.page.setViewportSize({ width, height });
  }

  async scheme({ colorScheme }) {
    await this.page.emulateMedia({ colorScheme });
    if (this.scripts) { // colours may take a while to change
      await this.page.evaluate(() => Promise.allSettled(document.getAnimations().map((a) => a.finished)));
    }
  }

  async headers({ headers }) {
    await this.context.setExtraHTTPHeaders(headers);
  }

  async cookies({ url }) {
    return this.context.cookies(url);
  }

  async forget({ name }) {
    await this.context.clearCookies(name ? { name } : {});
  }

  async clipboard() {
    return this.page.evaluate(() => navigator.clipboard.readText());
  }

  async axe() {
    if (!this.scripts) {
      throw new Error('axe needs scripts');
    }
    await this.page.evaluate(axe);
    const { violations } = await this.page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
    return violations.map(({ id, impact, help, nodes }) => ({
      rule: id, impact, help, nodes: nodes.map(({ target, failureSummary }) => ({ target: target.join(' '), summary: failureSummary })),
    }));
  }

  async screenshot({ path, whole }) {
    await this.page.screenshot({ path, fullPage: whole });
  }

  async asked() {
    return this.requests;
  }

  async wrong() {
    return this.problems;
  }

  /** Returns what went wrong. */
  async leave() {
    await this.context.close();
    return this.problems;
  }
}

async function perform({ visitor, command, args }) {
  if (command === 'come') {
    visitors.set(visitor, await Visitor.come(args));
    return null;
  }
  const v = visitors.get(visitor);
  if (command === 'leave') {
    visitors.delete(visitor);
  }
  return v[command](args);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, ...request } = JSON.parse(line);
  perform(request).then(
    (result) => ({ id, result: result ?? null }),
    (error) => ({ id, error: error.message }),
  ).then((answer) => process.stdout.write(`${JSON.stringify(answer)}\n`));
}
await browser.close();
