import type {
  PersistentVolume, PersistentVolumeClaim, Pod,
} from "@raft2kube/api/gen/core/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS, PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { waitFor } from "@raft2kube/std/wait.ts";

const namespace = "default";
const TIMEOUT_MS = 180_000;
const LOOK_MS = 2;

export interface Times {
  /** From the claim's creation until its pod is ready. */
  readonly come_ms: number[];
  /** From the pod's deletion until claim, volume and attachment are gone. */
  readonly go_ms: number[];
}

/** Claims with a pod each, seen through watches. */
export class Claims {
  readonly #client: KubeClient;
  readonly #nodeName: string;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #volumes: Informer<PersistentVolume>;
  readonly #pods: Informer<Pod>;

  constructor(client: KubeClient, nodeName: string) {
    this.#client = client;
    this.#nodeName = nodeName;
    const informer = <T extends KubeObject>(type: ResourceType) =>
      new Informer<T>({ resource: client.resource<T>(type), clock: client.clock });
    this.#claims = informer(PERSISTENT_VOLUME_CLAIMS);
    this.#volumes = informer(PERSISTENT_VOLUMES);
    this.#pods = informer(PODS);
    for (const each of [this.#claims, this.#volumes, this.#pods]) each.start();
  }

  async close(): Promise<void> {
    await Promise.all([this.#claims, this.#volumes, this.#pods].map((each) => each.close()));
  }

  /** Lets so many come and go, some of them at once. */
  async run(names: readonly string[], inFlight: number, className: string): Promise<Times> {
    const times: Times = { come_ms: [], go_ms: [] };
    const left = [...names];
    const work = async () => {
      for (let name = left.shift(); name !== undefined; name = left.shift()) {
        await this.#comeAndGo(name, className, times);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, work));
    return times;
  }

  async #comeAndGo(name: string, className: string, times: Times): Promise<void> {
    const key = `${namespace}/${name}`;
    const place = { namespace, name };
    const claims = this.#client.resource<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS);
    const pods = this.#client.resource<Pod>(PODS);
    const start_ms = performance.now();
    await claims.create({
      metadata: place,
      spec: {
        accessModes: ["ReadWriteOnce"], storageClassName: className,
        resources: { requests: { storage: "1Mi" } },
      },
    });
    await this.#until(`${name} to be bound`, () =>
      this.#claims.store.get(key)?.status?.phase === "Bound");
    const volume = this.#claims.store.get(key)?.spec.volumeName ?? "";
    await pods.create(podOf(name, this.#nodeName));
    await this.#until(`${name} to run`, () =>
      this.#pods.store.get(key)?.status?.phase === "Running");
    const ready_ms = performance.now();
    await pods.delete(place);
    await this.#until(`${name}'s pod to go`, () => this.#pods.store.get(key) === undefined);
    await claims.delete(place);
    await this.#until(`${name}'s volume to go`, () =>
      this.#volumes.store.get(volume) === undefined && this.#claims.store.get(key) === undefined);
    times.come_ms.push(ready_ms - start_ms);
    times.go_ms.push(performance.now() - ready_ms);
  }

  #until(what: string, holds: () => boolean): Promise<unknown> {
    const { clock } = this.#client;
    return waitFor(what, holds, { clock, timeout_ms: TIMEOUT_MS, interval_ms: LOOK_MS });
  }
}

function podOf(name: string, nodeName: string): Pod {
  return {
    metadata: { namespace, name },
    spec: {
      nodeName, automountServiceAccountToken: false,
      containers: [{
        name: "c", image: "c:1", volumeMounts: [{ name: "data", mountPath: "/data" }],
      }],
      volumes: [{ name: "data", persistentVolumeClaim: { claimName: name } }],
    },
  };
}
