import { traced } from "@raft2kube/observe/trace/tracer.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { AdmissionMetrics, Pass, PassMetrics } from "../metrics/admission.ts";
import { checkManagedFields } from "./mutation.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./plugin.ts";

/** One plugin's part in a pass. */
interface Step {
  run(request: AdmissionRequest): Promise<void> | void;
  readonly metrics: PassMetrics;
}

/** The plugins in their order. */
export class Admission {
  readonly #passes: Readonly<Record<Pass, readonly Step[]>>;
  readonly #metrics: Readonly<Record<Pass, PassMetrics>>;
  readonly #clock: Clock;
  readonly #confirming: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[], metrics: AdmissionMetrics, clock: Clock) {
    this.#clock = clock;
    this.#confirming = plugins.filter((plugin) => plugin.confirm !== undefined);
    const stepsOf = (pass: Pass) =>
      plugins.flatMap((plugin): Step[] => {
        if (plugin[pass] === undefined) return [];
        const run = (request: AdmissionRequest) => plugin[pass]?.(request);
        return [{ run, metrics: metrics.ofPlugin(plugin.name, pass) }];
      });
    this.#passes = { admit: stepsOf("admit"), validate: stepsOf("validate") };
    this.#metrics = { admit: metrics.ofStep("admit"), validate: metrics.ofStep("validate") };
  }

  /** Lets the plugins change the object; again when a webhook or policy has changed it. */
  async admit(request: AdmissionRequest): Promise<void> {
    const { reinvocation, object } = request;
    const before = object?.metadata?.managedFields;
    await this.#pass("admit", request);
    if (!reinvocation.isRequested) return;
    reinvocation.isSecond = true;
    await this.#pass("admit", request);
    checkManagedFields(request, before);
  }

  async validate(request: AdmissionRequest): Promise<void> {
    await this.#pass("validate", request);
    for (const plugin of this.#confirming) await plugin.confirm?.(request);
  }

  async #pass(pass: Pass, request: AdmissionRequest): Promise<void> {
    await traced(pass, () => this.#run(pass, request));
  }

  /** Lets each plugin see the request; the end of one is the beginning of the next. */
  async #run(pass: Pass, request: AdmissionRequest): Promise<void> {
    const { operation } = request;
    const from_ms = this.#clock.monotonic();
    let last_ms = from_ms;
    let rejected = true;
    try {
      for (const { run, metrics } of this.#passes[pass]) {
        const before_ms = last_ms;
        let refused = true;
        try {
          // Most plugins run synchronously: an `await` would cost a turn of the loop.
          const looking = run(request);
          if (looking) await looking;
          refused = false;
        } finally {
          last_ms = this.#clock.monotonic();
          metrics.ended(operation, refused, (last_ms - before_ms) / 1_000);
        }
      }
      rejected = false;
    } finally {
      this.#metrics[pass].ended(operation, rejected, (last_ms - from_ms) / 1_000);
    }
  }
}
