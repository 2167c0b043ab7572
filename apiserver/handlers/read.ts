import { valueAsked } from "@raft2kube/api/selector.ts";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { ownerOf } from "../authn/owner.ts";
import { getObject } from "../registry/get.ts";
import { listObjects } from "../registry/list.ts";
import { readListOptions, readWatchOptions } from "../registry/list-options.ts";
import { StorePages } from "../registry/store-pages.ts";
import { watchObjects } from "../registry/watch.ts";
import { objectAnswer } from "../request/answer.ts";
import type { RequestContext } from "../request/context.ts";
import type { Resource } from "../resource/resource.ts";
import { watchEncoderFor } from "./response/watch-encoding.ts";
import type { Serve } from "./server.ts";

/**
 * A namespace's own requests carry its name twice in the path's reading: as object and as scope.
 */
export function namespaceOf(resource: Resource, context: RequestContext): string {
  return resource.kind.namespaced ? context.info.namespace : "";
}

/** GET of one object. */
export const serveGet: Serve = async (_server, resource, context) => {
  const { info, query } = context;
  const namespace = namespaceOf(resource, context);
  const owner = ownerOf(context).name;
  const object = await getObject(resource, namespace, info.name, query, owner);
  return objectAnswer(object, resource.kind);
};

/** GET of a collection. */
export const serveList: Serve = async (_server, resource, context) => {
  const options = readListOptions(resource.kind, context.query);
  if (context.holdRead) options.pages = new StorePages(context.holdRead);
  options.owner = ownerOf(context).name;
  const namespace = namespaceOf(resource, context);
  return { type: "list", list: await listObjects(resource, namespace, options) };
};

/** GET of a collection with `watch=1`. */
export const serveWatch: Serve = async (server, resource, context) => {
  const { info } = context;
  const options = readWatchOptions(resource.kind, context.query);
  options.fieldSelector = selectorOf(info.name, options.fieldSelector);
  if (context.holdRead) options.pages = new StorePages(context.holdRead);
  const namespace = namespaceOf(resource, context);
  const encoder = watchEncoderFor(context, resource.kind, () => server.clock.now());
  return await watchObjects(server, resource, namespace, options, encoder);
};

/**
 * The selector of a watch that may name one object by its path: the request was allowed for that
 * alone. Throws 400 when it asks for others.
 */
function selectorOf(name: string, selector: string): string {
  if (name === "") return selector;
  if (selector === "") return `metadata.name=${name}`;
  if (valueAsked(selector, "metadata.name") === name) return selector;
  throw badRequest("fieldSelector metadata.name doesn't match requested name");
}
