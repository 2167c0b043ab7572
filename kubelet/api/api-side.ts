import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { MirrorPods } from "./mirror-pods.ts";
import { apiObjects } from "./objects.ts";
import { apiPodEvents } from "./pod-events.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import type { PodObjects } from "../pods/pod-objects.ts";
import {
  CONFIG_HASH,
  CONFIG_MIRROR,
  fullNameOf,
  isMirror,
  isStatic,
  uidOf,
} from "../pods/pod-identity.ts";
import type { PodSourceSink } from "../pods/static-source.ts";
import { StatusWriter } from "../status/status-writer.ts";

export interface ApiSideOptions {
  client: KubeClient;
  nodeName: string;
  clock: Clock;
  statics(): Pod[];
  /** The registered Node, once it is. */
  node(): { name: string; uid: string } | undefined;
}

/**
 * Everything a kubelet does with its API server about pods: reads them, shows them, tells events.
 */
export class ApiSide {
  readonly objects: PodObjects;
  readonly events: PodEventSink;
  readonly recorder: EventRecorder;
  readonly statuses: StatusWriter;
  readonly mirrors: MirrorPods;
  readonly informers: InformerSet;
  readonly #pods: Informer<Pod>;
  readonly #statics: () => Pod[];

  constructor(options: ApiSideOptions) {
    const { client, nodeName, clock, statics, node } = options;
    this.#statics = statics;
    this.informers = new InformerSet(client, clock);
    this.#pods = this.informers.of<Pod>(PODS, { fieldSelector: `spec.nodeName=${nodeName}` });
    this.objects = apiObjects(client, this.informers, clock);
    this.recorder = new EventRecorder({ client, component: "kubelet", host: nodeName, clock });
    this.events = apiPodEvents(this.recorder);
    const pods = client.resource<Pod>(PODS);
    const objectOf = (pod: Pod) => (isStatic(pod) ? this.#mirrorOf(pod) : pod);
    this.statuses = new StatusWriter({ pods, clock, objectOf });
    const mirrors = () => this.#pods.store.list().filter(isMirror);
    this.mirrors = new MirrorPods({ pods, clock, statics, mirrors, node });
  }

  /** Begins to give the node's pods to `sink`. */
  start(sink: PodSourceSink): void {
    const put = (pod: Pod) => {
      if (!isMirror(pod)) return sink.put(pod);
      const uid = this.#staticUid(pod);
      if (uid) this.statuses.rewrite(uid);
      this.mirrors.trigger();
    };
    this.#pods.handle({
      added: put,
      updated: (pod, old) => {
        if (!isMirror(pod) || pod.metadata.deletionTimestamp) put(pod);
        else if (uidOf(pod) !== uidOf(old)) put(pod);
        else this.statuses.review(this.#staticUid(pod) ?? "");
      },
      deleted: (pod) => {
        if (isMirror(pod)) this.mirrors.trigger();
        else sink.remove(uidOf(pod));
      },
    });
    this.informers.start();
    void this.#pods.synced.then(() => this.mirrors.trigger());
  }

  /** Resolves when all pods of the node have been given. */
  get synced(): Promise<void> {
    return this.#pods.synced;
  }

  async close(): Promise<void> {
    this.statuses.close();
    await this.mirrors.close();
    await this.informers.close();
    await this.recorder.close();
  }

  #mirrorOf(pod: Pod): Pod | undefined {
    const mirror = this.#pods.store.get(fullNameOf(pod));
    const hash = mirror?.metadata.annotations?.[CONFIG_MIRROR];
    return hash === pod.metadata.annotations?.[CONFIG_HASH] ? mirror : undefined;
  }

  #staticUid(mirror: Pod): string | undefined {
    const name = fullNameOf(mirror);
    const pod = this.#statics().find((one) => fullNameOf(one) === name);
    return pod && uidOf(pod);
  }
}
