import { type Plugin, unfit } from "../framework.ts";

/**
 * Devices are not allocated by claims here: a pod that asks for some waits, and its condition and
 * events say why, whether its claims exist or not.
 */
export const dynamicResources: Plugin = {
  name: "DynamicResources",
  weight: 0,
  events: [],
  consider({ pod }) {
    const names = (pod.spec.resourceClaims ?? []).map(({ name }) => name);
    if (names.length === 0) return {};
    const why = "cannot allocate all claims: no devices are allocated by resource claims here";
    return { reject: unfit(`${why} (spec.resourceClaims: ${names.join(", ")})`) };
  },
};
