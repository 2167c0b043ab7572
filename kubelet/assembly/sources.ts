import type { Clock } from "@raft2kube/std/clock.ts";
import type { ApiConnection } from "../api/api-connection.ts";
import { ApiPods } from "../api/api-pods.ts";
import { type ConnectedRuntime, updatePodCidrs } from "../cri/runtime.ts";
import { NODE_LEASE_S } from "../limits.ts";
import type { LocalNode } from "../node/local-node.ts";
import { NodeReporter } from "../node/node-reporter.ts";
import type { KubeletOptions } from "../options.ts";
import { type PodSourceSink, StaticSource } from "../pods/static-source.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import type { VolumesInUse } from "../volumes/volumes-in-use.ts";

/** Returns the reporter of the Node; `port` is that of the kubelet's API. */
export function nodeReporter(
  options: KubeletOptions,
  { clock, runtime }: ConnectedRuntime,
  { client, informers, recorder }: ApiConnection,
  { node, inUse, port }: { node: LocalNode; inUse: VolumesInUse; port: number | undefined },
): NodeReporter {
  const reporter = new NodeReporter({
    client,
    informers,
    recorder,
    clock,
    description: node.description,
    async status(previous) {
      const status = await node.status(previous, port);
      return { ...status, volumesInUse: inUse.list() };
    },
    mustReport: () => inUse.hasUnshown(),
    reported: ({ volumesInUse = [] }) => inUse.shown(volumesInUse),
    seen({ status }) {
      inUse.sawAttached(status?.volumesAttached);
      if (node.advertise(status?.capacity)) reporter.trigger();
    },
    lease_s: options.nodeLease_s ?? NODE_LEASE_S,
    async onPodCidrs(podCidrs) {
      await updatePodCidrs(runtime, podCidrs);
      await options.onPodCidrs?.(podCidrs);
    },
  });
  return reporter;
}

export interface SourceParts {
  clock: Clock;
  api: ApiConnection | undefined;
  workers: PodWorkers;
  reporter: NodeReporter | undefined;
}

/** Starts the sources of pods, and the reporter of the Node, which the API's pods depend on. */
export function startSources(
  { staticPodDir, nodeName }: KubeletOptions,
  { clock, api, workers, reporter }: SourceParts,
) {
  const sink: PodSourceSink = {
    put: (pod) => workers.put(pod),
    remove(uid) {
      workers.remove(uid);
      api?.statuses.forget(uid);
    },
  };
  const unusable = (file: string, reason: string) => {
    const message = `static pod file ${file}: ${reason}; its last valid pod goes on`;
    reporter?.record("Warning", "InvalidStaticPod", message);
  };
  const statics = staticPodDir
    ? new StaticSource({ dir: staticPodDir, nodeName, clock, sink, unusable })
    : undefined;
  const listStatics = () => statics?.list() ?? [];
  const apiPods =
    api && new ApiPods({ api, clock, statics: listStatics, node: () => reporter?.node });
  const mirrorsChanged = () => apiPods?.mirrors.trigger();
  statics?.start(mirrorsChanged);
  apiPods?.start(sink);
  reporter?.start(mirrorsChanged);
  return { statics, apiPods, synced: [statics?.synced, apiPods?.synced] };
}
