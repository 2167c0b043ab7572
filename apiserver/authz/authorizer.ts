import { MASTERS_GROUP } from "../authn/identities.ts";
import type { AuthorizationFigures } from "../metrics/access.ts";
import type { Attributes, AuthorizerPlugin, Decision } from "./attributes.ts";

/**
 * The chain of authorizers: the first that has an opinion decides; if none has, the answer is no.
 */
export class Authorizer {
  readonly #plugins: readonly AuthorizerPlugin[];

  readonly #figures: AuthorizationFigures;

  constructor(plugins: readonly AuthorizerPlugin[], figures: AuthorizationFigures) {
    this.#plugins = plugins;
    this.#figures = figures;
  }

  async decide(attributes: Attributes): Promise<Decision> {
    if (attributes.user.groups.includes(MASTERS_GROUP)) return { verdict: "allow", reason: "" };
    const reasons: string[] = [];
    for (const plugin of this.#plugins) {
      const decision = await plugin.decide(attributes);
      if (decision.verdict !== "no-opinion") {
        this.#figures.decided(plugin.name, decision.verdict);
        return decision;
      }
      if (decision.reason !== "") reasons.push(decision.reason);
    }
    return { verdict: "no-opinion", reason: reasons.join("; ") };
  }
}
