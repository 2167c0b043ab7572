import type { FilterPlugin } from "../framework/plugin.ts";
import { unresolvable } from "../framework/status.ts";

/** Admits a pod with `spec.nodeName` on that node only. */
export const nodeName: FilterPlugin = {
  name: "NodeName",
  events: ["NodeAdd"],
  filter(_state, { pod }, { name }) {
    const { nodeName: wanted } = pod.spec;
    return !wanted || wanted === name
      ? undefined
      : unresolvable("node(s) didn't match the requested node name");
  },
};
