import type { PersistentVolume, PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { waitFor } from "@raft2kube/std/wait.ts";

const namespace = "default";
const TIMEOUT_MS = 180_000;
const LOOK_MS = 2;

export interface Times {
  /** Time from the claim's creation until its pod is ready. */
  readonly come_ms: number[];
  /** Parts of it: until the claim is bound, then until its volume is attached. */
  readonly bound_ms: number[];
  readonly attached_ms: number[];
  /** Time from the pod's deletion until claim, volume and attachment are gone. */
  readonly go_ms: number[];
}

/** Claims with a pod each, seen through watches. */
export class Claims {
  readonly #client: KubeClient;
  readonly #nodeName: string;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #volumes: Informer<PersistentVolume>;
  readonly #pods: Informer<Pod>;
  readonly #attachments: Informer<VolumeAttachment>;

  constructor(client: KubeClient, nodeName: string) {
    this.#client = client;
    this.#nodeName = nodeName;
    const informer = <T extends KubeObject>(type: ResourceType<T>) =>
      new Informer<T>({ resource: client.resource(type), clock: client.clock });
    this.#claims = informer(PERSISTENT_VOLUME_CLAIMS);
    this.#volumes = informer(PERSISTENT_VOLUMES);
    this.#pods = informer(PODS);
    this.#attachments = informer(VOLUME_ATTACHMENTS);
    for (const each of this.#informers) each.start();
  }

  get #informers() {
    return [this.#claims, this.#volumes, this.#pods, this.#attachments];
  }

  async close(): Promise<void> {
    await Promise.all(this.#informers.map((each) => each.close()));
  }

  /** Creates and deletes the claims of `names`, `inFlight` of them concurrently. */
  async run(names: readonly string[], inFlight: number, className: string): Promise<Times> {
    const times: Times = { come_ms: [], bound_ms: [], attached_ms: [], go_ms: [] };
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
    const claims = this.#client.resource(PERSISTENT_VOLUME_CLAIMS);
    const pods = this.#client.resource(PODS);
    const start_ms = performance.now();
    await claims.create({
      metadata: place,
      spec: {
        accessModes: ["ReadWriteOnce"],
        storageClassName: className,
        resources: { requests: { storage: "1Mi" } },
      },
    });
    await this.#until(
      `${name} to be bound`,
      () => this.#claims.store.get(key)?.status?.phase === "Bound",
    );
    const volume = this.#claims.store.get(key)?.spec.volumeName ?? "";
    const bound_ms = performance.now();
    await pods.create(podOf(name, this.#nodeName));
    await this.#until(`${name}'s volume to be attached`, () => this.#isAttached(volume));
    const attached_ms = performance.now();
    await this.#until(
      `${name} to run`,
      () => this.#pods.store.get(key)?.status?.phase === "Running",
    );
    const ready_ms = performance.now();
    await pods.delete(place);
    await this.#until(`${name}'s pod to go`, () => this.#pods.store.get(key) === undefined);
    await claims.delete(place);
    await this.#until(
      `${name}'s volume to go`,
      () =>
        this.#volumes.store.get(volume) === undefined && this.#claims.store.get(key) === undefined,
    );
    times.come_ms.push(ready_ms - start_ms);
    times.bound_ms.push(bound_ms - start_ms);
    times.attached_ms.push(attached_ms - bound_ms);
    times.go_ms.push(performance.now() - ready_ms);
  }

  #isAttached(volume: string): boolean {
    const its = ({ spec, status }: VolumeAttachment) =>
      spec.source.persistentVolumeName === volume && status?.attached === true;
    return this.#attachments.store.list().some(its);
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
      nodeName,
      automountServiceAccountToken: false,
      containers: [
        { name: "c", image: "c:1", volumeMounts: [{ name: "data", mountPath: "/data" }] },
      ],
      volumes: [{ name: "data", persistentVolumeClaim: { claimName: name } }],
    },
  };
}
