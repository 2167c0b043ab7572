import type { PersistentVolume, PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isConflict } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { isBound, reservedFor, SELECTED_NODE } from "@raft2kube/client-kube/object/volumes.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { SELECT_ATTEMPTS_MAX, VOLUME_BIND_TIMEOUT_MS } from "./limits.ts";

/** How one claim gets its volume on one node: an existing volume, or a new one. */
export type ClaimPlan =
  | { kind: "bind"; claim: PersistentVolumeClaim; volume: PersistentVolume }
  | { kind: "provision"; claim: PersistentVolumeClaim };

export interface VolumeBinderOptions {
  claims: Informer<PersistentVolumeClaim>;
  claimWriter: ResourceClient<PersistentVolumeClaim>;
  volumeWriter: ResourceClient<PersistentVolume>;
  clock: Clock;
}

/** Volumes reserved for one pod from Reserve until the pod is bound. */
export interface VolumeReservation {
  /** Resolves when all claims are bound; fails when one cannot be, or when `signal` aborts. */
  bind(signal: AbortSignal): Promise<void>;
  /** Makes the volumes available to other pods. */
  release(): void;
}

/** Called with a claim's state, undefined once it is deleted. */
type Look = (claim: PersistentVolumeClaim | undefined) => void;

/** Gives claims their volumes, or provisioners their node, and waits until the claims are bound. */
export class VolumeBinder {
  readonly #options: VolumeBinderOptions;
  readonly #reserved = new Map<string, string>();
  /**
   * Callbacks of claims that pods wait for, by the claims' keys. A pod may wait for 1,000, and each
   * of them changes several times: a handler for each would be called for the changes of all.
   */
  readonly #awaited = new Map<string, Set<Look>>();
  #following: (() => void) | undefined;

  constructor(options: VolumeBinderOptions) {
    this.#options = options;
  }

  /** The volumes reserved for pods that are being bound, as they are at any time. */
  get reserved(): ReadonlyMap<string, string> {
    return this.#reserved;
  }

  reserve(pod: Pod, plans: readonly ClaimPlan[], node: string): VolumeReservation {
    const names = plans.flatMap((plan) => (plan.kind === "bind" ? [keyOf(plan.volume)] : []));
    for (const name of names) this.#reserved.set(name, keyOf(pod));
    const release = () => {
      for (const name of names) this.#reserved.delete(name);
    };
    return {
      release,
      bind: async (signal) => {
        await Promise.all(plans.map((plan) => this.#write(plan, node)));
        const waiting = plans.map(({ claim }) => this.#untilBound(claim, node, signal));
        await Promise.all(waiting);
        release();
      },
    };
  }

  async #write(plan: ClaimPlan, node: string): Promise<void> {
    const { volumeWriter } = this.#options;
    const { claim } = plan;
    if (plan.kind === "bind") {
      if (plan.volume.spec.claimRef?.uid === claim.metadata.uid) return;
      await volumeWriter.update(reservedFor(plan.volume, claim));
      return;
    }
    await this.#select(claim, node);
  }

  /**
   * Sets the claim's selected-node annotation. Other pods and the volume binder may update the
   * claim concurrently: after a conflict it is read again, and the update fails if the annotation
   * now has another node.
   */
  async #select(claim: PersistentVolumeClaim, node: string): Promise<void> {
    const { claimWriter } = this.#options;
    let current = claim;
    for (let attempt = 1; ; attempt++) {
      const { annotations, resourceVersion } = current.metadata;
      if (annotations?.[SELECTED_NODE] === node || isBound(current)) return;
      const metadata = { resourceVersion, annotations: { [SELECTED_NODE]: node } };
      try {
        await claimWriter.patch(nameOf(claim), "merge", { metadata });
        return;
      } catch (thrown) {
        if (!isConflict(thrown) || attempt >= SELECT_ATTEMPTS_MAX) throw thrown;
        current = await claimWriter.get(nameOf(claim));
        const other = current.metadata.annotations?.[SELECTED_NODE] ?? node;
        if (other !== node || current.metadata.uid !== claim.metadata.uid) throw thrown;
      }
    }
  }

  /**
   * Resolves when the claim is bound. Fails when it is deleted, when its provisioner removes the
   * selected node, and after VOLUME_BIND_TIMEOUT_MS.
   */
  #untilBound(claim: PersistentVolumeClaim, node: string, signal: AbortSignal): Promise<void> {
    const { claims, clock } = this.#options;
    const key = keyOf(claim);
    let sawSelected = false;
    return new Promise((resolve, reject) => {
      const finish = (failure?: string) => {
        this.#leave(key, look);
        timer.cancel();
        signal.removeEventListener("abort", aborted);
        if (failure === undefined) resolve();
        else reject(new CodedError("VolumeBinding", `claim ${key}: ${failure}`));
      };
      const aborted = () => finish("the scheduler is stopping");
      const look = (current: PersistentVolumeClaim | undefined) => {
        if (current === undefined) return finish("was deleted");
        if (current.metadata.uid !== claim.metadata.uid) return finish("was replaced");
        if (isBound(current)) return finish();
        const selected = current.metadata.annotations?.[SELECTED_NODE];
        if (selected === node) sawSelected = true;
        else if (sawSelected) finish(`the provisioner gave up node ${node}`);
      };
      const timer = clock.after(VOLUME_BIND_TIMEOUT_MS, () => {
        finish(`not bound within ${VOLUME_BIND_TIMEOUT_MS / 1000} s`);
      });
      this.#join(key, look);
      signal.addEventListener("abort", aborted, { once: true });
      if (signal.aborted) aborted();
      else look(claims.store.get(key));
    });
  }

  #join(key: string, look: Look): void {
    this.#following ??= this.#options.claims.handle({
      updated: (claim) => this.#show(keyOf(claim), claim),
      deleted: (claim) => this.#show(keyOf(claim), undefined),
    });
    const looks = this.#awaited.get(key);
    if (looks) looks.add(look);
    else this.#awaited.set(key, new Set([look]));
  }

  #leave(key: string, look: Look): void {
    const looks = this.#awaited.get(key);
    looks?.delete(look);
    if (looks?.size === 0) this.#awaited.delete(key);
  }

  #show(key: string, claim: PersistentVolumeClaim | undefined): void {
    for (const look of this.#awaited.get(key) ?? []) look(claim);
  }
}
