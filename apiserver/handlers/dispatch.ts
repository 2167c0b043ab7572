import { isBuiltIn, type Kind } from "@raft2kube/api/kind.ts";
import { structOf } from "@raft2kube/api/schema.ts";
import {
  methodNotAllowed,
  noSuchResource,
  notFound,
} from "@raft2kube/apimachinery/errors/catalog.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { own } from "@raft2kube/std/own.ts";
import { type Answer, noSuchPage } from "../request/answer.ts";
import type { RequestContext } from "../request/context.ts";
import type { RequestInfo } from "../request/request-info.ts";
import type { Resource } from "../resource/resource.ts";
import { replacementOf } from "../resource/retired.ts";
import { checkAccept } from "./accept.ts";
import { serveComponentStatus } from "./component-status.ts";
import { serveCreate } from "./create.ts";
import { serveDelete, serveDeleteCollection } from "./delete.ts";
import { serveNodeMetrics, servePodMetrics } from "./metrics-server/serve.ts";
import { checkPatchType } from "./patch.ts";
import { serveGet, serveList, serveWatch } from "./read.ts";
import type { ApiServer, Serve } from "./server.ts";
import { partOf } from "./subresources/dispatch.ts";
import { servePatch, serveUpdate } from "./update.ts";

const VERBS: Readonly<Record<string, Serve>> = {
  create: serveCreate,
  get: serveGet,
  list: serveList,
  watch: serveWatch,
  update: serveUpdate,
  patch: servePatch,
  delete: serveDelete,
  deletecollection: serveDeleteCollection,
};

/** Finds the resource of a request and the handler of the verb. Throws 404 or 405. */
export async function serveResource(server: ApiServer, context: RequestContext): Promise<Answer> {
  const { info } = context;
  const resource =
    server.resources.find(info.group, info.version, info.resource) ??
    (await server.customResources.find(info.group, info.version, info.resource));
  if (resource === undefined) {
    const retired = replacementOf(apiVersionOf(info), info.resource);
    if (retired !== undefined) throw noSuchResource(retired);
    if (server.resources.builtIn.some(({ group }) => group === info.group)) throw noSuchResource();
    return noSuchPage();
  }
  if (!isBuiltIn(resource.kind)) {
    if (!isInScope(resource, info)) return noSuchPage();
    checkPart(resource, info);
  }
  checkScope(resource, info);
  const serve = info.subresource === "" ? verbOf(resource, info) : partOf(resource.kind, info);
  // Upstream has no HEAD, except where it proxies a request.
  if (context.request.method === "HEAD" && info.subresource !== "proxy") throw methodNotAllowed();
  // A request that was authorized as a watch must be one, and subresources are not watched.
  if (info.verb === "watch" && (context.request.method !== "GET" || info.subresource !== "")) {
    throw methodNotAllowed();
  }
  if (context.request.method === "PATCH") checkPatchType(context, resource.kind);
  if (resource.kind.deprecated !== undefined) context.warnings.push(resource.kind.deprecated);
  checkAccept(context, resource.kind, hasTable(resource, info));
  return await serve(server, resource, context);
}

/** Upstream's handler of custom resources passes on what is not in their scope, to a 404. */
const isInScope = ({ kind }: Resource, { namespace, verb }: RequestInfo): boolean =>
  kind.namespaced === (namespace !== "") ||
  (kind.namespaced && (verb === "list" || verb === "watch"));

/** Throws 404 or 405 for a part or a verb that a custom resource has not, in upstream's words. */
function checkPart({ kind, subject }: Resource, { subresource, verb, name }: RequestInfo): void {
  if (subresource === "") return;
  const part = own(kind.subresources, subresource);
  if (part === undefined) throw notFound(subject, name);
  const verbs: readonly string[] = part.verbs;
  if (verbs.includes(verb)) return;
  const what = JSON.stringify(`${subject.name}.${subject.group}`);
  const details = { group: subject.group, kind: subject.name };
  throw methodNotAllowed(`${verb} is not supported on resources of kind ${what}`, details);
}

/** Subresources whose objects are created and not stored. */
const WITHOUT_TABLE = new Set(["binding", "eviction", "token"]);

/** Whether an answer can be shown as a table: a review has no columns. */
function hasTable({ kind }: Resource, { subresource }: RequestInfo): boolean {
  return kind.served !== "review" && !WITHOUT_TABLE.has(subresource);
}

/** Returns the handler of a verb on a resource itself. Throws 404 or 405. */
function verbOf({ kind }: Resource, info: RequestInfo): Serve {
  // Reviews have no objects that could be named.
  if (kind.served === "review" && info.name !== "") throw noSuchResource();
  checkPlace(info);
  const serve = own(VERBS, info.verb);
  const known: readonly string[] = kind.verbs;
  if (serve === undefined || !known.includes(info.verb)) throw methodNotAllowed();
  return kind.served === "virtual" ? virtualOf(kind) : serve;
}

/** Handlers of the kinds that are computed and not stored. */
const VIRTUAL: Readonly<Record<string, Serve>> = {
  "core/v1.ComponentStatus": serveComponentStatus,
  "metrics/v1beta1.NodeMetrics": serveNodeMetrics,
  "metrics/v1beta1.PodMetrics": servePodMetrics,
};

function virtualOf(kind: Kind): Serve {
  const schema = structOf(kind.schema).name;
  const serve = own(VIRTUAL, schema);
  assert(serve !== undefined, `${schema} is virtual, and nothing makes its objects`);
  return serve;
}

/** Objects in namespaces are named with theirs, others without; only lists span all of them. */
function checkScope(resource: Resource, info: RequestInfo): void {
  const { namespaced } = resource.kind;
  if (namespaced && info.namespace === "") {
    if (info.verb === "list" || info.verb === "watch") return;
    const isListed = resource.kind.verbs.includes("list");
    throw info.name === "" && isListed ? methodNotAllowed() : noSuchResource();
  }
  if (!namespaced && info.namespace !== "" && !isNamespaceItself(info)) throw noSuchResource();
}

/**
 * A namespace's own path reads as one in itself. Another below it must not be reached: the request
 * was authorized in the outer one.
 */
function isNamespaceItself({ resource, name, namespace, verb }: RequestInfo): boolean {
  return resource === "namespaces" && name === namespace && verb !== "list";
}

/** Collections take POST, objects take PUT, PATCH. */
function checkPlace(info: RequestInfo): void {
  const named = info.name !== "";
  const wrong = info.verb === "create" ? named : NAMED_VERBS.has(info.verb) && !named;
  if (wrong) throw methodNotAllowed();
}

const NAMED_VERBS = new Set(["update", "patch"]);
