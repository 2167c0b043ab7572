import { logger } from "@raft2kube/observe/log.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { STORE_CHECK_TIMEOUT_MS } from "../limits.ts";
import { type Answer, type BytesAnswer, textAnswer } from "../request/answer.ts";
import type { RequestContext } from "../request/context.ts";
import type { ApiServer } from "./server.ts";

const log = logger("apiserver");

const PAGES = ["healthz", "livez", "readyz"] as const;

type Page = (typeof PAGES)[number];

/** A named check of a health page. `run` throws when the check fails. */
interface HealthCheck {
  readonly name: string;
  run(): Promise<void> | void;
}

const notReady = (why: string) => new CodedError("NOT_READY", why);

/** The step after which every APIService that is served has its object. */
const REGISTRATION = "kube-apiserver-autoregistration";

/** `/healthz`, `/livez`, `/readyz` and their single checks, in upstream's form. */
export class Health {
  readonly #server: ApiServer;
  /** Names of the steps of starting that are done. */
  readonly #started = new Set<string>();
  readonly #checks: Readonly<Record<Page, readonly HealthCheck[]>>;

  constructor(server: ApiServer, steps: readonly string[]) {
    this.#server = server;
    const alive = this.#aliveChecks(steps);
    this.#checks = { healthz: alive, livez: alive, readyz: this.#readyChecks(alive) };
  }

  /** A step of starting is done. */
  reached(step: string): void {
    this.#started.add(step);
  }

  /** Every page and single check by its path. */
  paths(): string[] {
    return PAGES.flatMap((page) => [
      `/${page}`,
      ...this.#checks[page].map(({ name }) => `/${page}/${name}`),
    ]);
  }

  /** Serves the health endpoints; undefined for other paths. */
  async serve(context: RequestContext): Promise<Answer | undefined> {
    const { path } = context.info;
    const page = PAGES.find((each) => path === `/${each}` || path.startsWith(`/${each}/`));
    if (page === undefined) return undefined;
    const checks = this.#checks[page];
    if (path === `/${page}`) return await this.#all(page, checks, context.query);
    const check = checks.find(({ name }) => name === path.slice(page.length + 2));
    return check && (await single(check));
  }

  /** Runs all checks for `/metrics/slis`, which would have only those that a client asked for. */
  async measure(): Promise<void> {
    await Promise.all(
      PAGES.map(async (page) => {
        for (const check of this.#checks[page]) await this.#holds(page, check);
      }),
    );
  }

  #aliveChecks(steps: readonly string[]): HealthCheck[] {
    return [
      { name: "ping", run: () => undefined },
      { name: "log", run: () => undefined },
      { name: "etcd", run: () => this.#reachStore() },
      ...this.#pluginChecks(),
      ...steps.flatMap((step): HealthCheck[] => {
        const run = () => this.#mustHave(step);
        const hook = { name: `poststarthook/${step}`, run };
        return step === REGISTRATION ? [hook, { name: "autoregister-completion", run }] : [hook];
      }),
    ];
  }

  /** Checks the plugins that encrypt keys, where there are some or the file may name some later. */
  #pluginChecks(): HealthCheck[] {
    const { encryption } = this.#server.options;
    if (encryption === undefined) return [];
    if (encryption.plugins.length === 0 && encryption.reloads === undefined) return [];
    const run = () => {
      for (const plugin of encryption.plugins) plugin.check();
    };
    return [{ name: "kms-providers", run }];
  }

  #readyChecks(alive: readonly HealthCheck[]): HealthCheck[] {
    const ready = { name: "etcd-readiness", run: () => this.#reachStore() };
    return [
      ...alive.flatMap((check) => (check.name === "etcd" ? [check, ready] : [check])),
      {
        name: "shutdown",
        run: () => {
          if (this.#server.leaving.aborted) throw notReady("process is shutting down");
        },
      },
    ];
  }

  #mustHave(step: string): void {
    if (!this.#started.has(step)) throw notReady("not finished");
  }

  async #reachStore(): Promise<void> {
    const key = Buffer.from("/registry/health");
    await this.#server.etcd.range({ key }, { timeout_ms: STORE_CHECK_TIMEOUT_MS });
  }

  async #all(
    page: Page,
    checks: readonly HealthCheck[],
    query: URLSearchParams,
  ): Promise<BytesAnswer> {
    const excluded = new Set(query.getAll("exclude"));
    const lines: string[] = [];
    let failed = false;
    for (const check of checks) {
      if (excluded.delete(check.name)) lines.push(`[+]${check.name} excluded: ok`);
      else if (await this.#holds(page, check)) lines.push(`[+]${check.name} ok`);
      else {
        failed = true;
        lines.push(`[-]${check.name} failed: reason withheld`);
      }
    }
    if (excluded.size > 0) {
      const names = [...excluded]
        .sort()
        .map((name) => JSON.stringify(name))
        .join(",");
      lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`);
    }
    const whole = lines.join("\n");
    if (failed) return unsniffed(textAnswer(500, `${whole}\n${page} check failed\n`));
    const verbose = query.has("verbose");
    return unsniffed(textAnswer(200, verbose ? `${whole}\n${page} check passed\n` : "ok"));
  }

  async #holds(page: Page, check: HealthCheck): Promise<boolean> {
    const { health } = this.#server.metrics;
    try {
      await check.run();
      health.checked(page, check.name, true);
      return true;
    } catch (thrown) {
      health.checked(page, check.name, false);
      // The response is public, so the reason goes to the log only.
      log.warn("a health check failed", { check: check.name, reason: messageOf(thrown) });
      return false;
    }
  }
}

/** The answer for a single check has the reason of its failure. */
async function single(check: HealthCheck): Promise<BytesAnswer> {
  try {
    await check.run();
    return textAnswer(200, "ok");
  } catch (thrown) {
    return unsniffed(textAnswer(500, `internal server error: ${messageOf(thrown)}\n`));
  }
}

/** Browsers are to take the text for nothing else. */
const unsniffed = (answer: BytesAnswer): BytesAnswer => ({
  ...answer,
  headers: { "x-content-type-options": "nosniff" },
});
