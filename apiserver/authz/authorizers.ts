import type { Clock } from "@raft2kube/std/clock.ts";
import type { AuthorizationMetrics } from "../metrics/access.ts";
import type { AuthorizerPlugin } from "./attributes.ts";
import type { AuthorizationConfig } from "./config.ts";
import { WebhookAuthorizer } from "./webhook/webhook-authorizer.ts";

type BuiltIn = Exclude<AuthorizerPlugin["type"], "Webhook">;

/** The parts that the authorizers of a configuration are made of. */
export interface AuthorizerParts {
  readonly node: Pick<AuthorizerPlugin, "decide">;
  readonly rbac: Pick<AuthorizerPlugin, "decide">;
  readonly clock: Clock;
  readonly metrics: AuthorizationMetrics;
}

/** The authorizers of a configuration, in its order and by its names. */
export function authorizersOf(
  { authorizers }: AuthorizationConfig,
  parts: AuthorizerParts,
): AuthorizerPlugin[] {
  const decisions: Readonly<Record<BuiltIn, AuthorizerPlugin["decide"]>> = {
    Node: (attributes) => parts.node.decide(attributes),
    RBAC: (attributes) => parts.rbac.decide(attributes),
    AlwaysAllow: () => ({ verdict: "allow", reason: "" }),
    AlwaysDeny: () => ({ verdict: "no-opinion", reason: "Everything is forbidden." }),
  };
  return authorizers.map((each) =>
    each.type === "Webhook"
      ? new WebhookAuthorizer(each.name, each.webhook, parts)
      : { ...each, decide: decisions[each.type] },
  );
}
