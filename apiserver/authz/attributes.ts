import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { Owner } from "@raft2kube/std/shares.ts";

/** The attributes of a request to authorize (upstream's authorizer.Attributes). */
export interface Attributes {
  user: RequestUser;
  verb: string;
  resourceRequest: boolean;
  group: string;
  version: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  path: string;
  /** The selector of a list or watch, for rules that allow only a part of a collection. */
  fieldSelector: string;
  labelSelector: string;
  /** The owner of a question about another user, whom this one may have made up. */
  asker?: Owner;
}

/** The attributes of an authorization request for a resource; omitted ones are empty. */
export function aboutResource(asked: Pick<Attributes, "user" | "verb"> & Partial<Attributes>) {
  const nothing = { group: "", version: "v1", resource: "", subresource: "", namespace: "" };
  const selectors = { fieldSelector: "", labelSelector: "" };
  const rest = { name: "", path: "", ...selectors, resourceRequest: true };
  return { ...nothing, ...rest, ...asked } satisfies Attributes;
}

/** `allow` and `deny` end the chain; with no opinion the next authorizer is asked. */
export interface Decision {
  readonly verdict: "allow" | "deny" | "no-opinion";
  readonly reason: string;
  /** Why an authorizer could not decide. */
  readonly error?: string;
}

export interface AuthorizerPlugin {
  readonly type: "Node" | "RBAC" | "AlwaysAllow" | "AlwaysDeny" | "Webhook";
  /** Distinguishes it from others in metrics. */
  readonly name: string;
  close?(): void;
  decide(attributes: Attributes): Promise<Decision> | Decision;
}

export const NO_OPINION: Decision = { verdict: "no-opinion", reason: "" };
