import type { ValidatingWebhookConfiguration } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { APIService } from "@raft2kube/api/gen/apiregistration/v1.ts";
import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type { Namespace, Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import { isPodReady } from "@raft2kube/client-kube/object/pod-state.ts";
import { type Finding, failed, ok, warning } from "../preflight/check.ts";

/** A deletion that takes longer waits for something. */
const DELETION_PATIENCE_MS = 5 * 60_000;
/** The most that a node's clock may differ: certificates are back-dated by this. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;
/** Conditions of a Node that say that it lacks something. */
const PRESSURES = new Set(["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"]);
const NAMED_MAX = 5;
/** The label of an EndpointSlice with the name of its Service. */
const SERVICE_LABEL = "kubernetes.io/service-name";
/** Reasons for which a container waits for its image. */
const LACKS_IMAGE = /^(ErrImagePull|ImagePullBackOff|ErrImageNeverPull)$/;

/** A configuration of webhooks of either kind, as far as it is judged. */
export type WebhookConfiguration = Pick<ValidatingWebhookConfiguration, "metadata" | "webhooks">;

/** Judges a Node by its conditions. Stopped ones are not judged. */
export function nodeFinding({ metadata, status, spec }: Node): Finding {
  const conditions = status?.conditions ?? [];
  const ready = conditions.find(({ type }) => type === "Ready");
  const logs = `r2k logs node, kubectl describe node ${metadata.name}`;
  if (ready?.status !== "True") return failed(`not Ready: ${ready?.message ?? "unknown"}`, logs);
  const pressed = conditions.filter(({ type, status: is }) => is === "True" && PRESSURES.has(type));
  const pressures = pressed.map(({ type, message }) => `${type}: ${message}`).join("; ");
  if (pressures !== "") return failed(pressures, logs);
  if (!spec.unschedulable) return ok("Ready");
  return warning("Ready, but cordoned", `kubectl uncordon ${metadata.name}`);
}

/**
 * Judges a node's clock by the time that it last wrote into its Lease, which one that is Ready
 * renews every ten seconds.
 */
export function clockFinding({ spec }: Lease, isReady: boolean, now_ms: number): Finding {
  const ahead_ms = Date.parse(spec?.renewTime ?? "") - now_ms;
  const off = (way: string) =>
    failed(`is ${Math.round(Math.abs(ahead_ms) / 1_000)} s ${way} this machine's`, "set it: NTP");
  if (ahead_ms > CLOCK_TOLERANCE_MS) return off("ahead of");
  if (isReady && ahead_ms < -CLOCK_TOLERANCE_MS) return off("behind");
  return ok("as this machine's, within five minutes");
}

/** The nodes of a cluster that have an image, for the remedy of a pod that cannot get it. */
export function imageFinding(pod: Pod, nodes: readonly Node[]): Finding | undefined {
  const { metadata, spec, status } = pod;
  const all = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const lacking = all.find(({ state }) => LACKS_IMAGE.test(state?.waiting?.reason ?? ""));
  if (lacking === undefined || metadata.deletionTimestamp !== undefined) return undefined;
  const { image } = lacking;
  const isIt = (name: string) => name === image || name.endsWith(`/${image}`);
  const having = nodes.filter((node) =>
    node.status?.images?.some((each) => each.names?.some(isIt)),
  );
  if (having.length === 0) return undefined;
  const shown = having.slice(0, NAMED_MAX).map(keyOf).join(", ");
  const { namespace, name } = metadata;
  return failed(
    `${spec.nodeName} lacks ${image}, which it cannot pull; ${shown} has it`,
    "r2k image load FILE gives it to every node; or: kubectl delete pod " +
      `-n ${namespace} ${name}, with a nodeSelector for ${shown}`,
  );
}

/**
 * Judges deletions that do not end: the finding names the finalizers that hold them up. Objects
 * have their kind as kubectl names it: `pods`, `deployments.apps`.
 */
export function deletionFinding(objects: readonly KubeObject[], now_ms: number): Finding {
  const stuck = objects.filter(({ metadata: { deletionTimestamp: since } }) => {
    return since !== undefined && now_ms - Date.parse(since) > DELETION_PATIENCE_MS;
  });
  if (stuck.length === 0) return ok("none waits");
  const names = stuck.slice(0, NAMED_MAX).map((each) => {
    const { finalizers = [] } = each.metadata;
    const why = finalizers.length > 0 ? ` (finalizers ${finalizers.join(", ")})` : "";
    return `${each.kind} ${keyOf(each)}${why}`;
  });
  const more = stuck.length > NAMED_MAX ? ` and ${stuck.length - NAMED_MAX} more` : "";
  return warning(
    `${stuck.length} wait for more than 5 minutes: ${names.join("; ")}${more}`,
    "start the controller that removes the finalizer; if it is gone for good: " +
      `kubectl patch ${stuck[0]!.kind} NAME --type=merge -p '{"metadata":{"finalizers":null}}'`,
  );
}

/** Judges a namespace that is being deleted by what its conditions say is left in it. */
export function namespaceFinding({ metadata, status }: Namespace): Finding | undefined {
  if (metadata.deletionTimestamp === undefined) return undefined;
  const left = (status?.conditions ?? []).filter((each) => each.status === "True");
  if (left.length === 0) return ok("not held up");
  return warning(left.map(({ message }) => message).join("; "), "see what the message names");
}

/** Judges webhooks: those of a Service without a ready endpoint, which refuse what they match. */
export function webhookFinding(
  kind: string,
  { metadata, webhooks = [] }: WebhookConfiguration,
  slices: readonly EndpointSlice[],
): Finding {
  const answering = slices
    .filter(({ endpoints }) => endpoints?.some(({ conditions }) => conditions?.ready !== false))
    .map((slice) => `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_LABEL]}`);
  const silent = webhooks.find(({ clientConfig: { service } }) => {
    return service && !answering.includes(`${service.namespace}/${service.name}`);
  });
  if (silent === undefined) return ok(`${webhooks.length} webhooks`);
  const { namespace, name } = silent.clientConfig.service!;
  const what = `no pod behind ${namespace}/${name} is ready`;
  if (silent.failurePolicy === "Ignore") {
    return warning(`${what}; it is passed over`, "start its pods");
  }
  const remedy = `start its pods, or: kubectl delete ${kind} ${metadata.name}`;
  return failed(`${what}: each request that it matches is refused`, remedy);
}

/** Judges an APIService whose condition Available is not True. */
export function apiServiceFinding({ metadata, status }: Omit<APIService, "spec">) {
  const available = status?.conditions?.find(({ type }) => type === "Available");
  if (available === undefined || available.status === "True") return undefined;
  const remedy = `start its server, or: kubectl delete apiservice ${metadata.name}`;
  return failed(available.message ?? "not available", remedy);
}

/** Whether a pod works, so that it needs no explanation. */
export function isPodWell(pod: Pod): boolean {
  const { metadata, status } = pod;
  if (metadata.deletionTimestamp !== undefined) return true;
  return status?.phase === "Succeeded" || (status?.phase === "Running" && isPodReady(pod));
}
