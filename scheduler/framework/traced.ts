import { ATTRIBUTE_CHARS_MAX } from "@raft2kube/observe/limits.ts";
import { activeSpan, beginSpan } from "@raft2kube/observe/trace/span.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { PointTimer } from "./framework.ts";
import type { FilterPlugin, Plugin, ScorePlugin } from "./plugin.ts";

/** Makes each extension point a part of its pod's trace, under the point's name. */
export function tracedTimer(timer: PointTimer): PointTimer {
  return (point, run, statusOf) =>
    timer(
      point,
      () => {
        const span = beginSpan(point);
        if (!span) return run();
        try {
          const result = span.run(run);
          if (!(result instanceof Promise)) {
            span.end();
            return result;
          }
          const failed = (thrown: unknown) => span.fail(messageOf(thrown));
          void result.catch(failed).finally(() => span.end());
          return result;
        } catch (thrown) {
          span.fail(messageOf(thrown));
          span.end();
          throw thrown;
        }
      },
      statusOf,
    );
}

/**
 * Makes a plugin note its verdicts and scores in the extension point's span: an attribute of the
 * plugin's name, with a text for each node. `weight` is the profile's, by default the plugin's.
 */
export function tracedPlugin(plugin: Plugin, weight?: number): Plugin {
  const traced: Record<string, unknown> = {};
  if ("filter" in plugin) {
    const inner = plugin as FilterPlugin;
    const filter: FilterPlugin["filter"] = (state, info, node) => {
      const status = inner.filter(state, info, node);
      note(plugin, `${node.name}: ${status ? status.reasons.join(", ") : "passes"}`);
      return status;
    };
    Object.assign(traced, { filter });
  }
  if ("score" in plugin) Object.assign(traced, tracedScores(plugin as ScorePlugin, weight));
  return Object.assign(Object.create(plugin) as Plugin, traced);
}

/** The score that counts is the normalized one, which comes after those of all nodes. */
function tracedScores(plugin: ScorePlugin, weight = plugin.weight): Partial<ScorePlugin> {
  let nodes: string[] = [];
  const noteAll = (scores: readonly number[]) => {
    nodes.forEach((name, i) => note(plugin, `${name}: ${scores[i]} x ${weight}`));
    nodes = [];
  };
  const { normalizeScore } = plugin;
  return {
    score(state, info, node) {
      const score = plugin.score(state, info, node);
      nodes.push(node.name);
      if (!normalizeScore) noteAll([score]);
      return score;
    },
    ...(normalizeScore
      ? {
          normalizeScore(raw: number[]) {
            const scores = normalizeScore.call(plugin, raw);
            noteAll(scores);
            return scores;
          },
        }
      : {}),
  };
}

function note({ name }: Plugin, text: string): void {
  const span = activeSpan();
  if (!span?.isSampled) return;
  const before = span.attributes[name];
  if (before === undefined) return span.set({ [name]: text });
  const isFull = String(before).length >= ATTRIBUTE_CHARS_MAX;
  if (!isFull) span.set({ [name]: `${String(before)}; ${text}` });
}
