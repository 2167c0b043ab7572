import { type Plugin, unfit } from "../framework.ts";

/** A pod that names its node goes there or nowhere. */
export const nodeName: Plugin = {
  name: "NodeName",
  weight: 0,
  events: ["node-added"],
  consider({ pod }) {
    const wanted = pod.spec.nodeName;
    if (!wanted) return {};
    return {
      filter: ({ name }) =>
        name === wanted ? undefined : unfit("node(s) didn't match the requested node name"),
    };
  },
};
