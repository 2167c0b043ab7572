import type { Clock } from "@raft2kube/std/clock.ts";
import type { AuthorizationMetrics } from "../metrics/access.ts";
import type { AuthorizerPlugin, Decision } from "./attributes.ts";
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
export function authorizersOf(
  { authorizers }: AuthorizationConfig,
  parts: AuthorizerParts,
): AuthorizerPlugin[] {
  return authorizers.map((each) => authorizerOf(each, parts));
}

function authorizerOf(config: AuthorizerConfig, parts: AuthorizerParts): AuthorizerPlugin {
  const { name } = config;
  switch (config.type) {
    case "Node":
      return named(parts.node, name);
    case "RBAC":
      return named(parts.rbac, name);
    case "AlwaysAllow":
      return always(config.type, name, { verdict: "allow", reason: "" });
    case "AlwaysDeny":
      return always(config.type, name, {
        verdict: "no-opinion",
        reason: "Everything is forbidden.",
      });
    case "Webhook":
      return new WebhookAuthorizer(name, config.webhook, parts);
    default:
      return config satisfies never;
  }
}

/** An authorizer that lives on, by the name that a configuration has for it. */
function named(plugin: AuthorizerPlugin, name: string): AuthorizerPlugin {
  return { type: plugin.type, name, decide: (attributes) => plugin.decide(attributes) };
}

function always(
  type: AuthorizerPlugin["type"],
  name: string,
  decision: Decision,
): AuthorizerPlugin {
  return { type, name, decide: () => decision };
}
