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
 * Throws 403 if an object to be created would grant more rights than its creator has, and 422 if it
 * would show objects that its creator may not read.
 */
export async function authorizeNew(
  rights: Rights,
  { user }: RequestContext,
  resource: Resource,
  object: KubeObject,
  namespace: string,
): Promise<void> {
  await checkEscalation(rights, user, resource, object, undefined, namespace);
  await checkParams(rights, user, resource, object, undefined);
}

/**
 * Wraps `change` with authorization: the result throws 403 if there is no current object and the
 * user may not create one, or if the new object would grant more rights than the user has, and 422
 * if it would show objects that the user may not read.
 */
export function authorizedChange(
  rights: Rights,
  context: RequestContext,
  resource: Resource,
  namespace: string,
  change: (current: KubeObject | undefined) => Promise<KubeObject> | KubeObject,
): (current: KubeObject | undefined) => Promise<KubeObject> {
  return async (current) => {
    if (current === undefined) await authorizeCreate(rights.authorizer, context);
    const next = await change(current);
    await checkEscalation(rights, context.user, resource, next, current, namespace);
    // A status is written without the spec beside it.
    const { subresource } = context.info;
    if (subresource === "") await checkParams(rights, context.user, resource, next, current);
    return next;
  };
}
