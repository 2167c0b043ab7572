import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CDPSession, chromium, type Page, type Browser as Program } from "playwright-core";

const PROGRAM = "chromium";
/** Root has no sandbox of chromium's; the page is our own. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  // Each starts processes beside that of the page.
  "--disable-extensions",
  "--disable-features=PreloadTopChromeWebUI,WebUIOmniboxPopup,OptimizationHints,Translate",
];

type Enter = (program: string, args: readonly string[]) => [string, ...string[]];

/** How a page is shown. */
export interface Look {
  readonly scheme: "light" | "dark";
  readonly width: number;
  readonly height: number;
}

/** A headless Chromium of Debian's with one page, driven by Playwright. */
export class Browser {
  readonly #program: Program;
  readonly #page: Page;
  readonly #protocol: CDPSession;
  /** Exceptions, errors in the console, and requests that failed. */
  readonly errors: string[] = [];

  private constructor(program: Program, page: Page, protocol: CDPSession) {
    this.#program = program;
    this.#page = page;
    this.#protocol = protocol;
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (entry) => {
      if (entry.type() === "error") this.errors.push(`${entry.text()} ${entry.location().url}`);
    });
  }

  /** Starts it; `enter` makes the command line that runs a program where it shall run. */
  static async start(enter: Enter = (program, args) => [program, ...args]): Promise<Browser> {
    const folder = mkdtempSync(join(tmpdir(), "r2k-chromium-"));
    try {
      const executablePath = join(folder, PROGRAM);
      const command = enter(PROGRAM, []).map((word) => `'${word}'`);
      writeFileSync(executablePath, `#!/bin/sh\nexec ${command.join(" ")} "$@"\n`, { mode: 0o700 });
      const program = await chromium.launch({ executablePath, args: FLAGS, timeout: 0 });
      const page = await program.newPage();
      // Tests have a time of their own, which allows for a slow machine.
      page.setDefaultTimeout(0);
      return new Browser(program, page, await page.context().newCDPSession(page));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** Shows the page that is there in another way. */
  async look({ scheme, width, height }: Look): Promise<void> {
    await this.#page.emulateMedia({ colorScheme: scheme });
    await this.#page.setViewportSize({ width, height });
  }

  /**
   * Loads a page and waits until it is there. One that differs from the present one in its fragment
   * alone would not be loaded by its address: it is loaded again, in its process.
   */
  async open(url: string, look: Look): Promise<void> {
    await this.look(look);
    const [here] = this.#page.url().split("#");
    if (here === new URL(url).href.split("#")[0]) {
      // In one expression: the page may load itself at any time, which aborts another's `reload`.
      const again = `history.replaceState(null, "", ${JSON.stringify(url)}); location.reload()`;
      // The load may take the place of the answer: that it comes is what counts.
      const asked = this.evaluate(again).catch(() => undefined);
      await Promise.all([this.#page.waitForEvent("load"), asked]);
    } else await this.#page.goto(url);
  }

  /** A picture of what is in sight, as PNG. */
  async screenshot(): Promise<Buffer> {
    return await this.#page.screenshot();
  }

  /**
   * The value of an expression on the page, as JSON has it. Not by Playwright's own evaluation,
   * which the page's policy of contents refuses.
   */
  async evaluate<T>(expression: string): Promise<T> {
    const options = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.#protocol.send("Runtime.evaluate", options);
    if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value as T;
  }

  /** Types a text where the focus is. */
  async type(text: string): Promise<void> {
    await this.#page.keyboard.type(text);
  }

  /** Presses a key, as `KeyboardEvent.key` names it. */
  async press(key: string, ctrl = false): Promise<void> {
    await this.#page.keyboard.press(ctrl ? `Control+${key}` : key);
  }

  /** Bytes of JavaScript's heap that are in use, after garbage is collected. */
  async heapBytes(): Promise<number> {
    await this.#protocol.send("HeapProfiler.collectGarbage");
    return (await this.#protocol.send("Runtime.getHeapUsage")).usedSize;
  }

  /** The processes that have pages: this one, and those that Chromium keeps ready. */
  async renderers(): Promise<number[]> {
    const protocol = await this.#program.newBrowserCDPSession();
    const { processInfo } = await protocol.send("SystemInfo.getProcessInfo");
    return processInfo.flatMap(({ type, id }) => (type === "renderer" ? id : []));
  }

  async close(): Promise<void> {
    await this.#program.close();
  }
}
