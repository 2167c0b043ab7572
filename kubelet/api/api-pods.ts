import { isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CONFIG_SOURCE, fullNameOf, isStatic, uidOf } from "../pods/pod-identity.ts";
import type { PodSourceSink } from "../pods/static-source.ts";
import type { ApiConnection } from "./api-connection.ts";
import { MirrorPods } from "./mirror-pods.ts";

export interface ApiPodsOptions {
  api: ApiConnection;
  clock: Clock;
  statics(): Pod[];
  /** The registered Node; undefined before the registration. */
  node(): { name: string; uid: string } | undefined;
}

/** Pods that the API assigns to this node, and the mirrors of its static pods. */
export class ApiPods {
  readonly mirrors: MirrorPods;
  readonly #api: ApiConnection;
  readonly #statics: () => Pod[];

  constructor({ api, clock, statics, node }: ApiPodsOptions) {
    this.#api = api;
    this.#statics = statics;
    const pods = api.client.resource(PODS);
    const mirrors = () => api.pods.store.list().filter(isMirrorPod);
    this.mirrors = new MirrorPods({ pods, clock, statics, mirrors, node });
  }

  /** Starts the informers, and puts the node's pods into `sink` from then on. */
  start(sink: PodSourceSink): void {
    const { informers, pods, statuses } = this.#api;
    const put = (pod: Pod) => {
      if (!isMirrorPod(pod)) return sink.put(fromApi(pod));
      const uid = this.#staticUid(pod);
      if (uid) statuses.rewrite(uid);
      this.mirrors.trigger();
    };
    pods.handle({
      added: put,
      updated: (pod, old) => {
        if (!isMirrorPod(pod) || pod.metadata.deletionTimestamp) put(pod);
        else if (uidOf(pod) !== uidOf(old)) put(pod);
        else statuses.review(this.#staticUid(pod) ?? "");
      },
      deleted: (pod) => {
        if (isMirrorPod(pod)) this.mirrors.trigger();
        else sink.remove(uidOf(pod));
      },
    });
    informers.start();
    void pods.synced.then(() => this.mirrors.trigger());
  }

  /** Resolves when all pods of the node have been put. */
  get synced(): Promise<void> {
    return this.#api.pods.synced;
  }

  close(): Promise<void> {
    return this.mirrors.close();
  }

  #staticUid(mirror: Pod): string | undefined {
    const name = fullNameOf(mirror);
    const pod = this.#statics().find((one) => fullNameOf(one) === name);
    return pod && uidOf(pod);
  }
}

/**
 * The pod with the source that it has, as upstream's kubelet sees it. By the annotation of a static
 * pod the pod of a tenant would never be evicted.
 */
function fromApi(pod: Pod): Pod {
  if (!isStatic(pod)) return pod;
  const annotations = { ...pod.metadata.annotations, [CONFIG_SOURCE]: "api" };
  return { ...pod, metadata: { ...pod.metadata, annotations } };
}
