import { isDeepStrictEqual } from "node:util";
import type { ControllerRevision, DaemonSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector, termsOf } from "@raft2kube/api/selector.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { type KubeObject, keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { nextAvailable_ms } from "@raft2kube/client-kube/object/pod-state.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import {
  CONTROLLER_REVISIONS,
  DAEMON_SETS,
  NODES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { claim } from "../claim.ts";
import type { ControllerContext, Running } from "../context.ts";
import { Expectations } from "../expectations.ts";
import { deleteRevisions, type HistoryControl, keepRevision } from "../history/apply.ts";
import { digestRevisions, POD_REVISION, planRevision, type RevisionPlan } from "../history/plan.ts";
import { byController, byNamespace, CONTROLLER_INDEX, NAMESPACE_INDEX } from "../indexes.ts";
import { UNSEEN_MS } from "../limits.ts";
import { closeAll, everyChange, startLoop } from "../loop.ts";
import type { PodControl } from "../pod-control.ts";
import { templateHash } from "../pod-template.ts";
import { statusChanged } from "../status-change.ts";
import { watchDependents } from "../watch-dependents.ts";
import { WriteTracker } from "../write-tracker.ts";
import { applyPods } from "./apply.ts";
import { FailureBackoff } from "./backoff.ts";
import { surplusRevisions } from "./history.ts";
import { type DaemonView, planNodes, viewOf } from "./plan.ts";
import { DAEMON_SET_TYPE } from "./pod-of.ts";
import { planRolling } from "./rolling.ts";
import { planStatus } from "./status.ts";

const ACCOUNT = "daemon-set-controller";
const COMPONENT = "daemonset-controller";

/** Keeps a pod of each DaemonSet on every node where one belongs. */
export function startDaemonSets(context: ControllerContext): Running {
  const reads = {
    sets: context.informers.of(DAEMON_SETS),
    pods: context.informers.of(PODS),
    nodes: context.informers.of(NODES),
    revisions: context.informers.of(CONTROLLER_REVISIONS),
  };
  const { sets, pods, nodes, revisions } = reads;
  sets.index(NAMESPACE_INDEX, byNamespace);
  for (const each of [pods, revisions]) each.index(CONTROLLER_INDEX, byController);
  const recorder = context.recorder(ACCOUNT, COMPONENT);
  const reconciler = new DaemonReconciler(context, reads, {
    pods: context.client(ACCOUNT).resource(PODS),
    expectations: new Expectations(context.clock),
    recorder,
  });
  const loop = startLoop(context, {
    queue: "daemonset",
    name: COMPONENT,
    reads: [sets, pods, nodes, revisions],
    reconcile: (key) => reconciler.reconcile(key),
  });
  sets.handle(everyChange(loop.queue));
  sets.handle({ deleted: (set) => reconciler.forget(keyOf(set)) });
  revisions.handle({ deleted: (revision) => reconciler.revisionGone(revision) });
  const watched = {
    owners: sets,
    kind: DAEMON_SET_TYPE.kind,
    selector: (set: DaemonSet) => set.spec.selector,
    look: (key: string) => loop.queue.add(key),
  };
  const { expectations } = reconciler.control;
  watchDependents({ ...watched, dependents: pods, expectations });
  watchDependents({ ...watched, dependents: revisions });
  watchNodes(nodes, sets, loop.queue);
  return closeAll(loop, recorder);
}

/** A node that comes, goes, or changes what placement looks at concerns every DaemonSet. */
function watchNodes(nodes: Informer<Node>, sets: Informer<DaemonSet>, queue: WorkQueue): void {
  const lookAtAll = () => {
    for (const set of sets.store.list()) queue.add(keyOf(set));
  };
  const placed = ({ metadata, spec }: Node) => [metadata.labels, spec?.taints];
  nodes.handle({
    added: lookAtAll,
    updated: (node, old) => {
      if (!isDeepStrictEqual(placed(node), placed(old))) lookAtAll();
    },
    deleted: lookAtAll,
  });
}

interface Reads {
  sets: Informer<DaemonSet>;
  pods: Informer<Pod>;
  nodes: Informer<Node>;
  revisions: Informer<ControllerRevision>;
}

class DaemonReconciler {
  readonly control: PodControl;
  readonly #reads: Reads;
  readonly #clock: ControllerContext["clock"];
  readonly #writer: ResourceClient<DaemonSet>;
  readonly #history: HistoryControl<DaemonSet>;
  readonly #written: WriteTracker;
  readonly #backoff: FailureBackoff;

  constructor(context: ControllerContext, reads: Reads, control: PodControl) {
    const { clock } = context;
    const client = context.client(ACCOUNT);
    this.control = control;
    this.#reads = reads;
    this.#clock = clock;
    this.#writer = client.resource(DAEMON_SETS);
    this.#written = new WriteTracker(clock);
    this.#backoff = new FailureBackoff(clock);
    this.#history = {
      type: DAEMON_SET_TYPE,
      revisions: client.resource(CONTROLLER_REVISIONS),
      written: new WriteTracker(clock),
      hashOf: (template, _data, collisionCount) => templateHash(template, collisionCount),
      hashLabel: POD_REVISION,
    };
  }

  forget(key: string): void {
    this.control.expectations.forget(key);
    this.#written.forget(key);
    this.#history.written.forget(key);
  }

  revisionGone(revision: ControllerRevision): void {
    this.#history.written.goneUnderAny(revision);
  }

  async reconcile(key: string): Promise<{ again_ms: number } | void> {
    const { sets, nodes, revisions } = this.#reads;
    const set = sets.store.get(key);
    if (!set) return this.forget(key);
    if (termsOf(set.spec.selector)?.length === 0) {
      const message = "This daemon set is selecting all pods. A non-empty selector is required.";
      return this.control.recorder.record(set, "Warning", "SelectingAll", message);
    }
    // Its revisions may be deleted or orphaned before its pods, whose state is then unknown.
    if (set.metadata.deletionTimestamp) return;
    const seen =
      this.#written.isSeen(key, sets.store) && this.#history.written.isSeen(key, revisions.store);
    if (!seen) return { again_ms: UNSEEN_MS };
    const trusted = this.control.expectations.satisfied(set);
    const known = await this.#claim(set, revisions);
    await inSlices(digestRevisions(known));
    const history = planRevision(set.spec.template, known);
    const { current, collisionCount } = await keepRevision(
      this.#history,
      set,
      set.spec.template,
      history,
      set.status?.collisionCount ?? 0,
    );
    const hash = current.metadata.labels?.[POD_REVISION] ?? current.metadata.name ?? "";
    const own = await this.#claim(set, this.#reads.pods);
    const view = viewOf(set, nodes.store.list(), own, hash, this.#clock.now());
    const { again_ms, error } = trusted ? await this.#act(view, own, history) : {};
    await this.#writeStatus(view, collisionCount, trusted);
    if (error !== undefined) throw error;
    const waits_ms = [
      again_ms,
      nextAvailable_ms(own, set.spec.minReadySeconds ?? 0, view.now_ms),
    ].filter((each) => each !== undefined);
    return this.control.expectations.lookAgain(set, Math.min(...waits_ms));
  }

  /** Lists the set's pods or revisions, adopted and released if need be. */
  #claim<D extends KubeObject>(set: DaemonSet, dependents: Informer<D>): Promise<D[]> {
    const client =
      (dependents as unknown) === this.#reads.pods ? this.control.pods : this.#history.revisions;
    return claim({
      controller: set,
      type: DAEMON_SET_TYPE,
      store: dependents.store,
      matches: ({ metadata }) => matchesSelector(set.spec.selector, metadata.labels),
      fresh: () => this.#writer.get(nameOf(set)),
      dependents: client as unknown as ResourceClient<D>,
    });
  }

  /** First the pods that belong on nodes, then a step of an update, then the history. */
  async #act(
    view: DaemonView,
    own: readonly Pod[],
    history: RevisionPlan,
  ): Promise<{ again_ms?: number | undefined; error?: unknown }> {
    const { set, hash } = view;
    const failures = (node: string) =>
      `${set.metadata.uid}/${set.status?.observedGeneration ?? 0}/${node}`;
    const plan = planNodes(view, (node) => this.#backoff.wait_ms(failures(node)));
    const { again_ms } = plan;
    try {
      for (const { pod, node } of plan.ended) {
        if (pod.status?.phase === "Failed") this.#backoff.failed(failures(node));
      }
      await applyPods(this.control, set, plan, hash);
      const settled = plan.create.length === 0 && plan.delete.length === 0;
      if (settled && set.spec.updateStrategy?.type === "RollingUpdate") {
        await applyPods(this.control, set, planRolling(view), hash);
      }
      await deleteRevisions(this.#history, set, surplusRevisions(set, history, own));
      return { again_ms };
    } catch (error) {
      return { again_ms, error };
    }
  }

  async #writeStatus(view: DaemonView, collisionCount: number, acted: boolean): Promise<void> {
    const { set } = view;
    const status = planStatus(view, collisionCount, acted);
    if (!statusChanged(set.status, status)) return;
    const written = await undefinedIfNotFound(this.#writer.updateStatus({ ...set, status }));
    if (written) this.#written.wrote(keyOf(set), written);
  }
}
