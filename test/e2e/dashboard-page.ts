import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { Browser, type Look } from "../../labs/testing/browser.ts";
import { waitFor } from "../../testing/wait.ts";
import type { TestCluster } from "./cluster.ts";

export const DESK = { scheme: "light", width: 1_280, height: 800 } as const;
export const PHONE = { scheme: "dark", width: 390, height: 800 } as const;
/** Where screenshots go, if they are wanted. */
const PICTURES = process.env["R2K_PICTURES"];
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const LIMIT_MS = 50_000;

interface Violation {
  id: string;
  nodes: { html: string; failureSummary: string }[];
}

/** The dashboard's page in a real Chromium, used as a person does: by words and keys. */
export class DashboardPage {
  readonly browser: Browser;
  readonly base: string;

  private constructor(browser: Browser, base: string) {
    this.browser = browser;
    this.base = base;
  }

  /** Opens a page, and by the link of `r2k dashboard` signs in. */
  static async open(browser: Browser, link: string): Promise<DashboardPage> {
    const page = new DashboardPage(browser, new URL("/", link).href);
    await browser.open(link, DESK);
    if (!link.includes("#ticket=")) return page;
    // A place that is loaded earlier would end the exchange of the ticket, which holds once.
    const isSignedIn = "'r2k-dashboard-session' in localStorage";
    await page.#until("the session", () => browser.evaluate<boolean>(isSignedIn));
    return page;
  }

  /** Runs `r2k dashboard` on a cluster's host, and opens it in a browser there. */
  static async ofCluster({ host, env }: TestCluster): Promise<DashboardPage> {
    const [program, ...words] = host.program;
    const kubeconfig = ["--kubeconfig", env["KUBECONFIG"]!];
    const dashboard = host.start(program, [...words, "dashboard", ...kubeconfig]);
    const link = await new Promise<string>((resolve) => {
      dashboard.stdout!.setEncoding("utf8").once("data", (text: string) => resolve(text.trim()));
    });
    const browser = await Browser.start((name, args) => host.enter(name, args));
    return DashboardPage.open(browser, link);
  }

  /** Goes to a place, as the fragment of the address names it. */
  go(place: string, look: Look = DESK): Promise<void> {
    return this.browser.open(`${this.base}#${place}`, look);
  }

  /** Takes screenshots for the documents, light and dark, when they are to be made again. */
  async picture(name: string, look: Look = DESK): Promise<void> {
    if (PICTURES === undefined) return;
    mkdirSync(PICTURES, { recursive: true });
    for (const scheme of ["dark", "light"] as const) {
      await this.browser.look({ ...look, scheme });
      writeFileSync(join(PICTURES, `${name}-${scheme}.png`), await this.browser.screenshot());
    }
  }

  /** Waits until the last graph has its first line, for a picture a longer one, by its colour. */
  async graphs(): Promise<void> {
    const pixels = PICTURES === undefined ? 1 : 600;
    await this.#until("the lines of graphs", () =>
      this.browser.evaluate<boolean>(`(() => {
        const canvas = [...document.querySelectorAll(".graph canvas")].at(-1);
        if (!canvas) return false;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const isLine = (red, i) => i % 4 === 0 && data[i + 2] - red > 100;
        return data.filter(isLine).length > ${pixels};
      })()`),
    );
  }

  text(): Promise<string> {
    return this.browser.evaluate<string>("document.body.innerText");
  }

  async shows(what: string | RegExp): Promise<void> {
    let last = "";
    try {
      await this.#until(`the page shows ${String(what)}`, async () => {
        // A page that loads itself again, after a sign-out, has no text meanwhile.
        last = await this.text().catch((thrown: Error) => thrown.message);
        return typeof what === "string" ? last.includes(what) : what.test(last);
      });
    } catch (thrown) {
      throw new Error(`${String(thrown)}; it shows:\n${last}`, { cause: thrown });
    }
  }

  /** Clicks a button, link or option by its whole text, once it is there and enabled. */
  async click(label: string, within = "body"): Promise<void> {
    const find = `[...document.querySelectorAll(${JSON.stringify(
      `${within} button, ${within} a, ${within} summary`,
    )})].findLast((each) =>
      each.textContent.trim() === ${JSON.stringify(label)} && !each.disabled)`;
    await this.#until(`a button ${label}`, () =>
      this.browser.evaluate<boolean>(`(() => { const e = ${find}; e?.click(); return !!e; })()`),
    );
  }

  /** Moves the focus by Tab to the next that has this text. */
  async tabTo(text: string): Promise<void> {
    await this.#until(`the focus on ${text}`, async () => {
      await this.browser.press("Tab");
      const focused = "document.activeElement.textContent.trim()";
      return (await this.browser.evaluate<string>(focused)) === text;
    });
  }

  /** Replaces the value of a labelled field. */
  async fill(label: string, value: string): Promise<void> {
    const find = `[...document.querySelectorAll("input, select, textarea")].findLast((each) =>
      (each.ariaLabel ?? each.labels?.[0]?.innerText ?? "").startsWith(${JSON.stringify(label)}))`;
    await this.#until(`a field ${label}`, () =>
      this.browser.evaluate<boolean>(`(() => {
      const field = ${find};
      if (!field) return false;
      field.value = ${JSON.stringify(value)};
      const tell = (type) => field.dispatchEvent(new Event(type, { bubbles: true }));
      ["input", "change"].forEach(tell);
      return true;
    })()`),
    );
  }

  /** Rules of axe-core that what is shown breaks, each with the first element that breaks it. */
  async violations(): Promise<string[]> {
    // The page's policy admits no scripts of others; the debugger's are not bound by it.
    if (!(await this.browser.evaluate<boolean>("'axe' in window"))) {
      await this.browser.evaluate(`${readFileSync(AXE, "utf8")}; undefined`);
    }
    const found = await this.browser.evaluate<Violation[]>(
      "axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations)",
    );
    return found.map(({ id, nodes }) => `${id}: ${nodes[0]!.html}: ${nodes[0]!.failureSummary}`);
  }

  #until(what: string, holds: () => Promise<boolean>): Promise<unknown> {
    return waitFor(what, holds, { clock: machineClock(), timeout_ms: LIMIT_MS });
  }
}
