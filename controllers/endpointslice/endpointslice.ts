import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { NODES, PODS, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { filterInSlices } from "@raft2kube/std/slices.ts";
import type { ControllerContext, Running } from "../context.ts";
import { canServe, picks, watchEndpoints } from "../endpoint-pods.ts";
import { NAMESPACE_INDEX } from "../indexes.ts";
import { PORTS_OF_SERVICE_MAX, UNSEEN_MS, UNSEEN_NODE_MS } from "../limits.ts";
import { closeAll, startLoop } from "../loop.ts";
import { TriggerTimes } from "../trigger-times.ts";
import { isPlaced, isTopologyAuto } from "./desired.ts";
import { OwnSlices } from "./own-slices.ts";
import { MANAGER, planSlices, withTime } from "./plan.ts";
import { isMoved } from "./topology.ts";
import { TopologyHints } from "./topology-hints.ts";

const ACCOUNT = "endpointslice-controller";
const COMPONENT = "endpoint-slice-controller";
const TOO_MANY_PORTS =
  `its pods offer different lists of ports, more than ${PORTS_OF_SERVICE_MAX} ports together: ` +
  "pods with a further list are no endpoints; give a port the same number in all";

/** Keeps the EndpointSlices of each Service that has a selector. */
export function startEndpointSlices(context: ControllerContext): Running {
  const services = context.informers.of(SERVICES);
  const pods = context.informers.of(PODS);
  const nodes = context.informers.of(NODES);
  const slices = new OwnSlices(context, ACCOUNT, MANAGER);
  const recorder = context.recorder(ACCOUNT, COMPONENT);
  const [topology, triggers] = [new TopologyHints(() => nodes.store.list()), new TriggerTimes()];

  const reconcile = async (key: string) => {
    const service = services.store.get(key);
    // Slices of a Service that is gone go with it: it owns them.
    if (!service) {
      topology.forget(key);
      triggers.forget(key);
      return slices.forget(key);
    }
    if (!service.spec?.selector || service.spec.type === "ExternalName") return;
    if (service.metadata.deletionTimestamp) return;
    if (!slices.isSeen(key)) return { again_ms: UNSEEN_MS };
    const around = pods.store.by(NAMESPACE_INDEX, service.metadata.namespace ?? "");
    const nodeOf = (name: string) => nodes.store.get(name);
    const serves = (pod: Pod) => picks(service, pod) && canServe(pod, nodeOf);
    const picked = await filterInSlices(around, serves);
    const placed = picked.filter((pod) => isPlaced(service, pod, nodeOf));
    const before = slices.of(key);
    const changed = triggers.next(key, service, picked);
    const planned = planSlices(service, placed, before, nodeOf);
    if (planned.leftOut) recorder.record(service, "Warning", "TooManyPorts", TOO_MANY_PORTS);
    const { plan, notes } = topology.apply(key, service, before, planned);
    await slices.apply(key, withTime(plan, changed));
    for (const { type, reason, message } of notes) recorder.record(service, type, reason, message);
    if (placed.length < picked.length) return { again_ms: UNSEEN_NODE_MS };
  };

  const reads = [services, pods, nodes, slices.informer];
  const loop = startLoop(context, { queue: "endpoint_slice", name: ACCOUNT, reads, reconcile });
  watchEndpoints(services, pods, nodes, (key) => loop.queue.add(key));
  slices.watch((key) => loop.queue.add(key));
  const move = () => {
    topology.moved();
    for (const service of services.store.list()) {
      if (isTopologyAuto(service)) loop.queue.add(keyOf(service));
    }
  };
  nodes.handle({
    added: move,
    updated(node, before) {
      if (isMoved(node, before)) move();
    },
    deleted: move,
  });
  return closeAll(loop, recorder);
}
