import { printedScale } from "@raft2kube/api/autoscaling/v1/scale.ts";
import type { Scale } from "@raft2kube/api/gen/autoscaling/v1.ts";
import type { KubeObject, View } from "@raft2kube/api/kind.ts";
import { validateMetadata } from "@raft2kube/api/validation/metadata.ts";
import {
  badRequest,
  conflict,
  internal,
  invalid,
  MODIFIED,
} from "@raft2kube/apimachinery/errors/catalog.ts";
import {
  ownersToParent,
  ownersToScale,
  SCALE_TRACKED,
} from "@raft2kube/apimachinery/managed-fields/scale-owners.ts";
import { trackUpdate } from "@raft2kube/apimachinery/managed-fields/track.ts";
import { updateObject } from "../../registry/update.ts";
import type { WriteOptions } from "../../registry/write-options.ts";
import { type Answer, objectAnswer } from "../../request/answer.ts";
import type { RequestContext } from "../../request/context.ts";
import type { Resource } from "../../resource/resource.ts";
import { readPatchBody } from "../patch.ts";
import type { ApiServer } from "../server.ts";
import { readObject, requireName, writeOptionsOf } from "../write-request.ts";

/** Stands for replicas that a custom resource does not have, so that a patch has to set them. */
const UNSET = -(2 ** 31);

const fieldText = (path: string): string => `the spec replicas field ${JSON.stringify(path)}`;

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" };
const { schema } = SCALE_TRACKED;

/** GET, PUT and PATCH of `/scale`: a small object seen through its parent. */
export async function serveScale(
  server: ApiServer,
  resource: Resource,
  context: RequestContext,
  view: View<KubeObject>,
): Promise<Answer> {
  const { info } = context;
  const { namespace, name } = info;
  if (info.verb === "get") {
    const object = await resource.store.get(namespace, name);
    const missing = view.missing?.(object);
    if (missing !== undefined) throw internal(`${fieldText(missing)} does not exist`);
    return objectAnswer(view.read(object), printedScale);
  }
  const options = writeOptionsOf(context);
  const wanted = await wantedScale(server, context, options);
  const { object } = await updateObject(
    server,
    resource,
    {
      namespace,
      name,
      mayCreate: false,
      owns: true,
      view,
      transform(current) {
        const object = structuredClone(current!);
        const before = view.read(object) as Scale;
        const missing = view.missing?.(object);
        if (missing !== undefined) before.spec = { replicas: UNSET };
        ownersToScale(object, before, view.replicasPath);
        const scale = wanted(before) as Scale;
        if (missing !== undefined && scale.spec?.replicas === UNSET) {
          throw badRequest(`${fieldText(missing)} cannot be empty`);
        }
        checkScale(resource, name, scale, object);
        const findings = view.write(object, scale);
        if (findings.length > 0) {
          throw invalid({ group: SCALE.group, name: SCALE.kind }, name, findings);
        }
        ownersToParent(resource.kind, object, scale, view.replicasPath);
        return object;
      },
    },
    options,
  );
  return objectAnswer(view.read(object), printedScale);
}

type Wanted = (current: KubeObject) => KubeObject;

async function wantedScale(
  server: ApiServer,
  context: RequestContext,
  options: WriteOptions,
): Promise<Wanted> {
  const now_ms = server.clock.now();
  const { fieldManager: manager, subresource } = options;
  const writer = { manager, operation: "Update", subresource, now_ms } as const;
  const tracked = (scale: KubeObject, current: KubeObject) => {
    trackUpdate(SCALE_TRACKED, scale, current, writer);
    return scale;
  };
  if (context.info.verb === "update") {
    const given = await readObject(context, { kind: SCALE, schema }, options);
    return (current) => tracked(structuredClone(given), current);
  }
  const kind = { ...SCALE, schema };
  const patch = await readPatchBody(context, kind, SCALE_TRACKED, options, now_ms);
  return (current) => {
    const scale = patch.apply(current);
    return patch.owns ? scale : tracked(scale, current);
  };
}

function checkScale(resource: Resource, name: string, scale: KubeObject, object: KubeObject): void {
  requireName(scale.metadata.name, name);
  const { namespace = "" } = object.metadata;
  const metadata = { ...scale.metadata, namespace };
  const findings = validateMetadata(metadata, true, () => []);
  if (findings.length > 0) throw invalid({ group: SCALE.group, name: SCALE.kind }, name, findings);
  const { resourceVersion } = scale.metadata;
  if (resourceVersion && resourceVersion !== object.metadata.resourceVersion) {
    throw conflict(resource.subject, name, MODIFIED);
  }
}
