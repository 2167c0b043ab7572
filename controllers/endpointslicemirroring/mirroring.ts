import type { Endpoints, Service } from "@raft2kube/api/gen/core/v1.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { ENDPOINTS, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { OwnSlices } from "../endpointslice/own-slices.ts";
import { UNSEEN_MS } from "../limits.ts";
import { startLoop } from "../loop.ts";
import { isMirrored, MIRROR_MANAGER, planMirror } from "./plan.ts";

const ACCOUNT = "endpointslicemirroring-controller";

/** Keeps slices of Endpoints objects written by hand: proxies and DNS read nothing else. */
export function startEndpointSliceMirroring(context: ControllerContext): Running {
  const services = context.informers.of(SERVICES);
  const endpoints = context.informers.of(ENDPOINTS);
  const slices = new OwnSlices(context, ACCOUNT, MIRROR_MANAGER);

  const reconcile = async (key: string) => {
    const object = endpoints.store.get(key);
    // Slices of an object that is gone go with it: it owns them.
    if (!object) return slices.forget(key);
    if (!slices.isSeen(key)) return { again_ms: UNSEEN_MS };
    const mirrored = isMirrored(services.store.get(key), object) ? object : undefined;
    await slices.apply(key, planMirror(mirrored, slices.of(key)));
  };

  const reads = [services, endpoints, slices.informer];
  const loop = startLoop(context, {
    queue: "endpoint_slice_mirroring",
    name: ACCOUNT,
    reads,
    reconcile,
  });
  const look = (object: Endpoints | Service) => loop.queue.add(keyOf(object));
  endpoints.handle({ added: look, updated: look, deleted: look });
  services.handle({ added: look, updated: look, deleted: look });
  slices.watch((key) => loop.queue.add(key));
  return loop;
}
