import { isDeepStrictEqual } from "node:util";
import { isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type {
  PodDisruptionBudget,
  PodDisruptionBudgetStatus,
} from "@raft2kube/api/gen/policy/v1.ts";
import { formatLabelTerms, matchesSelector, termsOf } from "@raft2kube/api/selector.ts";
import { isConflict, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import {
  DEPLOYMENTS,
  POD_DISRUPTION_BUDGETS,
  PODS,
  REPLICA_SETS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { listed } from "@raft2kube/std/listed.ts";
import { filterInSlices } from "@raft2kube/std/slices.ts";
import type { ControllerContext, Running } from "../context.ts";
import { byNamespace, NAMESPACE_INDEX } from "../indexes.ts";
import { closeAll, everyChange, startLoop } from "../loop.ts";
import { Selecting } from "../selecting.ts";
import { ScaleFinder } from "./expected-scale.ts";
import {
  countHealthy,
  failedStatus,
  followDisrupted,
  needsScale,
  statusOf,
  type Wanted,
  wantedBy,
} from "./plan.ts";
import { startStaleTargets } from "./stale-target.ts";

const ACCOUNT = "disruption-controller";
const COMPONENT = "controllermanager";

/** Counts the pods of disruption budgets, so that evictions know how many more may go. */
export function startDisruption(context: ControllerContext): Running {
  const budgets = context.informers.of(POD_DISRUPTION_BUDGETS);
  const pods = context.informers.of(PODS);
  const sets = context.informers.of(REPLICA_SETS);
  const deployments = context.informers.of(DEPLOYMENTS);
  pods.index(NAMESPACE_INDEX, byNamespace);
  budgets.index(NAMESPACE_INDEX, byNamespace);
  const client = context.client(ACCOUNT);
  const recorder = context.recorder(ACCOUNT, COMPONENT);
  const counter = new Counter(context, pods, new ScaleFinder(client, sets, deployments), recorder);
  const writer = client.resource(POD_DISRUPTION_BUDGETS);

  const reconcile = async (key: string) => {
    const budget = budgets.store.get(key);
    if (!budget) return;
    try {
      const { status, again_ms } = await counter.count(budget);
      await write(budget, status);
      return again_ms === undefined ? undefined : { again_ms };
    } catch (thrown) {
      // An eviction wrote the status meanwhile: the next sync starts from it.
      if (isConflict(thrown)) throw thrown;
      await write(budget, failedStatus(budget, messageOf(thrown), context.clock.now()));
      throw thrown;
    }
  };

  const write = async (budget: PodDisruptionBudget, status: PodDisruptionBudgetStatus) => {
    if (isSameStatus(status, budget.status)) return;
    await undefinedIfNotFound(writer.updateStatus({ ...budget, status }));
  };

  const reads = [budgets, pods, sets, deployments];
  const loop = startLoop(context, { queue: "disruption", name: ACCOUNT, reads, reconcile });
  budgets.handle(everyChange(loop.queue));
  watchPods(pods, budgets, recorder, (key) => loop.queue.add(key));
  return closeAll(loop, startStaleTargets(context, ACCOUNT, client), recorder);
}

/** Calls back, after changes of pods, with the budgets that have one or had it. */
export function watchPods(
  pods: Informer<Pod>,
  budgets: Informer<PodDisruptionBudget>,
  recorder: Pick<EventRecorder, "record">,
  look: (key: string) => void,
): void {
  const selecting = new Selecting<PodDisruptionBudget, Pod>({
    owners: budgets,
    selects: ({ spec }, { metadata }) => matchesSelector(spec.selector, metadata.labels),
    found: look,
    compared(pod, keys) {
      if (keys.length > 1) warnOfSeveral(recorder, pod, keys);
    },
  });
  pods.handle({
    added: (pod) => selecting.changed(pod),
    updated: (pod, old) => selecting.changed(pod, old),
    deleted: (pod) => selecting.changed(pod),
  });
}

function warnOfSeveral(
  recorder: Pick<EventRecorder, "record">,
  pod: Pod,
  budgets: readonly string[],
): void {
  const { namespace, name } = pod.metadata;
  const which = `${JSON.stringify(namespace)}/${JSON.stringify(name)}`;
  recorder.record(
    pod,
    "Warning",
    "MultiplePodDisruptionBudgets",
    `Pod ${which} matches multiple PodDisruptionBudgets, which evictions do not support: ` +
      listed(budgets),
  );
}

/** Counts the pods of one budget, and reports errors. */
class Counter {
  readonly #context: ControllerContext;
  readonly #pods: Informer<Pod>;
  readonly #scales: ScaleFinder;
  readonly #recorder: EventRecorder;

  constructor(
    context: ControllerContext,
    pods: Informer<Pod>,
    scales: ScaleFinder,
    recorder: EventRecorder,
  ) {
    this.#context = context;
    this.#pods = pods;
    this.#scales = scales;
    this.#recorder = recorder;
  }

  /**
   * Counts a budget's pods. Unlike upstream's, mirror pods do not count, since a node makes them in
   * any namespace with any labels, and one could stop all evictions.
   */
  async count(budget: PodDisruptionBudget) {
    const { namespace = "" } = budget.metadata;
    const pods = await filterInSlices(
      this.#pods.store.by(NAMESPACE_INDEX, namespace),
      (pod) => !isMirrorPod(pod) && matchesSelector(budget.spec.selector, pod.metadata.labels),
    );
    if (pods.length === 0) {
      this.#recorder.record(budget, "Normal", "NoPods", "No matching pods found");
    }
    const wanted = await this.#wanted(budget, pods);
    const now_ms = this.#context.clock.now();
    const disrupted = followDisrupted(budget, pods, now_ms);
    for (const pod of disrupted.notDeleted) {
      const message = `Pod was expected by PDB ${keyOf(budget)} to be deleted but it wasn't`;
      this.#recorder.record(pod, "Warning", "NotDeleted", message);
    }
    const healthy = countHealthy(pods, disrupted);
    const status = statusOf(budget, wanted, healthy, disrupted, now_ms);
    return { status, again_ms: disrupted.again_ms };
  }

  async #wanted(budget: PodDisruptionBudget, pods: readonly Pod[]): Promise<Wanted> {
    if (!needsScale(budget)) return wantedBy(budget, pods);
    try {
      const { replicas, unmanaged } = await this.#scales.of(pods);
      if (unmanaged.length > 0) this.#warnOfUnmanaged(budget);
      return wantedBy(budget, pods, replicas);
    } catch (thrown) {
      const why = `Failed to calculate the number of expected pods: ${messageOf(thrown)}`;
      this.#recorder.record(budget, "Warning", "CalculateExpectedPodCountFailed", why);
      throw thrown;
    }
  }

  #warnOfUnmanaged(budget: PodDisruptionBudget): void {
    const selector = formatLabelTerms(termsOf(budget.spec.selector) ?? []);
    const message =
      `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be ` +
      "unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may " +
      "result in undefined behavior. To account for these pods please set " +
      '".spec.minAvailable" field of the PDB to an integer value.';
    this.#recorder.record(budget, "Warning", "UnmanagedPods", message);
  }
}

/** Nothing to write: a missing map equals an empty one. */
function isSameStatus(
  now: PodDisruptionBudgetStatus,
  before: PodDisruptionBudgetStatus | undefined,
): boolean {
  const plain = (status: PodDisruptionBudgetStatus) => ({
    ...status,
    disruptedPods: { ...status.disruptedPods },
  });
  return before !== undefined && isDeepStrictEqual(plain(now), plain(before));
}
