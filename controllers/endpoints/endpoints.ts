import type { Endpoints } from "@raft2kube/api/gen/core/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { keyOf, nameOfKey } from "@raft2kube/client-kube/object/object.ts";
import { ENDPOINTS, NODES, PODS, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { filterInSlices } from "@raft2kube/std/slices.ts";
import type { ControllerContext, Running } from "../context.ts";
import { picks, watchEndpoints } from "../endpoint-pods.ts";
import { NAMESPACE_INDEX } from "../indexes.ts";
import { startLoop } from "../loop.ts";
import { TriggerTimes, withTriggerTime } from "../trigger-times.ts";
import { endpointsChanged, isOwn, planEndpoints } from "./plan.ts";

const ACCOUNT = "endpoint-controller";

/** Keeps the Endpoints object of each Service that has a selector. */
export function startEndpoints(context: ControllerContext): Running {
  const services = context.informers.of(SERVICES);
  const pods = context.informers.of(PODS);
  const nodes = context.informers.of(NODES);
  const endpoints = context.informers.of(ENDPOINTS);
  const writer = context.client(ACCOUNT).resource(ENDPOINTS);
  const triggers = new TriggerTimes();

  const reconcile = async (key: string) => {
    const service = services.store.get(key);
    const old = endpoints.store.get(key);
    if (!service) {
      triggers.forget(key);
      if (old) await remove(key);
      return;
    }
    if (!service.spec?.selector || service.spec.type === "ExternalName") return;
    const around = pods.store.by(NAMESPACE_INDEX, service.metadata.namespace ?? "");
    const picked = await filterInSlices(around, (pod) => picks(service, pod));
    const changed = triggers.next(key, service, picked);
    const planned = planEndpoints(service, picked, old, (name) => nodes.store.get(name));
    if (!endpointsChanged(old, planned)) return;
    planned.metadata = withTriggerTime(planned.metadata, changed);
    if (old) await writer.update(planned);
    else await writer.create(planned);
  };

  const remove = async (key: string) => {
    await undefinedIfNotFound(writer.delete(nameOfKey(key)));
  };

  const reads = [services, pods, nodes, endpoints];
  const loop = startLoop(context, { queue: "endpoint", name: ACCOUNT, reads, reconcile });
  watchEndpoints(services, pods, nodes, (key) => loop.queue.add(key));
  // One that was changed or removed by hand is put right; one without a Service is its maker's.
  const look = (object: Endpoints) => {
    const key = keyOf(object);
    if (services.store.get(key)) loop.queue.add(key);
  };
  endpoints.handle({
    added(object) {
      const key = keyOf(object);
      // Its Service may have gone while no controller ran (upstream's checkLeftoverEndpoints).
      if (isOwn(object) && !services.store.get(key)) loop.queue.add(key);
    },
    updated: look,
    deleted: look,
  });
  return loop;
}
