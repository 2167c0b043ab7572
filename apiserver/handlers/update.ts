import type { KubeObject } from "@raft2kube/api/kind.ts";
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { trackedOf } from "@raft2kube/apimachinery/managed-fields/tracked.ts";
import { authorizeCreate, grantCheck } from "../authz/authorize-write.ts";
import { dropRepeatedOwners } from "../registry/metadata.ts";
import { type Update, updateObject } from "../registry/update.ts";
import type { WriteOptions } from "../registry/write-options.ts";
import { type Answer, objectAnswer } from "../request/answer.ts";
import type { RequestContext } from "../request/context.ts";
import type { Resource } from "../resource/resource.ts";
import type { Changed } from "../storage/object-store.ts";
import { readPatchBody } from "./patch.ts";
import { namespaceOf } from "./read.ts";
import type { ApiServer } from "./server.ts";
import { readObject, requireName, writeOptionsOf } from "./write-request.ts";

/**
 * The endpoint that a change comes through: the kind's own, or a subresource that shows the whole
 * object.
 */
export type Endpoint = Pick<Update, "strategy">;

/** PUT of one object. */
export async function serveUpdate(
  server: ApiServer,
  resource: Resource,
  context: RequestContext,
  endpoint: Endpoint = {},
): Promise<Answer> {
  const { kind } = resource;
  const { name } = context.info;
  const options = writeOptionsOf(context);
  const object = await readObject(context, { kind, schema: kind.schema }, options);
  requireName(object.metadata.name, name);
  dropRepeatedOwners(object, options.warnings, "");
  kind.strategy.defaults(object, server.steps_max);
  if (kind.notActedOn !== undefined) options.warnings.push(kind.notActedOn);
  const mayCreate = kind.strategy.createOnUpdate && endpoint.strategy === undefined;
  return await change(server, resource, context, options, {
    ...endpoint,
    mayCreate,
    uid: object.metadata.uid,
    transform: () => cloneObject(object),
  });
}

/** PATCH of one object, in any of the patch types. */
export async function servePatch(
  server: ApiServer,
  resource: Resource,
  context: RequestContext,
  endpoint: Endpoint = {},
): Promise<Answer> {
  const { kind } = resource;
  const options = writeOptionsOf(context);
  const now_ms = server.clock.now();
  const tracked = trackedOf(kind, options.subresource);
  const patch = await readPatchBody(context, kind, tracked, options, now_ms);
  if (kind.notActedOn !== undefined) options.warnings.push(kind.notActedOn);
  return await change(server, resource, context, options, {
    ...endpoint,
    mayCreate: patch.creates && endpoint.strategy === undefined,
    owns: patch.owns,
    transform: (current) => {
      const patched = patch.apply(current);
      requireName(patched.metadata.name, context.info.name);
      kind.strategy.defaults(patched, server.steps_max);
      return patched;
    },
  });
}

async function change(
  server: ApiServer,
  resource: Resource,
  context: RequestContext,
  options: WriteOptions,
  update: Omit<Update, "namespace" | "name">,
): Promise<Answer> {
  const { name } = context.info;
  const namespace = namespaceOf(resource, context);
  const transform = async (current: KubeObject | undefined) => {
    if (current === undefined) await authorizeCreate(server.authorizer, context);
    return await update.transform(current);
  };
  const changed: Changed<KubeObject> = await updateObject(
    server,
    resource,
    { ...update, namespace, name, transform },
    { ...options, authorize: grantCheck(server, context, resource, namespace) },
  );
  const { object, created, deleted } = changed;
  // Objects of dry runs and deleted ones have the stored revision, and differ from what is stored.
  const unwritten = options.dryRun || deleted;
  const body = unwritten ? undefined : resource.store.recent.bodyOf(object);
  return objectAnswer(object, resource.kind, created ? 201 : 200, body);
}
