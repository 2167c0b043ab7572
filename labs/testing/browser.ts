import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

const PROGRAM = "chromium";
/** Root has no sandbox of chromium's; the page is our own. */
const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  // Each starts processes beside that of the page.
  "--disable-extensions",
  "--disable-features=PreloadTopChromeWebUI,WebUIOmniboxPopup,OptimizationHints,Translate",
  "--remote-debugging-pipe",
];

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

type Enter = (program: string, args: readonly string[]) => [string, ...string[]];
type Waiting = PromiseWithResolvers<Record<string, unknown>>;

/** How a page is shown. */
export interface Look {
  readonly scheme: "light" | "dark";
  readonly width: number;
  readonly height: number;
}

/** A headless Chromium with one page, driven by its debugging protocol over two pipes. */
export class Browser {
  readonly #process: ChildProcess;
  readonly #profile = mkdtempSync(join(tmpdir(), "r2k-chromium-"));
  readonly #waiting = new Map<number, Waiting>();
  readonly #loaded: (() => void)[] = [];
  readonly #ended: Promise<void>;
  #session = "";
  #count = 0;
  /** Exceptions, errors in the console, and requests that failed. */
  readonly errors: string[] = [];

  private constructor(enter: Enter) {
    const args = [...FLAGS, `--user-data-dir=${this.#profile}`, "about:blank"];
    const [program, ...rest] = enter(PROGRAM, args);
    this.#process = spawn(program, rest, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    const failed = (reason: Error) => {
      for (const { reject } of this.#waiting.values()) reject(reason);
    };
    this.#process.on("error", failed);
    this.#ended = new Promise((resolve) => this.#process.once("close", () => resolve()));
    void this.#ended.then(() => failed(new Error(`${PROGRAM} has ended`)));
    let text = "";
    const replies = this.#process.stdio[4] as Readable;
    replies.setEncoding("utf8").on("data", (part: string) => {
      const messages = (text + part).split("\0");
      text = messages.pop()!;
      for (const message of messages) this.#received(JSON.parse(message) as Reply);
    });
    this.#process.stdio[3]!.on("error", failed);
  }

  /** Starts it; `enter` makes the command line that runs a program where it shall run. */
  static async start(enter: Enter = (program, args) => [program, ...args]): Promise<Browser> {
    const browser = new Browser(enter);
    const { targetId } = await browser.#send("Target.createTarget", { url: "about:blank" });
    const attach = { targetId, flatten: true };
    const { sessionId } = await browser.#send("Target.attachToTarget", attach);
    browser.#session = sessionId as string;
    for (const domain of ["Page", "Runtime", "Log"]) await browser.#send(`${domain}.enable`);
    return browser;
  }

  /** Shows the page that is there in another way. */
  async look({ scheme, width, height }: Look): Promise<void> {
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await this.#send("Emulation.setEmulatedMedia", { features });
    const metrics = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
    await this.#send("Emulation.setDeviceMetricsOverride", metrics);
  }

  /**
   * Loads a page and waits until it is there. One that differs from the present one in its fragment
   * alone would not be loaded by its address: it is loaded again, in its process.
   */
  async open(url: string, look: Look): Promise<void> {
    await this.look(look);
    const [here] = (await this.evaluate<string>("location.href")).split("#");
    const loaded = new Promise<void>((resolve) => this.#loaded.push(resolve));
    if (here === new URL(url).href.split("#")[0]) {
      await this.evaluate(`history.replaceState(null, "", ${JSON.stringify(url)})`);
      await this.#send("Page.reload");
    } else await this.#send("Page.navigate", { url });
    await loaded;
  }

  /** A picture of what is in sight, as PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.#send("Page.captureScreenshot", { format: "png" });
    return Buffer.from(data as string, "base64");
  }

  /** The value of an expression on the page, as JSON has it. */
  async evaluate<T>(expression: string): Promise<T> {
    const options = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", options);
    if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value: T }).value;
  }

  /** Types a text where the focus is. */
  async type(text: string): Promise<void> {
    for (const char of text) {
      await this.#send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: char });
      await this.#send("Input.dispatchKeyEvent", { type: "char", text: char, key: char });
    }
  }

  /** Presses a key, as `KeyboardEvent.key` names it. */
  async press(key: string, ctrl = false): Promise<void> {
    const codes: Readonly<Record<string, number>> = {
      Enter: 13,
      Escape: 27,
      ArrowUp: 38,
      ArrowDown: 40,
      PageDown: 34,
      Tab: 9,
    };
    const text = key === "Enter" ? "\r" : key.length === 1 && !ctrl ? key : undefined;
    const params = {
      key,
      modifiers: ctrl ? 2 : 0,
      ...(text === undefined ? {} : { text }),
      windowsVirtualKeyCode: codes[key] ?? key.toUpperCase().charCodeAt(0),
    };
    await this.#send("Input.dispatchKeyEvent", { type: "keyDown", ...params });
    await this.#send("Input.dispatchKeyEvent", { type: "keyUp", ...params });
  }

  /** Bytes of JavaScript's heap that are in use, after garbage is collected. */
  async heapBytes(): Promise<number> {
    await this.#send("HeapProfiler.collectGarbage");
    return (await this.#send("Runtime.getHeapUsage"))["usedSize"] as number;
  }

  /** The processes that have pages: this one, and those that Chromium keeps ready. */
  async renderers(): Promise<number[]> {
    const { processInfo } = await this.#send("SystemInfo.getProcessInfo", {}, "");
    const processes = processInfo as { type: string; id: number }[];
    return processes.flatMap(({ type, id }) => (type === "renderer" ? id : []));
  }

  async close(): Promise<void> {
    this.#process.kill();
    await this.#ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Asks the page, or the browser where `session` is empty. */
  #send(
    method: string,
    params: Record<string, unknown> = {},
    session = this.#session,
  ): Promise<Record<string, unknown>> {
    const id = ++this.#count;
    const waiting = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(id, waiting);
    const sessionId = session === "" ? {} : { sessionId: session };
    const message = JSON.stringify({ id, method, params, ...sessionId });
    (this.#process.stdio[3] as Writable).write(`${message}\0`);
    return waiting.promise;
  }

  #received({ id, method, params, result, error }: Reply): void {
    if (id !== undefined) {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.reject(new Error(error.message));
      else waiting?.resolve(result ?? {});
    } else if (method === "Page.loadEventFired") {
      this.#loaded.shift()?.();
    } else if (method === "Runtime.exceptionThrown" || method === "Log.entryAdded") {
      this.errors.push(JSON.stringify(params));
    }
  }
}
