import { activeSpan } from "@raft2kube/observe/trace/tracer.ts";
import type { FilterPlugin, Plugin, ScorePlugin } from "./plugin.ts";

/**
 * Makes a plugin note its verdicts and scores in the extension point's span: an attribute of the
 * plugin's name, with a text for each node. `weight` is the profile's, by default the plugin's.
 */
export function tracedPlugin(plugin: Plugin, weight?: number): Plugin {
  return Object.assign(Object.create(plugin) as Plugin, {
    ...("filter" in plugin ? tracedFilter(plugin as FilterPlugin) : {}),
    ...("score" in plugin ? tracedScores(plugin as ScorePlugin, weight) : {}),
  });
}

const tracedFilter = (plugin: FilterPlugin): Pick<FilterPlugin, "filter"> => ({
  filter(state, info, node) {
    const status = plugin.filter(state, info, node);
    note(plugin, `${node.name}: ${status ? status.reasons.join(", ") : "passes"}`);
    return status;
  },
});

/** The score that counts is the normalized one, which comes after those of all nodes. */
function tracedScores(plugin: ScorePlugin, weight = plugin.weight): Partial<ScorePlugin> {
  let nodes: string[] = [];
  return {
    score(state, info, node) {
      nodes.push(node.name);
      return plugin.score(state, info, node);
    },
    normalizeScore(raw) {
      const scores = plugin.normalizeScore?.(raw) ?? raw;
      nodes.forEach((name, i) => note(plugin, `${name}: ${scores[i]} x ${weight}`));
      nodes = [];
      return scores;
    },
  };
}

function note({ name }: Plugin, text: string): void {
  const span = activeSpan();
  const before = span?.attributes[name];
  span?.set({ [name]: before === undefined ? text : `${String(before)}; ${text}` });
}
