import type { Binding as CoreBinding, Pod as CorePod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { badRequest, conflict, notFound } from "@raft2kube/apimachinery/errors/catalog.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { admissionRequest } from "../../admission/plugin.ts";
import type { WriteOptions } from "../../registry/write-options.ts";
import type { Resource } from "../../resource/resource.ts";
import { keyOf } from "../../storage/keys.ts";
import type { ApiServer, Serve } from "../server.ts";
import { readObject, writeOptionsOf } from "../write-request.ts";
import { createdAnswer } from "./success.ts";

/** A pod's place as the scheduler states it (core/v1). */
export type Binding = Partial<CoreBinding> & KubeObject;

const FORM = { kind: { group: "", version: "v1", kind: "Binding" }, schema: "core/v1.Binding" };
const PART = { group: "", name: "pods/binding" };

/** The pod that a binding means, where it names one, with the fields' names in messages. */
const PRECONDITIONS = [
  ["uid", "UID"],
  ["resourceVersion", "ResourceVersion"],
] as const;

type Pod = CorePod & KubeObject;

/** POST pods/NAME/binding: the scheduler puts a pod on a node, once. */
export const serveBinding: Serve = async (server, resource, context) => {
  const { info } = context;
  const options = writeOptionsOf(context);
  const binding = await readObject<Binding>(context, FORM, options);
  if (binding.metadata.name !== info.name) {
    throw badRequest("name in URL does not match name in Binding object");
  }
  await admitBinding(server, resource, info, binding, options);
  await bindPod(server, info.namespace, info.name, binding, options.dryRun);
  return createdAnswer();
};

/** Admission of a Binding, through its pod or its own collection. */
export async function admitBinding(
  { admission }: Pick<ApiServer, "admission">,
  resource: Resource,
  { namespace, name }: { namespace: string; name: string },
  binding: Binding,
  options: WriteOptions,
): Promise<void> {
  const place = { namespace, name };
  binding.metadata.namespace ??= namespace;
  const request = admissionRequest("CREATE", resource, place, { object: binding }, options);
  await admission.admit(request);
  await admission.validate(request);
}

/** Puts a pod on the node of a binding. Throws 409 when it is on one already, or going. */
export async function bindPod(
  server: ApiServer,
  namespace: string,
  name: string,
  binding: Binding,
  dryRun: boolean,
): Promise<void> {
  const resource = server.resources.of("v1", "pods");
  const node = binding.target?.name ?? "";
  const kind = binding.target?.kind ?? "";
  if (node === "") throw refused("target.name: Required value");
  if (kind !== "" && kind !== "Node") {
    const known = 'supported values: "Node", "<empty>"';
    throw refused(`target.kind: Unsupported value: ${JSON.stringify(kind)}: ${known}`);
  }
  await resource.store.change<Pod>(namespace, name, (pod) => {
    if (pod === undefined) throw notFound(resource.subject, name);
    checkBindable(resource, name, pod, binding);
    // A nomination that has been met would mislead autoscalers and other schedulers.
    const { nominatedNodeName: _met, ...status } = pod.status ?? {};
    const bound: Pod = {
      ...pod,
      metadata: {
        ...pod.metadata,
        ...merged("annotations", pod, binding),
        ...merged("labels", pod, binding),
      },
      spec: { ...pod.spec, nodeName: node },
      status: { ...status, conditions: scheduled(pod, server.clock.now()) },
    };
    return { do: dryRun ? "keep" : "write", object: bound };
  });
}

/** Upstream answers a Binding that is not valid with a plain 500. */
const refused = (message: string): ApiError => new ApiError({ code: 500, reason: "", message });

function checkBindable(resource: Resource, name: string, pod: Pod, binding: Binding): void {
  const { namespace = "" } = pod.metadata;
  for (const [field, title] of PRECONDITIONS) {
    const wanted = binding.metadata[field];
    if (!wanted || wanted === pod.metadata[field]) continue;
    const why =
      `StorageError: invalid object, Code: 4, Key: ${keyOf(resource.kind, namespace, name)}, ` +
      "ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: " +
      `${title} in precondition: ${wanted}, ${title} in object meta: ${pod.metadata[field]}`;
    throw conflict(resource.subject, name, why);
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw conflict(PART, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if (pod.spec?.nodeName) {
    const why = `pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`;
    throw conflict(PART, name, why);
  }
  if ((pod.spec?.schedulingGates ?? []).length > 0) {
    throw conflict(PART, name, `pod ${name} has non-empty .spec.schedulingGates`);
  }
}

function merged(field: "annotations" | "labels", pod: Pod, binding: Binding): object {
  const added = binding.metadata[field];
  return added ? { [field]: { ...pod.metadata[field], ...added } } : {};
}

function scheduled(pod: Pod, now_ms: number) {
  const others = (pod.status?.conditions ?? []).filter((each) => each.type !== "PodScheduled");
  const lastTransitionTime = timeText(now_ms);
  return [...others, { type: "PodScheduled", status: "True", lastTransitionTime }];
}
