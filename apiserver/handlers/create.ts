import type { ApiServer } from "./server.ts";
import { authorizeNew } from "../authz/authorize-write.ts";
import { type Answer, objectAnswer } from "../request/answer.ts";
import { readBody } from "../request/body.ts";
import type { RequestContext } from "../request/context.ts";
import { decodeBody } from "../encoding/decode.ts";
import { serveReview } from "./reviews/reviews.ts";
import { createObject } from "../registry/create.ts";
import type { Resource } from "../resource/resource.ts";
import { namespaceOf } from "./read.ts";
import { writeOptionsOf } from "./write-options.ts";

/** POST to a collection. */
export async function serveCreate(
  server: ApiServer,
  resource: Resource,
  context: RequestContext,
): Promise<Answer> {
  const { kind } = resource;
  const options = writeOptionsOf(context);
  const { fieldValidation, warnings } = options;
  const body = await readBody(context);
  const object = await decodeBody(context.request, body, {
    kind,
    schema: kind.schema,
    fieldValidation,
    warnings,
  });
  if (kind.served === "review") return await serveReview(server, resource, context, object);
  kind.strategy.defaults(object);
  const namespace = namespaceOf(resource, context);
  await authorizeNew(server, context, resource, object, namespace);
  if (kind.notActedOn !== undefined) warnings.push(kind.notActedOn);
  const created = await createObject(
    server,
    resource,
    object,
    namespace,
    options,
  );
  // A dry run's object is not what was written last under its name.
  const written = options.dryRun ? undefined : resource.store.recent.bodyOf(created);
  return objectAnswer(created, kind, 201, written);
}
