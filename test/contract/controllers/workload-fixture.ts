import type { ControllerRevision } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod, PodTemplateSpec } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  CONTROLLER_REVISIONS,
  EVENTS,
  NODES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { waitFor } from "../../../testing/wait.ts";
import type { PlaneAccess } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";

export const TIMEOUT_MS = 120_000;
const namespace = "default";
/** Pods with this annotation do not get ready. */
const UNREADY = "test/unready";
/** A container of a pod with this annotation has ended with this code. */
const EXIT = "test/exit";

type Propagation = "Background" | "Foreground" | "Orphan";
/** An object whose status is looked at. */
export type Counted = KubeObject & { spec: object; status?: object };

/** The reference that an object has to its controller. */
export const controllerRef = (
  apiVersion: string,
  kind: string,
  name: string,
  uid: string | undefined,
) => ({ apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true });

/** Objects of one kind on nodes of their own, by a client with all rights. */
export class WorkloadFixture<T extends Counted> {
  readonly plane: PlaneAccess;
  readonly #type: ResourceType<T>;
  #kubelets: HollowKubelet[] = [];

  constructor(plane: PlaneAccess, type: ResourceType<T>) {
    this.plane = plane;
    this.#type = type;
  }

  /** Nodes with the label `fixture` of this value. */
  async start(fixture: string, names: readonly string[]): Promise<void> {
    const options = { labels: { fixture }, getsReady, exitCode };
    this.#kubelets = await Promise.all(
      names.map((name) => startHollowKubelet(this.plane, name, options)),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#kubelets.map((each) => each.close()));
    for (const { name } of this.#kubelets) await this.nodes.delete({ name });
  }

  get client() {
    return this.plane.admin.resource(this.#type);
  }

  get podClient() {
    return this.plane.admin.resource(PODS);
  }

  get nodes() {
    return this.plane.admin.resource(NODES);
  }

  create(name: string, spec: T["spec"]): Promise<T> {
    return this.client.create({ metadata: { namespace, name }, spec } as T);
  }

  get(name: string): Promise<T> {
    return this.client.get({ namespace, name });
  }

  patch(name: string, spec: object): Promise<T> {
    return this.client.patch({ namespace, name }, "merge", { spec });
  }

  async delete(name: string, propagationPolicy: Propagation): Promise<void> {
    await this.client.delete({ namespace, name }, { propagationPolicy });
    await this.until(`${name} to be deleted`, async () => {
      try {
        await this.get(name);
        return false;
      } catch (thrown) {
        if (!isNotFound(thrown)) throw thrown;
        return true;
      }
    });
  }

  async pods(name: string): Promise<Pod[]> {
    const { items } = await this.podClient.list({ namespace });
    return items
      .filter((pod) => this.#owns(name, pod))
      .sort((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1));
  }

  async revisions(name: string): Promise<ControllerRevision[]> {
    const { items } = await this.plane.admin.resource(CONTROLLER_REVISIONS).list({ namespace });
    return items.filter((each) => this.#owns(name, each)).sort((a, b) => a.revision - b.revision);
  }

  #owns(name: string, object: KubeObject): boolean {
    const owner = controllerOf(object);
    return owner?.name === name && owner.kind === this.#type.kind;
  }

  /** Waits until the pods of an object that are not being deleted hold, and returns them. */
  async podsUntil(name: string, what: string, holds: (pods: Pod[]) => boolean): Promise<Pod[]> {
    let pods: Pod[] = [];
    await this.until(`${what} of ${name}`, async () => {
      pods = (await this.pods(name)).filter(({ metadata }) => !metadata.deletionTimestamp);
      return holds(pods);
    });
    return pods;
  }

  running(name: string, count: number): Promise<Pod[]> {
    return this.podsUntil(
      name,
      `${count} running pods`,
      (pods) => pods.length === count && pods.every(({ status }) => status?.phase === "Running"),
    );
  }

  /** Waits until so many pods have the owner with this uid, and no others. */
  adopted(name: string, count: number, uid: string | undefined): Promise<Pod[]> {
    const isOwned = ({ metadata }: Pod) => metadata.ownerReferences?.[0]?.uid === uid;
    return this.podsUntil(
      name,
      `${count} adopted pods`,
      (pods) => pods.length === count && pods.every(isOwned),
    );
  }

  /** Waits until the status has these fields, and returns the object. */
  async status(name: string, wanted: T["status"]): Promise<T> {
    let object!: T;
    await this.until(`the status of ${name}: ${JSON.stringify(wanted)}`, async () => {
      object = await this.get(name);
      const status = (object.status ?? {}) as Record<string, unknown>;
      const current = status.observedGeneration === object.metadata.generation;
      return (
        current &&
        Object.entries(wanted ?? {}).every(([key, value]) => (status[key] ?? 0) === value)
      );
    });
    return object;
  }

  until(what: string, holds: () => Promise<boolean>): Promise<unknown> {
    const options = { clock: this.plane.clock, timeout_ms: TIMEOUT_MS / 2, interval_ms: 100 };
    return waitFor(what, holds, options);
  }

  async event(name: string, reason: string, message?: string | RegExp): Promise<void> {
    const fieldSelector = `involvedObject.name=${name},reason=${reason}`;
    await this.until(`${reason} of ${name}`, async () => {
      const { items } = await this.plane.admin.resource(EVENTS).list({ namespace, fieldSelector });
      return items.some((event) => message === undefined || event.message?.match(message));
    });
  }
}

/** A template of pods on the nodes of a fixture; those of an `unready` one do not get ready. */
export function templateOf(
  fixture: string,
  app: string,
  image: string,
  shape: { unready?: boolean; exit?: number } = {},
): PodTemplateSpec {
  const annotations = {
    ...(shape.unready && { [UNREADY]: "yes" }),
    ...(shape.exit !== undefined && { [EXIT]: String(shape.exit) }),
  };
  return {
    metadata: { labels: { app }, annotations },
    spec: {
      nodeSelector: { fixture },
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "c", image }],
    },
  };
}

/** The merge patch to such a template, which has no annotations that the last one had. */
export function templatePatch(...wanted: Parameters<typeof templateOf>): object {
  const { metadata = {}, spec } = templateOf(...wanted);
  const { annotations = {} } = metadata;
  const none = Object.keys(annotations).length === 0;
  return { metadata: { ...metadata, annotations: none ? null : annotations }, spec };
}

export function imagesOf(pods: readonly Pod[]): string[] {
  return pods.map(({ spec }) => spec.containers[0]?.image ?? "");
}

const getsReady = ({ metadata }: Pod): boolean => metadata.annotations?.[UNREADY] === undefined;

function exitCode({ metadata }: Pod): number | undefined {
  const code = metadata.annotations?.[EXIT];
  return code === undefined ? undefined : Number(code);
}
