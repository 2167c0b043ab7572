import type { ControllerRevision, StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { type KubeObject, keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { nextAvailable_ms } from "@raft2kube/client-kube/object/pod-state.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import {
  CONTROLLER_REVISIONS,
  PERSISTENT_VOLUME_CLAIMS,
  PODS,
  STATEFUL_SETS,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { claim } from "../claim.ts";
import type { ControllerContext, Running } from "../context.ts";
import { deleteRevisions, type HistoryControl, keepRevision } from "../history/apply.ts";
import { dataHash, digestRevisions, planRevision, type RevisionPlan } from "../history/plan.ts";
import { byController, byNamespace, CONTROLLER_INDEX, NAMESPACE_INDEX } from "../indexes.ts";
import { UNSEEN_MS } from "../limits.ts";
import { closeAll, everyChange, startLoop } from "../loop.ts";
import { statusChanged } from "../status-change.ts";
import { watchDependents } from "../watch-dependents.ts";
import { ShownWrites, WriteTracker } from "../write-tracker.ts";
import { applyPlan, type StatefulControl } from "./apply.ts";
import { claimParts, ordinalOf, revisionOf, STATEFUL_SET_TYPE } from "./identity.ts";
import { planStep, type StatefulView } from "./plan.ts";
import { planStatus } from "./status.ts";

const ACCOUNT = "statefulset-controller";
const REVISION_HASH = "controller.kubernetes.io/hash";

interface Reads {
  sets: Informer<StatefulSet>;
  pods: Informer<Pod>;
  claims: Informer<PersistentVolumeClaim>;
  revisions: Informer<ControllerRevision>;
}

/** Keeps the pods of each StatefulSet, each of a name and claims of its own. */
export function startStatefulSets(context: ControllerContext): Running {
  const reads: Reads = {
    sets: context.informers.of(STATEFUL_SETS),
    pods: context.informers.of(PODS),
    claims: context.informers.of(PERSISTENT_VOLUME_CLAIMS),
    revisions: context.informers.of(CONTROLLER_REVISIONS),
  };
  const { sets, pods, claims, revisions } = reads;
  sets.index(NAMESPACE_INDEX, byNamespace);
  for (const each of [pods, revisions]) each.index(CONTROLLER_INDEX, byController);
  const recorder = context.recorder(ACCOUNT, ACCOUNT);
  const reconciler = new StatefulReconciler(context, reads, recorder);
  const loop = startLoop(context, {
    queue: "statefulset",
    name: ACCOUNT,
    reads: [sets, pods, claims, revisions],
    reconcile: (key) => reconciler.reconcile(key),
  });
  sets.handle(everyChange(loop.queue));
  sets.handle({ deleted: (set) => reconciler.written.forget(keyOf(set)) });
  pods.handle({ deleted: (pod) => reconciler.written.gone(pods, pod) });
  revisions.handle({ deleted: (gone) => reconciler.written.gone(revisions, gone) });
  const watched = {
    owners: sets,
    kind: STATEFUL_SET_TYPE.kind,
    selector: (set: StatefulSet) => set.spec.selector,
    look: (key: string) => loop.queue.add(key),
  };
  watchDependents({ ...watched, dependents: pods });
  watchDependents({ ...watched, dependents: revisions });
  claims.handle({
    deleted(gone) {
      reconciler.written.gone(claims, gone);
      lookAtUsers(gone, sets, loop.queue);
    },
  });
  return closeAll(loop, recorder);
}

/**
 * A claim that is gone is made again, or lets a pod be made that waited for its end. Only sets that
 * its name may mean are looked at.
 */
export function lookAtUsers(
  { metadata }: PersistentVolumeClaim,
  sets: { readonly store: Pick<Informer<StatefulSet>["store"], "get"> },
  queue: Pick<WorkQueue, "add">,
): void {
  const { namespace = "", name = "" } = metadata;
  for (const [template, set] of claimParts(name)) {
    const { spec } = sets.store.get(`${namespace}/${set}`) ?? {};
    const templates = spec?.volumeClaimTemplates ?? [];
    const uses = templates.some(({ metadata }) => metadata.name === template);
    if (uses) queue.add(`${namespace}/${set}`);
  }
}

class StatefulReconciler {
  /** Writes that the informers must show first. */
  readonly written: ShownWrites;
  readonly #reads: Reads;
  readonly #clock: ControllerContext["clock"];
  readonly #writer: ResourceClient<StatefulSet>;
  readonly #control: StatefulControl;
  readonly #history: HistoryControl<StatefulSet>;
  readonly #written: WriteTracker;

  constructor(context: ControllerContext, reads: Reads, recorder: StatefulControl["recorder"]) {
    const { clock } = context;
    const client = context.client(ACCOUNT);
    this.#reads = reads;
    this.#clock = clock;
    this.#writer = client.resource(STATEFUL_SETS);
    this.#written = new WriteTracker(clock);
    this.#control = {
      pods: client.resource(PODS),
      claims: client.resource(PERSISTENT_VOLUME_CLAIMS),
      recorder,
      written: { pods: new WriteTracker(clock), claims: new WriteTracker(clock) },
    };
    this.#history = {
      type: STATEFUL_SET_TYPE,
      revisions: client.resource(CONTROLLER_REVISIONS),
      written: new WriteTracker(clock),
      hashOf: (_template, data, collisionCount) => dataHash(data, collisionCount),
      hashLabel: REVISION_HASH,
    };
    const { written } = this.#control;
    this.written = new ShownWrites([
      [this.#written, reads.sets],
      [written.pods, reads.pods],
      [written.claims, reads.claims],
      [this.#history.written, reads.revisions],
    ]);
  }

  async reconcile(key: string): Promise<{ again_ms: number } | void> {
    const { sets, pods, claims, revisions } = this.#reads;
    const set = sets.store.get(key);
    if (!set) return this.written.forget(key);
    if (!this.written.areSeen(key)) return { again_ms: UNSEEN_MS };
    const { namespace = "", deletionTimestamp } = set.metadata;
    const known = await this.#claim(set, revisions, this.#history.revisions, () => true);
    const own = await this.#claim(
      set,
      pods,
      this.#control.pods,
      (pod) => ordinalOf(set, pod) !== undefined,
    );
    await inSlices(digestRevisions(known));
    const history = planRevision(set.spec.template, known);
    // Its revisions were orphaned before it: none is made for a set that goes.
    if (deletionTimestamp && !history.current) return;
    const { current: update, collisionCount } = await keepRevision(
      this.#history,
      set,
      set.spec.template,
      history,
      set.status?.collisionCount ?? 0,
    );
    const { currentRevision } = set.status ?? {};
    const view: StatefulView = {
      set,
      pods: own,
      update,
      current:
        known.find(
          ({ metadata }) =>
            metadata.name === currentRevision && metadata.name !== update.metadata.name,
        ) ?? update,
      claim: (name) => claims.store.get(`${namespace}/${name}`),
      now_ms: this.#clock.now(),
    };
    const { created, updated, error } = await applyPlan(this.#control, view, planStep(view));
    // Counted immediately, as upstream: it saves a write of the status for each pod.
    await this.#writeStatus({ ...view, pods: [...own, ...created] }, collisionCount, updated);
    await deleteRevisions(this.#history, set, surplusRevisions(view, history));
    if (error !== undefined) throw error;
    const again_ms = nextAvailable_ms(own, set.spec.minReadySeconds ?? 0, view.now_ms);
    if (again_ms !== undefined) return { again_ms };
  }

  /** Lists the set's pods or revisions, adopted and released if need be. */
  #claim<D extends KubeObject>(
    set: StatefulSet,
    { store }: Informer<D>,
    dependents: ResourceClient<D>,
    isMember: (object: D) => boolean,
  ): Promise<D[]> {
    return claim({
      controller: set,
      type: STATEFUL_SET_TYPE,
      store,
      matches: (object) =>
        matchesSelector(set.spec.selector, object.metadata.labels) && isMember(object),
      fresh: () => this.#writer.get(nameOf(set)),
      dependents,
    });
  }

  async #writeStatus(view: StatefulView, collisionCount: number, updated: number): Promise<void> {
    const { set } = view;
    const status = planStatus(view, collisionCount, updated);
    if (!statusChanged(set.status, status)) return;
    const written = await undefinedIfNotFound(this.#writer.updateStatus({ ...set, status }));
    if (written) this.#written.wrote(keyOf(set), written);
  }
}

/** Revisions beyond the limit that neither a pod nor the status names, the oldest first. */
export function surplusRevisions(
  { set, pods, current, update }: StatefulView,
  { old, duplicates }: RevisionPlan,
): ControllerRevision[] {
  const live = new Set([current, update].map(({ metadata }) => metadata.name));
  for (const pod of pods) live.add(revisionOf(pod));
  const unused = [...duplicates, ...old].filter(({ metadata }) => !live.has(metadata.name));
  const limit = set.spec.revisionHistoryLimit ?? Infinity;
  return unused.slice(0, Math.max(0, unused.length - limit));
}
