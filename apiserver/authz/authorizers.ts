import type { Clock } from "@raft2kube/std/clock.ts";
import type { AuthorizationMetrics } from "../metrics/access.ts";
import type { AuthorizerPlugin } from "./attributes.ts";
import type { AuthorizationConfig, AuthorizerConfig } from "./config.ts";
import { WebhookAuthorizer } from "./webhook/webhook-authorizer.ts";

/** The parts that the authorizers of a configuration are made of. */
export interface AuthorizerParts {
  readonly node: AuthorizerPlugin;
  readonly rbac: AuthorizerPlugin;
  readonly clock: Clock;
  readonly metrics: AuthorizationMetrics;
}

/** The authorizers of a configuration, in its order. */
export const authorizersOf = (
  { authorizers }: AuthorizationConfig,
  parts: AuthorizerParts,
): AuthorizerPlugin[] => authorizers.map((each) => authorizerOf(each, parts));

function authorizerOf(config: AuthorizerConfig, parts: AuthorizerParts): AuthorizerPlugin {
  const { name, type } = config;
  const deciding = (decide: AuthorizerPlugin["decide"]) => ({ type, name, decide });
  switch (config.type) {
    case "Node":
      return deciding((attributes) => parts.node.decide(attributes));
    case "RBAC":
      return deciding((attributes) => parts.rbac.decide(attributes));
    case "AlwaysAllow":
      return deciding(() => ({ verdict: "allow", reason: "" }));
    case "AlwaysDeny":
      return deciding(() => ({ verdict: "no-opinion", reason: "Everything is forbidden." }));
    case "Webhook":
      return new WebhookAuthorizer(name, config.webhook, parts);
    default:
      return config satisfies never;
  }
}
