import type { Endpoints, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object.ts";
import { ENDPOINT_SLICES, ENDPOINTS, SERVICES } from "@raft2kube/client-kube/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { MANAGED_BY, SERVICE_NAME } from "../endpointslice/plan.ts";
import { startLoop } from "../loop.ts";
import { WriteTracker } from "../write-tracker.ts";
import { isMirrored, MIRROR_MANAGER, planMirror } from "./plan.ts";

const ACCOUNT = "endpointslicemirroring-controller";
const MIRROR_INDEX = "mirror";
const UNSEEN_MS = 50;

/** Keeps slices of Endpoints objects written by hand: proxies and DNS read nothing else. */
export function startEndpointSliceMirroring(context: ControllerContext): Running {
  const services = context.informers.of<Service>(SERVICES);
  const endpoints = context.informers.of<Endpoints>(ENDPOINTS);
  const slices = context.informers.of<EndpointSlice>(ENDPOINT_SLICES);
  slices.index(MIRROR_INDEX, (slice) => [mirrorKey(slice) ?? ""]);
  const writer = context.client(ACCOUNT).resource<EndpointSlice>(ENDPOINT_SLICES);
  const tracker = new WriteTracker(context.clock);

  const reconcile = async (key: string) => {
    const object = endpoints.store.get(key);
    // Slices of an object that is gone go with it: it owns them.
    if (!object) return tracker.forget(key);
    if (!tracker.isSeen(key, slices.store)) return { again_ms: UNSEEN_MS };
    const mirrored = isMirrored(services.store.get(key), object);
    const existing = slices.store.by(MIRROR_INDEX, key);
    const plan = planMirror(mirrored ? object : undefined, existing);
    for (const slice of plan.create) tracker.wrote(key, await writer.create(slice));
    for (const slice of plan.update) tracker.wrote(key, await writer.update(slice));
    for (const slice of plan.delete) await remove(key, slice);
  };

  const remove = async (key: string, slice: EndpointSlice) => {
    tracker.removed(key, slice);
    try {
      await writer.delete(nameOf(slice), { preconditions: { uid: slice.metadata.uid } });
    } catch (thrown) {
      tracker.gone(key, slice);
      if (!isNotFound(thrown)) throw thrown;
    }
  };

  const reads = [services, endpoints, slices];
  const loop = startLoop(context, { name: ACCOUNT, reads, reconcile });
  const look = (object: Endpoints | Service) => loop.queue.add(keyOf(object));
  endpoints.handle({ added: look, updated: look, deleted: look });
  services.handle({ added: look, updated: look, deleted: look });
  slices.handle({
    updated(slice) {
      const key = mirrorKey(slice);
      if (key !== undefined) loop.queue.add(key);
    },
    deleted(slice) {
      const key = mirrorKey(slice);
      if (key === undefined) return;
      tracker.gone(key, slice);
      loop.queue.add(key);
    },
  });
  return loop;
}

/** The Endpoints object that one of our slices mirrors; undefined for others' slices. */
function mirrorKey({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[SERVICE_NAME];
  if (name === undefined || metadata.labels?.[MANAGED_BY] !== MIRROR_MANAGER) return undefined;
  return `${metadata.namespace ?? ""}/${name}`;
}
