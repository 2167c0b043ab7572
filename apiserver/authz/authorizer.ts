import type { Clock } from "@raft2kube/std/clock.ts";
import { MASTERS_GROUP } from "../authn/identities.ts";
import type { AuthorizationMetrics } from "../metrics/access.ts";
import type { Attributes, AuthorizerPlugin, Decision } from "./attributes.ts";

/**
 * The chain of authorizers: the first that has an opinion decides; if none has, the answer is no.
 */
export class Authorizer {
  readonly #plugins: readonly AuthorizerPlugin[];
  readonly #metrics: AuthorizationMetrics;
  readonly #clock: Clock;

  constructor(
    plugins: readonly AuthorizerPlugin[],
    metrics: AuthorizationMetrics,
    clock: Clock,
  ) {
    this.#plugins = plugins;
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** Decides about a request itself, which is timed. */
  async timed(attributes: Attributes): Promise<Decision> {
    const from_ms = this.#clock.monotonic();
    const decision = await this.decide(attributes);
    this.#metrics.ended(decision.verdict, (this.#clock.monotonic() - from_ms) / 1_000);
    return decision;
  }

  async decide(attributes: Attributes): Promise<Decision> {
    if (attributes.user.groups.includes(MASTERS_GROUP)) return { verdict: "allow", reason: "" };
    const reasons: string[] = [];
    for (const plugin of this.#plugins) {
      const decision = await plugin.decide(attributes);
      if (decision.verdict !== "no-opinion") {
        this.#metrics.decided(plugin.name, decision.verdict);
        return decision;
      }
      if (decision.reason !== "") reasons.push(decision.reason);
    }
    return { verdict: "no-opinion", reason: reasons.join("; ") };
  }
}
