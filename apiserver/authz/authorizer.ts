import { type Clock, stopwatch } from "@raft2kube/std/clock.ts";
import { aggregateOf } from "@raft2kube/std/errors.ts";
import { MASTERS_GROUP } from "../authn/identities.ts";
import type { AuthorizationMetrics } from "../metrics/access.ts";
import type { Attributes, AuthorizerPlugin, Decision } from "./attributes.ts";

/**
 * The chain of authorizers: the first that has an opinion decides; if none has, the answer is no.
 */
export class Authorizer {
  #plugins: readonly AuthorizerPlugin[];
  readonly #metrics: AuthorizationMetrics;
  readonly #clock: Clock;

  constructor(plugins: readonly AuthorizerPlugin[], metrics: AuthorizationMetrics, clock: Clock) {
    this.#plugins = plugins;
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** The kinds of authorizers, in the order in which they are asked. */
  get types(): readonly AuthorizerPlugin["type"][] {
    return this.#plugins.map(({ type }) => type);
  }

  /** Decides about a request itself, which is timed. */
  async timed(attributes: Attributes): Promise<Decision> {
    const took_s = stopwatch(this.#clock);
    const decision = await this.decide(attributes);
    this.#metrics.ended(decision.verdict, took_s());
    return decision;
  }

  async decide(attributes: Attributes): Promise<Decision> {
    if (attributes.user.groups.includes(MASTERS_GROUP)) return { verdict: "allow", reason: "" };
    const reasons: string[] = [];
    const errors: string[] = [];
    for (const plugin of this.#plugins) {
      const decision = await plugin.decide(attributes);
      if (decision.verdict !== "no-opinion") {
        this.#metrics.decided(plugin, decision.verdict);
        return decision;
      }
      if (decision.reason !== "") reasons.push(decision.reason);
      if (decision.error !== undefined) errors.push(decision.error);
    }
    const error = errors.length > 0 && { error: aggregateOf(errors) };
    return { verdict: "no-opinion", reason: reasons.join("\n"), ...error };
  }

  /** Puts others in the place of the authorizers; requests in the chain end with the last ones. */
  replace(plugins: readonly AuthorizerPlugin[]): void {
    const last = this.#plugins;
    this.#plugins = plugins;
    for (const plugin of last) plugin.close?.();
  }

  close(): void {
    for (const plugin of this.#plugins) plugin.close?.();
  }
}
