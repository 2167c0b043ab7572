import type { HorizontalPodAutoscaler } from "@raft2kube/api/gen/autoscaling/v2.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { PodMetrics } from "@raft2kube/api/gen/metrics/v1beta1.ts";
import { type LabelTerms, SelectorError } from "@raft2kube/api/selector.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import {
  HORIZONTAL_POD_AUTOSCALERS,
  POD_METRICS,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { AUTOSCALER_DEFAULTS, type AutoscalerSettings } from "../autoscaler-settings.ts";
import type { ControllerContext, Running } from "../context.ts";
import { byNamespace, NAMESPACE_INDEX } from "../indexes.ts";
import { AUTOSCALER_METRICS_MAX } from "../limits.ts";
import { closeAll, startLoop } from "../loop.ts";
import { WriteTracker } from "../write-tracker.ts";
import { type AutoscalerControl, applyPlan, writeFailedScale } from "./apply.ts";
import type { History } from "./history.ts";
import { MetricsApi } from "./metrics-api.ts";
import { needsMetrics, planAutoscaler, type Selected } from "./plan.ts";
import type { Answered } from "./reading.ts";
import { ScaleTargets } from "./scale-target.ts";
import { selectedOf, TargetSelectors } from "./selectors.ts";

const ACCOUNT = "horizontal-pod-autoscaler";
const log = logger("horizontal-pod-autoscaler");

/** Sets the replicas of workloads by their pods' usage. */
export function startPodAutoscalers(context: ControllerContext): Running {
  const settings = { ...AUTOSCALER_DEFAULTS, ...context.settings.autoscalers };
  const autoscalers = context.informers.of(HORIZONTAL_POD_AUTOSCALERS);
  const pods = context.informers.of(PODS);
  pods.index(NAMESPACE_INDEX, byNamespace);
  const recorder = context.recorder(ACCOUNT, ACCOUNT);
  const reconciler = new AutoscalerReconciler(context, { autoscalers, pods }, recorder, settings);
  const loop = startLoop(context, {
    queue: "horizontalpodautoscaler",
    name: ACCOUNT,
    reads: [autoscalers, pods],
    async reconcile(key) {
      await reconciler.reconcile(key);
      if (autoscalers.store.get(key)) return { again_ms: settings.syncPeriod_ms };
      // It was deleted meanwhile: a selector that was kept since would be ambiguous with others.
      reconciler.forget(key);
    },
  });
  // A change is looked at one period later too (upstream): metrics are not newer before.
  const look = (autoscaler: HorizontalPodAutoscaler) =>
    loop.queue.addAfter(keyOf(autoscaler), settings.syncPeriod_ms);
  autoscalers.handle({
    added: look,
    updated: look,
    deleted: (autoscaler) => reconciler.forget(keyOf(autoscaler)),
  });
  return closeAll(loop, recorder);
}

const NOTHING: Selected = { pods: [], rivals: [], answered: { items: [] }, others: [] };

interface Reads {
  readonly autoscalers: Informer<HorizontalPodAutoscaler>;
  readonly pods: Informer<Pod>;
}

class AutoscalerReconciler {
  readonly #context: ControllerContext;
  readonly #reads: Reads;
  readonly #settings: AutoscalerSettings;
  readonly #targets: ScaleTargets;
  readonly #metrics: ResourceClient<PodMetrics>;
  readonly #metricsApi: MetricsApi;
  readonly #control: AutoscalerControl;
  readonly #written: WriteTracker;
  readonly #histories = new Map<string, History>();
  readonly #selectors = new TargetSelectors();

  constructor(
    context: ControllerContext,
    reads: Reads,
    recorder: EventRecorder,
    settings: AutoscalerSettings,
  ) {
    const client = context.client(ACCOUNT);
    this.#context = context;
    this.#reads = reads;
    this.#settings = settings;
    this.#targets = new ScaleTargets(client);
    this.#metrics = client.resource(POD_METRICS);
    this.#metricsApi = new MetricsApi(client);
    this.#written = new WriteTracker(context.clock);
    this.#control = {
      autoscalers: client.resource(HORIZONTAL_POD_AUTOSCALERS),
      targets: this.#targets,
      recorder,
      clock: context.clock,
      wrote: (written) => this.#written.wrote(keyOf(written), written),
    };
  }

  forget(key: string): void {
    this.#histories.delete(key);
    this.#selectors.forget(key);
    this.#written.forget(key);
  }

  async reconcile(key: string): Promise<void> {
    const { store } = this.#reads.autoscalers;
    const autoscaler = store.get(key);
    if (!autoscaler) return this.forget(key);
    // Of a status that is not the newest the times of conditions would be lost.
    if (!this.#written.isSeen(key, store)) return;
    const { namespace = "" } = autoscaler.metadata;
    let target;
    try {
      target = await this.#targets.get(autoscaler.spec.scaleTargetRef, namespace);
    } catch (thrown) {
      return await writeFailedScale(this.#control, autoscaler, messageOf(thrown));
    }
    const selector = target.scale.status?.selector ?? "";
    const plan = planAutoscaler({
      autoscaler,
      scale: target.scale,
      selected: needsMetrics(autoscaler, target.scale)
        ? await this.#select(key, autoscaler, selector)
        : NOTHING,
      history: this.#histories.get(key),
      settings: this.#settings,
      now_ms: this.#context.clock.now(),
    });
    this.#histories.set(key, plan.history);
    this.#histories.set(key, await applyPlan(this.#control, autoscaler, target, plan));
    log.debug("reconciled", { key, rescale: plan.rescale });
  }

  async #select(
    key: string,
    { metadata, spec }: HorizontalPodAutoscaler,
    selector: string,
  ): Promise<Selected> {
    const { namespace = "" } = metadata;
    if (selector === "") return NOTHING;
    let terms: LabelTerms;
    try {
      terms = this.#selectors.set(key, selector);
    } catch (thrown) {
      if (!(thrown instanceof SelectorError)) throw thrown;
      return { invalid: thrown.message };
    }
    const around = this.#reads.pods.store.by(NAMESPACE_INDEX, namespace);
    const pods = await inSlices(selectedOf(terms, around));
    const specs = (spec.metrics ?? []).slice(0, AUTOSCALER_METRICS_MAX);
    const others = await Promise.all(
      specs.map((each) => this.#metricsApi.read(each, namespace, selector)),
    );
    return {
      pods,
      others,
      rivals: await inSlices(this.#selectors.rivals(namespace, pods)),
      answered: await this.#askMetrics(namespace, selector),
    };
  }

  async #askMetrics(namespace: string, labelSelector: string): Promise<Answered> {
    try {
      return await this.#metrics.list({ namespace, labelSelector });
    } catch (thrown) {
      // client-go's words where there is no such API.
      const where = isNotFound(thrown) ? ` (get ${POD_METRICS.plural}.${POD_METRICS.group})` : "";
      return { error: `${messageOf(thrown)}${where}` };
    }
  }
}
