import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeRequest, KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import { groupResourceOf, type ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import type { ControllerContext } from "../context.ts";
import { ControllerMetrics } from "../metrics/metrics.ts";
import { NOW_MS } from "./objects.ts";

type RecordedEvent = { about: string | undefined; type: string; reason: string; message: string };

/**
 * The context of a controller, with objects in the `copies` of its informers by group resource, and
 * a server that answers with `answer`, or fails with what that throws. `events` are those recorded.
 */
export function loopContext(
  objects: Record<string, KubeObject[]>,
  answer: (request: KubeRequest) => unknown,
): {
  context: ControllerContext;
  clock: ManualClock;
  copies: Map<string, InformerCopy<KubeObject>>;
  events: RecordedEvent[];
} {
  const clock = new ManualClock(NOW_MS);
  const request = async (asked: KubeRequest) => answer(asked);
  const requester = { request, send: request } as unknown as KubeRequester;
  const copies = new Map<string, InformerCopy<KubeObject>>();
  const informerOf = (type: ResourceType) => {
    const name = groupResourceOf(type);
    const informer = copies.get(name) ?? new InformerCopy();
    if (!copies.has(name)) informer.replace(objects[name] ?? []);
    copies.set(name, informer);
    return Object.assign(informer, { synced: Promise.resolve() });
  };
  const events: RecordedEvent[] = [];
  const record = (about: KubeObject, type: string, reason: string, message: string) => {
    events.push({ about: about.metadata.name, type, reason, message });
  };
  const context = {
    clock,
    settings: {},
    metrics: new ControllerMetrics("https://server", clock),
    informers: { of: informerOf },
    client: () => ({
      request,
      resource: (type: ResourceType) => new ResourceClient(requester, type),
    }),
    recorder: () => ({ record, close: () => Promise.resolve() }),
  };
  return { context: context as unknown as ControllerContext, clock, copies, events };
}
