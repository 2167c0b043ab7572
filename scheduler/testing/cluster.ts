import type { Namespace, Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Handler } from "@raft2kube/client-kube/informer/copy.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { onTestFinished } from "vitest";
import { SchedulerCache } from "../cache.ts";
import { Framework } from "../framework/framework.ts";
import type {
  FilterPlugin,
  Plugin,
  PostFilterPlugin,
  PostFilterResult,
} from "../framework/plugin.ts";
import { unschedulable } from "../framework/status.ts";
import { Nominator } from "../nominator.ts";
import { SchedulingQueue } from "../queue.ts";
import { Scheduler } from "../scheduler.ts";
import { watchCluster } from "../watch-cluster.ts";
import { node, pod } from "./objects.ts";

export const PROFILE = "default-scheduler";

/** A plugin whose filter takes no pod, with the given results of PostFilter. */
export const fullPlugin = (results: PostFilterResult[] = []): FilterPlugin & PostFilterPlugin => ({
  name: "Full",
  events: ["PodLabelChange", "AssignedPodDelete"],
  filter: () => unschedulable("full"),
  postFilter: async () => results.shift()!,
});

/** A scheduler of node n with these plugins, whose informers show what a test gives them. */
export function cluster(...plugins: Plugin[]) {
  const clock = new ManualClock();
  const queue = new SchedulingQueue({ clock, plugins });
  const cache = new SchedulerCache({ get: () => undefined } as unknown as ReadStore<Namespace>);
  const nominator = new Nominator();
  const pods = new Map<string, Pod>();
  const handlers: Handler<Pod>[] = [];
  const nodeHandlers: Handler<Node>[] = [];
  watchCluster({
    pods: { handle: (given) => (handlers.push(given), () => undefined) },
    nodes: { handle: (given) => (nodeHandlers.push(given), () => undefined) },
    namespaces: { handle: () => () => undefined },
    cache,
    queue,
    nominator,
    isOurs: () => true,
  });
  const showNode = (shown: Node) => {
    for (const each of nodeHandlers) each.added?.(shown);
  };
  showNode(node("n"));
  const patches: unknown[] = [];
  const scheduler = new Scheduler({
    pods: {
      patch: async ({ name }, _type, patch) => {
        patches.push([name, (patch as Pod).status]);
        return pods.get(name)!;
      },
    },
    cache,
    queue,
    nominator,
    recorder: { record: () => undefined },
    clock,
    random: seededRandom(1),
    profiles: new Map([[PROFILE, new Framework(plugins)]]),
    current: ({ metadata }) => pods.get(metadata.name ?? ""),
  });
  onTestFinished(() => scheduler.close());
  const show = (shown: Pod, old?: Pod) => {
    pods.set(shown.metadata.name ?? "", shown);
    for (const each of handlers) old ? each.updated?.(shown, old) : each.added?.(shown);
  };
  const remove = (gone: Pod) => {
    pods.delete(gone.metadata.name ?? "");
    for (const each of handlers) each.deleted?.(gone);
  };
  const removeNode = (gone: Node) => {
    for (const each of nodeHandlers) each.deleted?.(gone);
  };
  /** The pods that the node is kept for. */
  const kept = () =>
    nominator.removeLower(pod("any", { priority: 1000 }), "n").map(({ metadata }) => metadata.name);
  return {
    ...{ clock, queue, cache, nominator, patches, scheduler },
    ...{ show, remove, showNode, removeNode, kept },
  };
}
