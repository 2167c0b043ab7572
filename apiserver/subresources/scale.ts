import type { KubeObject, View } from "@raft2kube/api/kind.ts";
import type { Core } from "../core.ts";
import { badRequest, conflict, invalid, MODIFIED } from "../errors/catalog.ts";
import { type Answer, objectAnswer } from "../http/answer.ts";
import { readBody } from "../http/body.ts";
import type { RequestContext } from "../http/context.ts";
import { decodeBody } from "../http/decode.ts";
import { readPatch } from "../patch/patch.ts";
import type { Resource } from "../registry/resource.ts";
import { writeOptionsOf } from "../registry/serve-create.ts";
import { updateObject } from "../registry/update.ts";

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" };
const SCHEMA = "autoscaling/v1.Scale";

/** GET, PUT and PATCH of `/scale`: a small object seen through its parent. */
export async function serveScale(
  core: Core,
  resource: Resource,
  context: RequestContext,
  view: View<KubeObject>,
): Promise<Answer> {
  const { info } = context;
  const { namespace, name } = info;
  if (info.verb === "get") {
    return objectAnswer(view.read(await resource.store.get(namespace, name)));
  }
  const options = writeOptionsOf(context);
  const wanted = await wantedScale(context, options);
  const { object } = await updateObject(
    core,
    resource,
    {
      namespace,
      name,
      mayCreate: false,
      transform(current) {
        const object = structuredClone(current!);
        const scale = wanted(view.read(object));
        checkScale(resource, name, scale, object);
        const findings = view.write(object, scale);
        if (findings.length > 0) {
          throw invalid({ group: SCALE.group, name: SCALE.kind }, name, findings);
        }
        return object;
      },
    },
    options,
  );
  return objectAnswer(view.read(object));
}

type Wanted = (current: KubeObject) => KubeObject;

async function wantedScale(
  context: RequestContext,
  options: ReturnType<typeof writeOptionsOf>,
): Promise<Wanted> {
  const body = await readBody(context.request);
  const { fieldValidation, warnings } = options;
  if (context.info.verb === "update") {
    const scale = await decodeBody(context.request, body, {
      kind: SCALE,
      schema: SCHEMA,
      fieldValidation,
      warnings,
    });
    return () => scale;
  }
  const patch = await readPatch(context, { ...SCALE, schema: SCHEMA }, body, options);
  return (current) => patch.apply(current);
}

function checkScale(resource: Resource, name: string, scale: KubeObject, object: KubeObject): void {
  if (scale.metadata.name && scale.metadata.name !== name) {
    throw badRequest(
      `the name of the object (${scale.metadata.name}) does not match ` +
        `the name on the URL (${name})`,
    );
  }
  const { resourceVersion } = scale.metadata;
  if (resourceVersion && resourceVersion !== object.metadata.resourceVersion) {
    throw conflict(resource.subject, name, MODIFIED);
  }
}
