import { assert } from "@raft2kube/std/assert.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";
import type { CycleState } from "./cycle-state.ts";
import type {
  BindPlugin,
  FilterPlugin,
  Handle,
  PermitPlugin,
  Plugin,
  PostFilterPlugin,
  PostFilterResult,
  PreBindPlugin,
  PreFilterPlugin,
  PreScorePlugin,
  ReservePlugin,
  ScorePlugin,
} from "./plugin.ts";
import { SKIP, type Status } from "./status.ts";

/** A status and the plugin that returned it. */
export type Rejection = { plugin: Plugin; status: Status };

/** Runs an extension point and measures it; `statusOf` names its outcome in upstream's codes. */
export type PointTimer = <T>(
  point: string,
  run: () => T,
  statusOf?: (result: Awaited<T>) => string,
) => T;

const codeOf = (rejected: Rejection | undefined) => rejected?.status.code ?? "Success";

/**
 * The plugins of one profile by extension point, each in the profile's order. Plugins are not
 * distinguished here: `cycle.ts` and `scheduler.ts` call the points in upstream's order.
 */
export class Framework implements Handle {
  readonly plugins: readonly Plugin[];
  readonly #preFilter: readonly PreFilterPlugin[];
  readonly #filter: readonly FilterPlugin[];
  readonly #postFilter: readonly PostFilterPlugin[];
  readonly #preScore: readonly PreScorePlugin[];
  readonly #score: readonly ScorePlugin[];
  readonly #reserve: readonly ReservePlugin[];
  readonly #permit: readonly PermitPlugin[];
  readonly #preBind: readonly PreBindPlugin[];
  readonly #bind: readonly BindPlugin[];
  readonly #weights: Readonly<Record<string, number>>;
  /** Measures an extension point. */
  readonly timed: PointTimer;

  /** `weights` replaces the weights of score plugins, by plugin name. */
  constructor(
    plugins: readonly Plugin[],
    weights: Readonly<Record<string, number>> = {},
    timed: PointTimer = (_point, run) => run(),
  ) {
    this.plugins = plugins;
    this.timed = timed;
    this.#weights = weights;
    this.#preFilter = plugins.filter((one): one is PreFilterPlugin => "preFilter" in one);
    this.#filter = plugins.filter((one): one is FilterPlugin => "filter" in one);
    this.#postFilter = plugins.filter((one): one is PostFilterPlugin => "postFilter" in one);
    this.#preScore = plugins.filter((one): one is PreScorePlugin => "preScore" in one);
    this.#score = plugins.filter((one): one is ScorePlugin => "score" in one);
    this.#reserve = plugins.filter((one): one is ReservePlugin => "reserve" in one);
    this.#permit = plugins.filter((one): one is PermitPlugin => "permit" in one);
    this.#preBind = plugins.filter((one): one is PreBindPlugin => "preBind" in one);
    this.#bind = plugins.filter((one): one is BindPlugin => "bind" in one);
  }

  /** Returns the first rejection of the pod as such; notes the plugins that return Skip. */
  runPreFilterPlugins(state: CycleState, info: PodInfo): Rejection | undefined {
    const run = () => {
      for (const plugin of this.#preFilter) {
        const result = plugin.preFilter(state, info);
        if (result === SKIP) state.skipFilterPlugins.add(plugin.name);
        else if (result) return { plugin, status: result };
      }
      return undefined;
    };
    return this.timed("PreFilter", run, codeOf);
  }

  /** Updates the counts of plugins whose PreFilter did not return Skip. */
  runUpdateWithPod: Handle["runUpdateWithPod"] = (state, ...update) => {
    for (const plugin of this.#preFilter) {
      if (!state.skipFilterPlugins.has(plugin.name)) plugin.updateWithPod?.(state, ...update);
    }
  };

  /** Returns the first rejection of the pod by this node; undefined if the pod fits. */
  runFilterPlugins(state: CycleState, info: PodInfo, node: NodeInfo): Rejection | undefined {
    // lab:09 begin run-filter-plugins
    for (const plugin of this.#filter) {
      if (state.skipFilterPlugins.has(plugin.name)) continue;
      const status = plugin.filter(state, info, node);
      if (status) return { plugin, status };
    }
    return undefined;
    // lab:09 end
  }

  /** Returns the first nomination, else the message of the last plugin without one. */
  async runPostFilterPlugins(
    state: CycleState,
    info: PodInfo,
    nodeToStatus: ReadonlyMap<string, Status>,
  ): Promise<PostFilterResult | undefined> {
    const run = async () => {
      let last: PostFilterResult | undefined;
      for (const plugin of this.#postFilter) {
        last = await plugin.postFilter(state, info, nodeToStatus, this);
        if (last.nominatedNodeName !== undefined) return last;
      }
      return last;
    };
    const outcome = (result?: PostFilterResult) =>
      result?.nominatedNodeName === undefined ? "Unschedulable" : "Success";
    return await this.timed("PostFilter", run, outcome);
  }

  /** Prepares the score plugins; notes those that return Skip. */
  runPreScorePlugins(state: CycleState, info: PodInfo, nodes: readonly NodeInfo[]): void {
    this.timed("PreScore", () => {
      for (const plugin of this.#preScore) {
        const result = plugin.preScore(state, info, nodes);
        if (result === SKIP) state.skipScorePlugins.add(plugin.name);
      }
    });
  }

  /** Scores the nodes, and measures it. */
  runScorePlugins(state: CycleState, info: PodInfo, nodes: readonly NodeInfo[]): number[] {
    return this.timed("Score", () => this.#scores(state, info, nodes));
  }

  /** Returns the weighted sum of all normalized scores, per node in the order of `nodes`. */
  #scores(state: CycleState, info: PodInfo, nodes: readonly NodeInfo[]): number[] {
    // lab:09 begin run-score-plugins
    const totals = nodes.map(() => 0);
    for (const plugin of this.#score) {
      if (state.skipScorePlugins.has(plugin.name)) continue;
      const raw = nodes.map((node) => plugin.score(state, info, node));
      const scores = plugin.normalizeScore ? plugin.normalizeScore(raw) : raw;
      const weight = this.#weights[plugin.name] ?? plugin.weight;
      scores.forEach((score, index) => {
        totals[index] = (totals[index] ?? 0) + score * weight;
      });
    }
    return totals;
    // lab:09 end
  }

  runReservePlugins(state: CycleState, info: PodInfo, node: NodeInfo): void {
    this.timed("Reserve", () => {
      for (const plugin of this.#reserve) plugin.reserve(state, info, node);
    });
  }

  /** Undoes every reserve, in reverse order. */
  runUnreservePlugins(state: CycleState, info: PodInfo, node: NodeInfo): void {
    this.timed("Unreserve", () => {
      for (const plugin of this.#reserve.toReversed()) plugin.unreserve(state, info, node);
    });
  }

  /** Resolves when every permit plugin allows the binding. */
  async runPermitPlugins(
    state: CycleState,
    info: PodInfo,
    node: NodeInfo,
    signal: AbortSignal,
  ): Promise<void> {
    await this.timed("Permit", async () => {
      for (const plugin of this.#permit) await plugin.permit(state, info, node, signal);
    });
  }

  async runPreBindPlugins(
    state: CycleState,
    info: PodInfo,
    node: NodeInfo,
    signal: AbortSignal,
  ): Promise<void> {
    await this.timed("PreBind", async () => {
      for (const plugin of this.#preBind) await plugin.preBind(state, info, node, signal);
    });
  }

  /** Binds with the first bind plugin of the profile. */
  async runBindPlugins(state: CycleState, info: PodInfo, node: NodeInfo): Promise<void> {
    const [plugin] = this.#bind;
    assert(plugin, "the profile has no bind plugin");
    await this.timed("Bind", () => plugin.bind(state, info, node));
  }
}
