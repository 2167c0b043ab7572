import type { Clock } from "@raft2kube/std/clock.ts";
import type { AuthorizationMetrics } from "../metrics/access.ts";
import type { AuthorizerPlugin, Decide } from "./attributes.ts";
import type { AuthorizationConfig } from "./config.ts";
import { WebhookAuthorizer } from "./webhook/webhook-authorizer.ts";

/** The parts that the authorizers of a configuration are made of. */
export interface AuthorizerParts {
  readonly node: Decide;
  readonly rbac: Decide;
  readonly clock: Clock;
  readonly metrics: AuthorizationMetrics;
}

/** The authorizers of a configuration, in its order and by its names. */
export function authorizersOf(
  { authorizers }: AuthorizationConfig,
  { node, rbac, ...parts }: AuthorizerParts,
): AuthorizerPlugin[] {
  const AlwaysAllow: Decide = () => ({ verdict: "allow", reason: "" });
  const AlwaysDeny: Decide = () => ({ verdict: "no-opinion", reason: "Everything is forbidden." });
  const decisions = { Node: node, RBAC: rbac, AlwaysAllow, AlwaysDeny };
  return authorizers.map((each) =>
    each.type === "Webhook"
      ? new WebhookAuthorizer(each.name, each.webhook, parts)
      : { ...each, decide: decisions[each.type] },
  );
}
