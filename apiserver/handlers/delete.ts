import type { KubeObject } from "@raft2kube/api/kind.ts";
import { parseBody } from "@raft2kube/apimachinery/decode/decode.ts";
import { PROTOBUF_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { isReason, type Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import { timeout } from "@raft2kube/apimachinery/errors/catalog.ts";
import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import { decodeProtobufOptions } from "../encoding/protobuf.ts";
import { deleteObject } from "../registry/delete.ts";
import { type DeleteRequest, readDeleteBody, readDeleteQuery } from "../registry/delete-options.ts";
import { listingOf } from "../registry/list.ts";
import { readListOptions } from "../registry/list-options.ts";
import { selectionOf } from "../registry/selection.ts";
import { StorePages } from "../registry/store-pages.ts";
import { objectAnswer } from "../request/answer.ts";
import { bodyTypeOf, readBody } from "../request/body.ts";
import type { RequestContext } from "../request/context.ts";
import type { Resource } from "../resource/resource.ts";
import { namespaceOf } from "./read.ts";
import type { Serve } from "./server.ts";
import { writeOptionsOf } from "./write-request.ts";

/** Kinds whose deletion answers the object instead of a Status, as upstream's do. */
const ANSWER_OBJECT = new Set([
  "/pods",
  "/persistentvolumes",
  "/persistentvolumeclaims",
  "/podtemplates",
  "/resourcequotas",
  "/serviceaccounts",
  "/services",
  "storage.k8s.io/storageclasses",
  "policy/podsecuritypolicies",
]);

/** Only Jobs orphan their dependents if the request has no propagation policy. */
function warnOfOrphans({ kind }: Resource, request: DeleteRequest, warnings: string[]): void {
  if (kind.group !== "batch" || kind.plural !== "jobs") return;
  if (request.propagation !== undefined) return;
  warnings.push(
    "child pods are preserved by default when jobs are deleted; set " +
      "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress " +
      "this warning",
  );
}

/** DELETE of one object. */
export const serveDelete: Serve = async (server, resource, context) => {
  const request = await deleteRequestOf(context);
  const options = { ...writeOptionsOf(context), dryRun: request.dryRun };
  warnOfOrphans(resource, request, context.warnings);
  const { name } = context.info;
  const namespace = namespaceOf(resource, context);
  const { object, deleted } = await deleteObject(
    server,
    resource,
    namespace,
    name,
    request,
    options,
  );
  const { kind } = resource;
  const whole = !deleted || ANSWER_OBJECT.has(`${kind.group}/${kind.plural}`);
  // Upstream's clients rely on 200 in all other cases.
  const accepted = !deleted && request.orphanDependents === false;
  if (whole) return objectAnswer(object, kind, accepted ? 202 : 200);
  return objectAnswer(statusOf(resource, object) as unknown as KubeObject);
};

function statusOf(resource: Resource, object: KubeObject): Status {
  const { name = "", uid = "" } = object.metadata;
  const { group, plural } = resource.kind;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name, ...(group === "" ? {} : { group }), kind: plural, uid },
  };
}

/** DELETE of a collection: every object that the selectors pick, as of one revision. */
export const serveDeleteCollection: Serve = async (server, resource, context) => {
  const { kind } = resource;
  const list = readListOptions(kind, context.query);
  if (context.holdRead) list.pages = new StorePages(context.holdRead);
  const request = await deleteRequestOf(context);
  const options = { ...writeOptionsOf(context), dryRun: request.dryRun };
  warnOfOrphans(resource, request, context.warnings);
  const namespace = namespaceOf(resource, context);
  const selection = selectionOf(kind, namespace, list);
  const { entries, ...listed } = await listingOf(resource, namespace, selection, list);
  for (const { namespace: place, name } of entries) {
    // After a timeout or disconnect of the client the rest must not be deleted later.
    if (context.signal.aborted) throw timeout("the deletion of the collection was given up");
    await context.giveWay?.();
    try {
      await deleteObject(server, resource, place, name, request, options);
    } catch (thrown) {
      // Another request deleted the object first: the result is the same.
      if (!isReason(thrown, "NotFound")) throw thrown;
    }
  }
  // The answer shows them as they were listed, a page where that was asked for.
  return { type: "list", list: { kind, ...listed, items: entries.map(({ body }) => body) } };
};

async function deleteRequestOf(context: RequestContext): Promise<DeleteRequest> {
  const body = await readBody(context);
  if (body.length === 0) return readDeleteQuery(context.query);
  const type = bodyTypeOf(context.request);
  const isProtobuf = type === PROTOBUF_TYPE;
  const read = isProtobuf ? decodeProtobufOptions(body) : (await parseBody(type, body)).value;
  const given = read ?? {};
  const request = readDeleteBody(given);
  if (isObject(given)) context.audit?.received({ kind: "DeleteOptions", ...given });
  return request;
}
