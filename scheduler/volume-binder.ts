import type {
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
} from "@raft2kube/api/gen/core/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { isConflict } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/resource-client.ts";
import { isBound, reservedFor, SELECTED_NODE } from "@raft2kube/client-kube/volumes.ts";
import type { Reservation } from "./framework.ts";
import { SELECT_ATTEMPTS_MAX, VOLUME_BIND_TIMEOUT_MS } from "./limits.ts";
import type { ClaimPlan } from "./plugins/volume-binding.ts";

export interface VolumeBinderOptions {
  claims: Informer<PersistentVolumeClaim>;
  claimWriter: ResourceClient<PersistentVolumeClaim>;
  volumeWriter: ResourceClient<PersistentVolume>;
  clock: Clock;
}

/** Gives claims their volumes, or provisioners their node, and waits until the claims are bound. */
export class VolumeBinder {
  readonly #options: VolumeBinderOptions;
  readonly #taken = new Map<string, string>();

  constructor(options: VolumeBinderOptions) {
    this.#options = options;
  }

  /** Volumes promised to pods that are being bound. */
  taken(): ReadonlySet<string> {
    return new Set(this.#taken.keys());
  }

  reserve(pod: Pod, plans: readonly ClaimPlan[], node: string): Reservation {
    const names = plans.flatMap((plan) => (plan.kind === "bind" ? [keyOf(plan.volume)] : []));
    for (const name of names) this.#taken.set(name, keyOf(pod));
    const release = () => {
      for (const name of names) this.#taken.delete(name);
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
   * Names the node on the claim. Pods that share it, and the volume binder, write it at the same
   * time: after a conflict the claim's present state decides, unless it has another node by now.
   */
  async #select(claim: PersistentVolumeClaim, node: string): Promise<void> {
    const { claimWriter } = this.#options;
    let current = claim;
    for (let attempt = 1; ; attempt++) {
      const { annotations } = current.metadata;
      if (annotations?.[SELECTED_NODE] === node || isBound(current)) return;
      const selected = { ...annotations, [SELECTED_NODE]: node };
      try {
        await claimWriter.update({
          ...current,
          metadata: { ...current.metadata, annotations: selected },
        });
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
   * Fails when the claim goes, when its provisioner asks for another node, and after ten minutes.
   */
  #untilBound(claim: PersistentVolumeClaim, node: string, signal: AbortSignal): Promise<void> {
    const { claims, clock } = this.#options;
    const key = keyOf(claim);
    let sawSelected = false;
    return new Promise((resolve, reject) => {
      const finish = (failure?: string) => {
        remove();
        timer.cancel();
        signal.removeEventListener("abort", aborted);
        if (failure === undefined) resolve();
        else reject(new CodedError("VolumeBinding", `claim ${key}: ${failure}`));
      };
      const aborted = () => finish("the scheduler is stopping");
      const look = (current: PersistentVolumeClaim) => {
        if (keyOf(current) !== key) return;
        if (current.metadata.uid !== claim.metadata.uid) return finish("was replaced");
        if (isBound(current)) return finish();
        const selected = current.metadata.annotations?.[SELECTED_NODE];
        if (selected === node) sawSelected = true;
        else if (sawSelected) finish(`the provisioner gave up node ${node}`);
      };
      const gone = (current: PersistentVolumeClaim) => {
        if (keyOf(current) === key) finish("was deleted");
      };
      const timer = clock.after(VOLUME_BIND_TIMEOUT_MS, () => {
        finish(`not bound within ${VOLUME_BIND_TIMEOUT_MS / 1000} s`);
      });
      let remove = () => {};
      remove = claims.handle({ updated: look, deleted: gone });
      signal.addEventListener("abort", aborted, { once: true });
      const current = claims.store.get(key);
      if (signal.aborted) aborted();
      else if (current) look(current);
      else finish("was deleted");
    });
  }
}
