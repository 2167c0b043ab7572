import { type ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { forbidden, internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { RequestContext } from "../request/context.ts";
import { type Attributes, selectorsIn } from "./attributes.ts";
import type { Authorizer } from "./authorizer.ts";

/** Verbs of requests that select objects. */
const NARROWED: ReadonlySet<string> = new Set(["list", "watch", "deletecollection"]);

/** The attributes of a request, as its URL states them. */
export function attributesOf(context: Pick<RequestContext, "info" | "user" | "query">): Attributes {
  const { info, user } = context;
  // Other requests have none, even if their URL has one (upstream's RequestInfo).
  const isNarrowed = info.resourceRequest && NARROWED.has(info.verb);
  const textOf = (name: string) => (isNarrowed ? (context.query.get(name) ?? "") : "");
  const texts = { fieldSelector: textOf("fieldSelector"), labelSelector: textOf("labelSelector") };
  return { ...info, user, ...selectorsIn(texts) };
}

/**
 * Throws 403, in upstream's words, unless the chain of authorizers allows the request; 500 where
 * one of them failed.
 */
export async function authorize(authorizer: Authorizer, context: RequestContext): Promise<void> {
  const attributes = attributesOf(context);
  const decision = await authorizer.timed(attributes);
  const isAllowed = decision.verdict === "allow";
  const annotations = context.audit?.annotations;
  if (!isAllowed && decision.error !== undefined) {
    annotations?.add("authorization.k8s.io/reason", "internal error");
    throw internal(decision.error);
  }
  annotations?.add("authorization.k8s.io/decision", isAllowed ? "allow" : "forbid");
  annotations?.add("authorization.k8s.io/reason", decision.reason);
  if (isAllowed) return;
  throw refusal(attributes, decision.reason);
}

/** The 403 for attributes that were not allowed; anonymous users learn no more than others. */
export function refusal(attributes: Attributes, reason: string): ApiError {
  const why = `${sentence(attributes)}${reason === "" ? "" : `: ${reason}`}`;
  if (!attributes.resourceRequest) return forbidden({ group: "", name: "" }, "", why);
  const { group, resource, name } = attributes;
  return forbidden({ group, name: resource }, name, why);
}

function sentence(attributes: Attributes): string {
  const { user, verb, resource, subresource, group, namespace, path } = attributes;
  const subject = `User ${JSON.stringify(user.name)} cannot ${verb}`;
  if (!attributes.resourceRequest) return `${subject} path ${JSON.stringify(path)}`;
  const what = subresource === "" ? resource : `${resource}/${subresource}`;
  const where =
    namespace === "" ? "at the cluster scope" : `in the namespace ${JSON.stringify(namespace)}`;
  const api = `in API group ${JSON.stringify(group)} ${where}`;
  return `${subject} resource ${JSON.stringify(what)} ${api}`;
}
