import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { nameOf } from "@raft2kube/client-kube/object.ts";
import { ENDPOINT_SLICES, NODES, PODS, SERVICES } from "@raft2kube/client-kube/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { picks, watchEndpoints } from "../endpoint-pods.ts";
import { NAMESPACE_INDEX } from "../indexes.ts";
import { startLoop } from "../loop.ts";
import { WriteTracker } from "../write-tracker.ts";
import { MANAGED_BY, MANAGER, planSlices, SERVICE_NAME, type SlicesPlan } from "./plan.ts";

const ACCOUNT = "endpointslice-controller";
const SERVICE_INDEX = "service";
const UNSEEN_MS = 50;

/** Keeps the EndpointSlices of each Service that has a selector. */
export function startEndpointSlices(context: ControllerContext): Running {
  const services = context.informers.of<Service>(SERVICES);
  const pods = context.informers.of<Pod>(PODS);
  const nodes = context.informers.of<Node>(NODES);
  const slices = context.informers.of<EndpointSlice>(ENDPOINT_SLICES);
  slices.index(SERVICE_INDEX, (slice) => [serviceKey(slice) ?? ""]);
  const writer = context.client(ACCOUNT).resource<EndpointSlice>(ENDPOINT_SLICES);
  const tracker = new WriteTracker(context.clock);

  const reconcile = async (key: string) => {
    const service = services.store.get(key);
    // Slices of a Service that is gone go with it: it owns them.
    if (!service) return tracker.forget(key);
    if (!service.spec?.selector || service.spec.type === "ExternalName") return;
    if (service.metadata.deletionTimestamp) return;
    if (!tracker.isSeen(key, slices.store)) return { again_ms: UNSEEN_MS };
    const around = pods.store.by(NAMESPACE_INDEX, service.metadata.namespace ?? "");
    const picked = around.filter((pod) => picks(service, pod));
    const existing = slices.store.by(SERVICE_INDEX, key);
    const nodeOf = (name: string) => nodes.store.get(name);
    await apply(key, planSlices(service, picked, existing, nodeOf));
  };

  const apply = async (key: string, plan: SlicesPlan) => {
    for (const slice of plan.create) tracker.wrote(key, await writer.create(slice));
    for (const slice of plan.update) tracker.wrote(key, await writer.update(slice));
    for (const slice of plan.delete) {
      tracker.removed(key, slice);
      try {
        await writer.delete(nameOf(slice), { preconditions: { uid: slice.metadata.uid } });
      } catch (thrown) {
        tracker.gone(key, slice);
        if (!isNotFound(thrown)) throw thrown;
      }
    }
  };

  const reads = [services, pods, nodes, slices];
  const loop = startLoop(context, { name: ACCOUNT, reads, reconcile });
  watchEndpoints(services, pods, (key) => loop.queue.add(key));
  // One that was changed or removed by hand is put right.
  slices.handle({
    updated(slice) {
      const key = serviceKey(slice);
      if (key !== undefined) loop.queue.add(key);
    },
    deleted(slice) {
      const key = serviceKey(slice);
      if (key === undefined) return;
      tracker.gone(key, slice);
      loop.queue.add(key);
    },
  });
  return loop;
}

/** The Service that one of our slices belongs to; undefined for those that others keep. */
function serviceKey({ metadata }: EndpointSlice): string | undefined {
  const service = metadata.labels?.[SERVICE_NAME];
  if (service === undefined || metadata.labels?.[MANAGED_BY] !== MANAGER) return undefined;
  return `${metadata.namespace ?? ""}/${service}`;
}
