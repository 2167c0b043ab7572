import { grantCheck } from "../authz/authorize-write.ts";
import { createObject } from "../registry/create.ts";
import { objectAnswer } from "../request/answer.ts";
import { namespaceOf } from "./read.ts";
import { serveReview } from "./reviews/reviews.ts";
import type { Serve } from "./server.ts";
import { readObject, writeOptionsOf } from "./write-request.ts";

/** POST to a collection. */
export const serveCreate: Serve = async (server, resource, context) => {
  const { kind } = resource;
  const options = writeOptionsOf(context);
  const object = await readObject(context, { kind, schema: kind.schema }, options);
  if (kind.served === "review") return await serveReview(server, resource, context, object);
  kind.strategy.defaults(object, server.steps_max);
  const namespace = namespaceOf(resource, context);
  if (kind.notActedOn !== undefined) context.warnings.push(kind.notActedOn);
  const created = await createObject(server, resource, object, namespace, {
    ...options,
    authorize: grantCheck(server, context, resource, namespace),
  });
  // A dry run's object is not what was written last under its name.
  const written = options.dryRun ? undefined : resource.store.recent.bodyOf(created);
  return objectAnswer(created, kind, 201, written);
};
