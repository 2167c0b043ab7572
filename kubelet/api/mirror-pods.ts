import { MIRROR_ANNOTATION } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ignoreLostRace, isAlreadyExists } from "@raft2kube/client-kube/errors.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { allEnded } from "@raft2kube/std/wait.ts";
import { MIRROR_AGAIN_MS, MIRROR_RETRY_MS, MIRROR_WRITES_MAX } from "../limits.ts";
import { CONFIG_HASH, fullNameOf, nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";

const log = logger("kubelet-mirror");

/** Mirrors to create and delete so that each static pod has exactly one. */
export type MirrorPlan = { create: Pod[]; delete: Pod[] };

/** Compares the static pods with the mirrors in the API for this node. Pure. */
export function planMirrors(statics: Pod[], mirrors: Pod[]): MirrorPlan {
  const byName = new Map(statics.map((pod) => [fullNameOf(pod), pod]));
  const plan: MirrorPlan = { create: [], delete: [] };
  const shown = new Set<string>();
  for (const mirror of mirrors) {
    const name = fullNameOf(mirror);
    const pod = byName.get(name);
    const hash = mirror.metadata.annotations?.[MIRROR_ANNOTATION];
    const right = pod && hash === pod.metadata.annotations?.[CONFIG_HASH];
    if (right && !mirror.metadata.deletionTimestamp) shown.add(name);
    else plan.delete.push(mirror);
  }
  const going = new Set(plan.delete.map(fullNameOf));
  for (const pod of statics) {
    // The outdated mirror is deleted first; the next sync creates its replacement.
    if (!shown.has(fullNameOf(pod)) && !going.has(fullNameOf(pod))) plan.create.push(pod);
  }
  return plan;
}

/** Returns the mirror of a static pod. The Node owns it, so that it is deleted with the Node. */
export function mirrorOf(pod: Pod, node: { name: string; uid: string }): Pod {
  const { uid: _, ...metadata } = pod.metadata;
  const hash = pod.metadata.annotations?.[CONFIG_HASH] ?? "";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...metadata,
      annotations: { ...metadata.annotations, [MIRROR_ANNOTATION]: hash },
      ownerReferences: [
        { apiVersion: "v1", kind: "Node", name: node.name, uid: node.uid, controller: true },
      ],
    },
    spec: pod.spec,
  };
}

export interface MirrorPodsOptions {
  pods: ResourceClient<Pod>;
  clock: Clock;
  statics(): Pod[];
  mirrors(): Pod[];
  /** The node; undefined until it is registered: the API refuses a mirror without an owner. */
  node(): { name: string; uid: string } | undefined;
}

/** Keeps the mirrors of static pods in the API. */
export class MirrorPods {
  readonly #options: MirrorPodsOptions;
  readonly #syncing: Runner;
  /** Time at which a mirror was deleted by another client, by full name. */
  readonly #deleted_ms = new Map<string, number>();

  constructor(options: MirrorPodsOptions) {
    this.#options = options;
    this.#syncing = new Runner({
      clock: options.clock,
      run: () => this.#sync(),
      retry: { first_ms: MIRROR_RETRY_MS, most_ms: MIRROR_RETRY_MS },
      report: failureLog(log, "mirror pods not written"),
    });
  }

  /**
   * Syncs the mirrors. Call it when static pods, mirrors or the node's registration have changed.
   */
  trigger(): void {
    this.#syncing.request();
  }

  async close(): Promise<void> {
    await this.#syncing.close();
  }

  /** Resolves with the milliseconds until a mirror that waits may be created. */
  async #sync(): Promise<void | number> {
    const { pods, statics, mirrors, node } = this.#options;
    const owner = node();
    if (!owner) return;
    const plan = planMirrors(statics(), mirrors());
    let wait_ms = 0;
    const make = async (pod: Pod) => {
      const left_ms = this.#untilAgain(fullNameOf(pod));
      wait_ms = Math.max(wait_ms, left_ms);
      if (left_ms > 0) return;
      await tolerate(pods.create(mirrorOf(pod, owner)), isAlreadyExists);
    };
    // One that the API refuses, such as that of a namespace that is not there, delays no others.
    const turns = new FairTurns(MIRROR_WRITES_MAX);
    await allEnded([
      ...plan.delete.map((pod) => turns.run(namespaceOf(pod), () => this.#delete(pod))),
      ...plan.create.map((pod) => turns.run(namespaceOf(pod), () => make(pod))),
    ]);
    if (wait_ms > 0) return wait_ms;
  }

  /** Returns the milliseconds until a mirror of this name may be created again. */
  #untilAgain(name: string): number {
    const left_ms =
      (this.#deleted_ms.get(name) ?? -Infinity) + MIRROR_AGAIN_MS - this.#options.clock.monotonic();
    if (left_ms > 0) return left_ms;
    this.#deleted_ms.delete(name);
    return 0;
  }

  async #delete(mirror: Pod): Promise<void> {
    const where = { namespace: namespaceOf(mirror), name: nameOf(mirror) };
    const preconditions = { uid: uidOf(mirror) };
    const { clock } = this.#options;
    if (mirror.metadata.deletionTimestamp) {
      this.#deleted_ms.set(fullNameOf(mirror), clock.monotonic());
    }
    await ignoreLostRace(
      this.#options.pods.delete(where, { gracePeriodSeconds: 0, preconditions }),
    );
  }
}
