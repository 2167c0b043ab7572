import { get } from "node:http";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { mapInSlices } from "@raft2kube/std/slices.ts";
import { requirePlainAnswer } from "@raft2kube/streaming/interim.ts";
import {
  HEALTH_CHECKS_PER_S,
  HEALTH_FAILURES_MAX,
  HEALTH_POLL_MS,
  HEALTH_RETRY_MS,
  HEALTH_TIMEOUT_MS,
} from "./limits.ts";

/** The target of a health check. */
export type HealthTarget = { readonly address: string; readonly port: number };

/** The last answer of a target, and how many checks in a row had another. */
type Checked = { readonly target: HealthTarget; healthy: boolean | undefined; failures: number };

/** A check: resolves with whether the target is healthy; never rejects. */
export type Check = (target: HealthTarget) => Promise<boolean>;

/**
 * Asks targets for their health (`GET /healthz`) every half second, fewer times where they are
 * many, and soon again where one failed. A target is unhealthy after two failed checks in a row,
 * and healthy after one that succeeds.
 */
export class HealthPoller {
  readonly #targets = new Map<string, Checked>();
  readonly #polls: Runner;
  readonly #check: Check;
  readonly #changed: () => void;
  readonly #checked: (target: HealthTarget, healthy: boolean) => void;

  /**
   * `changed` is called after a round in which a target's health changed, `checked` after each
   * check with the health by then.
   */
  constructor(options: {
    clock: Clock;
    changed: () => void;
    check?: Check;
    checked?: (target: HealthTarget, healthy: boolean) => void;
  }) {
    const { clock, changed, check = httpCheck, checked = () => undefined } = options;
    this.#changed = changed;
    this.#checked = checked;
    this.#check = check;
    this.#polls = new Runner({ clock, run: () => this.#poll(), report: () => {} });
  }

  /** Sets the targets to ask; those that are new are asked immediately. */
  watch(targets: readonly HealthTarget[]): void {
    const wanted = new Map(targets.map((target) => [keyOf(target), target]));
    for (const key of this.#targets.keys()) if (!wanted.has(key)) this.#targets.delete(key);
    let isNew = false;
    for (const [key, target] of wanted) {
      if (this.#targets.has(key)) continue;
      this.#targets.set(key, { target, healthy: undefined, failures: 0 });
      isNew = true;
    }
    if (isNew) this.#polls.request(0);
  }

  /** Returns the health of a target; undefined: it was not asked yet. */
  health(target: HealthTarget): boolean | undefined {
    return this.#targets.get(keyOf(target))?.healthy;
  }

  async #poll(): Promise<number> {
    const targets = [...this.#targets.values()];
    // Tenants choose how many load balancers are asked for on each node.
    const changes = await Promise.all(await mapInSlices(targets, (one) => this.#ask(one)));
    if (changes.includes(true)) this.#changed();
    const isFailing = targets.some(({ healthy, failures }) => healthy && failures > 0);
    const { size } = this.#targets;
    return size === 0
      ? Infinity
      : Math.max(
          isFailing ? HEALTH_RETRY_MS : HEALTH_POLL_MS,
          (size * 1_000) / HEALTH_CHECKS_PER_S,
        );
  }

  /** Resolves with whether the target's health is another than before. */
  async #ask(checked: Checked): Promise<boolean> {
    const before = checked.healthy;
    if (await this.#check(checked.target)) {
      checked.failures = 0;
      checked.healthy = true;
    } else if (++checked.failures >= HEALTH_FAILURES_MAX || before === undefined) {
      checked.healthy = false;
    }
    if (checked.healthy !== undefined) this.#checked(checked.target, checked.healthy);
    return checked.healthy !== before;
  }

  close(): Promise<void> {
    this.#targets.clear();
    return this.#polls.close();
  }
}

const keyOf = ({ address, port }: HealthTarget) => `${address}:${port}`;

/**
 * Asks over HTTP; a redirect, another protocol, an error and silence are all failures. A node that
 * answers what it likes must not keep the others from being asked.
 */
function httpCheck({ address: host, port }: HealthTarget): Promise<boolean> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(HEALTH_TIMEOUT_MS);
    const request = get({ host, port, path: "/healthz", agent: false, signal }, (response) => {
      resolve(response.statusCode === 200);
      response.destroy();
    });
    requirePlainAnswer(request);
    request.on("error", () => resolve(false));
  });
}
