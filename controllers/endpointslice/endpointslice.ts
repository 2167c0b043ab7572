import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import { NODES, PODS, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { picks, watchEndpoints } from "../endpoint-pods.ts";
import { NAMESPACE_INDEX } from "../indexes.ts";
import { UNSEEN_MS } from "../limits.ts";
import { startLoop } from "../loop.ts";
import { OwnSlices } from "./own-slices.ts";
import { MANAGER, planSlices } from "./plan.ts";

const ACCOUNT = "endpointslice-controller";

/** Keeps the EndpointSlices of each Service that has a selector. */
export function startEndpointSlices(context: ControllerContext): Running {
  const { endpointSlices: metrics } = context.metrics;
  const services = context.informers.of<Service>(SERVICES);
  const pods = context.informers.of<Pod>(PODS);
  const nodes = context.informers.of<Node>(NODES);
  const slices = new OwnSlices(context, ACCOUNT, MANAGER);

  const reconcile = async (key: string) => {
    const service = services.store.get(key);
    // Slices of a Service that is gone go with it: it owns them.
    if (!service) {
      metrics.forget(key);
      return slices.forget(key);
    }
    if (!service.spec?.selector || service.spec.type === "ExternalName") return;
    if (service.metadata.deletionTimestamp) return;
    if (!slices.isSeen(key)) {
      metrics.synced("stale");
      return { again_ms: UNSEEN_MS };
    }
    const around = pods.store.by(NAMESPACE_INDEX, service.metadata.namespace ?? "");
    const picked = around.filter((pod) => picks(service, pod));
    const nodeOf = (name: string) => nodes.store.get(name);
    const before = slices.of(key);
    const plan = planSlices(service, picked, before, nodeOf);
    try {
      await slices.apply(key, plan);
    } catch (thrown) {
      metrics.synced("error");
      throw thrown;
    }
    metrics.synced("success");
    metrics.changed(key, { before, ...plan });
  };

  const reads = [services, pods, nodes, slices.informer];
  const loop = startLoop(context, { queue: "endpoint_slice", name: ACCOUNT, reads, reconcile });
  watchEndpoints(services, pods, (key) => loop.queue.add(key));
  slices.watch((key) => loop.queue.add(key));
  return loop;
}
