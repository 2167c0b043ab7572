import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Core } from "../core.ts";
import { STORE_CHECK_TIMEOUT_MS } from "../limits.ts";
import { type Answer, textAnswer } from "./answer.ts";
import type { RequestContext } from "./context.ts";

const log = logger("apiserver");

/** One thing that must be well; it throws when it is not. */
interface HealthCheck {
  name: string;
  run(): Promise<void> | void;
}

const PATHS = ["/healthz", "/livez", "/readyz"] as const;

/** `/healthz`, `/livez`, `/readyz` and their single checks, in upstream's form. */
export class Health {
  readonly #core: Core;
  /** Names of the steps of starting that are done. */
  readonly #started = new Set<string>();
  readonly #steps: readonly string[];

  constructor(core: Core, steps: readonly string[]) {
    this.#core = core;
    this.#steps = steps;
  }

  /** A step of starting is done. */
  reached(step: string): void {
    this.#started.add(step);
  }

  /** undefined when the path is none of these. */
  async serve(context: RequestContext): Promise<Answer | undefined> {
    const { path } = context.info;
    const root = PATHS.find((each) => path === each || path.startsWith(`${each}/`));
    if (root === undefined) return undefined;
    const checks = this.#checks(root);
    if (path === root) return await this.#all(root.slice(1), checks, context.query);
    const check = checks.find(({ name }) => name === path.slice(root.length + 1));
    return check && (await this.#all(path.slice(1), [check], new URLSearchParams()));
  }

  #checks(root: (typeof PATHS)[number]): HealthCheck[] {
    const checks: HealthCheck[] = [
      { name: "ping", run: () => undefined },
      { name: "log", run: () => undefined },
      { name: "etcd", run: () => this.#reachStore() },
      ...this.#steps.map((step) => ({
        name: `poststarthook/${step}`,
        run: () => {
          if (!this.#started.has(step)) throw new Error("not finished");
        },
      })),
    ];
    if (root !== "/readyz") return checks;
    return [
      ...checks,
      {
        name: "shutdown",
        run: () => {
          if (this.#core.closing.aborted) throw new Error("process is shutting down");
        },
      },
    ];
  }

  async #reachStore(): Promise<void> {
    const key = Buffer.from("/registry/health");
    await this.#core.etcd.range({ key }, { timeout_ms: STORE_CHECK_TIMEOUT_MS });
  }

  async #all(name: string, checks: HealthCheck[], query: URLSearchParams): Promise<Answer> {
    const excluded = new Set(query.getAll("exclude"));
    const lines: string[] = [];
    let failed = false;
    for (const check of checks) {
      if (excluded.has(check.name)) {
        lines.push(`[+]${check.name} excluded: ok`);
        continue;
      }
      try {
        await check.run();
        lines.push(`[+]${check.name} ok`);
      } catch (thrown) {
        failed = true;
        // Anybody may read this answer: why stands in the log alone.
        log.warn("a health check failed", { check: check.name, reason: messageOf(thrown) });
        lines.push(`[-]${check.name} failed: reason withheld`);
      }
    }
    const whole = lines.join("\n");
    if (failed) return textAnswer(500, `${whole}\n${name} check failed\n`);
    if (!query.has("verbose")) return textAnswer(200, "ok");
    return textAnswer(200, `${whole}\n${name} check passed\n`);
  }
}
