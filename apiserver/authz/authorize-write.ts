import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { RequestContext } from "../request/context.ts";
import type { Resource } from "../resource/resource.ts";
import { attributesOf, refusal } from "./authorize-request.ts";
import type { Authorizer } from "./authorizer.ts";
import { checkEscalation, type Rights } from "./rbac/escalation.ts";

// The permissions that a write needs besides that for the verb of its request.

/**
 * Throws 403 unless the user may create: for a connection to what runs, and for an apply or a PUT
 * of what is not there. The right to do what the request's method says is not enough for that.
 */
export async function authorizeCreate(
  authorizer: Authorizer,
  context: RequestContext,
): Promise<void> {
  const attributes = { ...attributesOf(context), verb: "create" };
  const decision = await authorizer.decide(attributes);
  if (decision.verdict !== "allow") throw refusal(attributes, decision.reason);
}

/** Throws 403 when an object to be created would grant its creator more than they hold. */
export async function authorizeNew(
  rights: Rights,
  { user }: RequestContext,
  resource: Resource,
  object: KubeObject,
  namespace: string,
): Promise<void> {
  await checkEscalation(rights, user, resource, object, undefined, namespace);
}

/**
 * A change of an object that throws 403 where it turns out to create and the user may not, and
 * where its result would grant them more than they hold.
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
    return next;
  };
}
