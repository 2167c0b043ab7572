import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { RequestContext } from "../request/context.ts";
import type { Resource } from "../resource/resource.ts";
import { attributesOf, refusal } from "./authorize-request.ts";
import type { Authorizer } from "./authorizer.ts";
import { checkParams, type Readers } from "./policy-params.ts";
import { checkEscalation, type Rights as Roles } from "./rbac/escalation.ts";

/** The source of users' permissions. */
type Rights = Readers & Roles;

// The permissions that a write needs besides that for the verb of its request.

/**
 * Throws 403 unless the user has the verb create on the request's resource. It is required in
 * addition to the verb of the method for an apply or a PUT that creates its object, and for the
 * connect subresources (exec, attach, port-forward, proxy).
 */
export async function authorizeCreate(
  authorizer: Authorizer,
  context: RequestContext,
): Promise<void> {
  const attributes = { ...attributesOf(context), verb: "create" };
  const decision = await authorizer.decide(attributes);
  if (decision.verdict !== "allow") throw refusal(attributes, decision.reason);
}

/**
 * Returns a check of the object that a request would store: it throws 403 if the object would grant
 * more rights than the user has, and 422 if it would show objects that the user may not read.
 */
export function grantCheck(
  rights: Rights,
  { user, info }: RequestContext,
  resource: Resource,
  namespace: string,
): (object: KubeObject, old: KubeObject | undefined) => Promise<void> {
  return async (object, old) => {
    await checkEscalation(rights, user, resource, object, old, namespace);
    // A status is written without the spec beside it.
    if (info.subresource === "") await checkParams(rights, user, resource, object, old);
  };
}
