// Drives Chromium for package browser: reads commands from standard input, one
// JSON object a line, and answers each with one on standard output. It ends, and
// the browser with it, when standard input does.
//
// Arguments: the directory of playwright-core, the path of Chromium.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [library, executablePath] = process.argv.slice(2);
const { chromium } = createRequire(import.meta.url)(library);

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

/** Visitor is one of them, with one page. What goes wrong on pages of the
 * watched site is collected. */
class Visitor {
  static async come({ site, scripts }) {
    const v = new Visitor();
    v.site = site;
    v.problems = [];
    v.context = await browser.newContext({ javaScriptEnabled: scripts });
    v.context.setDefaultTimeout(timeout);
    if (scripts) {
      await v.context.exposeBinding('reportViolation', ({ frame }, what) => v.report(frame.url(), `content security policy: ${what}`));
      await v.context.addInitScript(() => {
        document.addEventListener('securitypolicyviolation', (e) => {
          window.reportViolation(`${e.violatedDirective} blocks ${e.blockedURI}`);
        });
      });
    }
    v.page = await v.context.newPage();
    v.page.on('pageerror', (error) => v.report(v.page.url(), `script: ${error}`));
    v.page.on('console', (message) => {
      // That something did not load is judged by its answer.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        v.report(message.location().url || v.page.url(), `console: ${message.text()}`);
      }
    });
    v.page.on('response', (response) => {
      if (response.request().isNavigationRequest()) {
        v.status = response.status();
      } else if (response.status() >= 400) {
        v.report(response.url(), `${response.status()} ${response.url()}`);
      }
    });
    return v;
  }

  report(url, what) {
    if (url.startsWith(`${this.site}/`)) {
      this.problems.push(`${url}: ${what}`);
    }
  }

  state() {
    return { url: this.page.url(), status: this.status };
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

  async fill({ name, value }) {
    await this.page.locator(`[name=${JSON.stringify(name)}]:visible`).fill(value);
  }

  /** Opens what is folded behind a summary. */
  async unfold({ name }) {
    await this.page.locator('summary', { hasText: name }).click();
  }

  /** Clicks on the link or button and waits for the page behind it. */
  async click({ name }) {
    const exact = { name, exact: true };
    const target = this.page.getByRole('link', exact).or(this.page.getByRole('button', exact));
    await Promise.all([this.page.waitForNavigation(), target.click()]);
    return this.state();
  }

  /** Sends a form from a page of no site, as a page of a stranger would. */
  async post({ url, fields }) {
    await this.page.goto('about:blank');
    await Promise.all([this.page.waitForNavigation(), this.page.evaluate(([action, values]) => {
      const form = Object.assign(document.createElement('form'), { method: 'post', action });
      for (const [name, value] of Object.entries(values)) {
        form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }));
      }
      document.body.append(form);
      form.submit();
    }, [url, fields])]);
    return this.state();
  }

  /** Waits until the page has this address, without its query. */
  async at({ url }) {
    await this.page.waitForURL((now) => now.origin + now.pathname === url);
    return this.state();
  }

  /** Waits until the page shows the text. */
  async shows({ text }) {
    await this.page.getByText(text).first().waitFor();
  }

  async text() {
    return `${this.page.url()}\n${await this.page.title()}\n${await this.page.locator('body').innerText()}`;
  }

  async cookies({ url }) {
    return this.context.cookies(url);
  }

  async screenshot({ path }) {
    await this.page.screenshot({ path });
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
