import { MIRROR_ANNOTATION } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { CONFIG_HASH, fullNameOf, isStatic, uidOf } from "../pods/pod-identity.ts";
import type { PodObjects } from "../pods/pod-objects.ts";
import { StatusWriter } from "../status/status-writer.ts";
import { apiObjects } from "./objects.ts";
import { apiPodEvents } from "./pod-events.ts";

/** The kubelet's shared parts of the API: informers, events, and statuses of pods. */
export class ApiConnection {
  readonly client: KubeClient;
  readonly informers: InformerSet;
  /** The pods that are assigned to this node, mirrors included. */
  readonly pods: Informer<Pod>;
  readonly objects: PodObjects;
  readonly recorder: EventRecorder;
  readonly events: PodEventSink;
  readonly statuses: StatusWriter;

  constructor(client: KubeClient, nodeName: string, clock: Clock) {
    this.client = client;
    this.informers = new InformerSet(client, clock);
    this.pods = this.informers.of(PODS, { fieldSelector: `spec.nodeName=${nodeName}` });
    this.objects = apiObjects(client, this.informers, clock);
    this.recorder = new EventRecorder({ client, component: "kubelet", host: nodeName, clock });
    this.events = apiPodEvents(this.recorder);
    const pods = client.resource(PODS);
    const objectOf = (pod: Pod) => {
      if (isStatic(pod)) return this.#mirrorOf(pod);
      // Another of its name, on another node or none, may not be written: it would fail again.
      return this.pods.store.get(fullNameOf(pod))?.metadata.uid === uidOf(pod) ? pod : undefined;
    };
    this.statuses = new StatusWriter({ pods, clock, objectOf });
  }

  async close(): Promise<void> {
    this.statuses.close();
    await this.informers.close();
    await this.recorder.close();
  }

  #mirrorOf(pod: Pod): Pod | undefined {
    const mirror = this.pods.store.get(fullNameOf(pod));
    const hash = mirror?.metadata.annotations?.[MIRROR_ANNOTATION];
    return hash === pod.metadata.annotations?.[CONFIG_HASH] ? mirror : undefined;
  }
}
