import type { PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import { own } from "@raft2kube/std/own.ts";
import { StateKey } from "../framework/cycle-state.ts";
import type { FilterPlugin, PreFilterPlugin } from "../framework/plugin.ts";
import { SKIP, unresolvable } from "../framework/status.ts";
import type { StorageView } from "./volume-binding.ts";

const CONFLICT = "node(s) had no available volume zone";

/** Labels of nodes and volumes, and the names that have taken the place of older ones. */
const TOPOLOGY_LABELS = new Map([
  ["failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"],
  ["failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"],
  ["topology.kubernetes.io/zone", "topology.kubernetes.io/zone"],
  ["topology.kubernetes.io/region", "topology.kubernetes.io/region"],
]);

const LABELS = [...TOPOLOGY_LABELS.keys()];

/** A label of a volume, and the zones or regions that it lists. */
type Topology = { readonly label: string; readonly values: readonly string[] };

const TOPOLOGIES = new StateKey<readonly Topology[]>("PreFilterVolumeZone");

/**
 * Rejects nodes outside the zones and regions that the labels of the pod's volumes name. A node
 * without any such label passes: its cluster has but one zone.
 */
export function volumeZone(
  view: Pick<StorageView, "claims" | "volumes">,
): PreFilterPlugin & FilterPlugin {
  return {
    name: "VolumeZone",
    events: ["NodeAdd", "NodeLabelChange", "StorageUpdate"],
    preFilter(state, info) {
      const topologies = info.claims.flatMap((key) => {
        // A volume that does not exist is VolumeBinding's concern.
        const volume = view.volumes.get(view.claims.get(key)?.spec.volumeName ?? "");
        return volume ? topologiesOf(volume) : [];
      });
      state.write(TOPOLOGIES, topologies);
      return topologies.length === 0 ? SKIP : undefined;
    },
    filter(state, _info, { labels }) {
      if (!LABELS.some((label) => Object.hasOwn(labels, label))) return undefined;
      const matches = ({ label, values }: Topology) => {
        const value = own(labels, label) ?? own(labels, TOPOLOGY_LABELS.get(label) ?? label);
        return value !== undefined && values.includes(value);
      };
      return state.read(TOPOLOGIES)?.every(matches) === false ? unresolvable(CONFLICT) : undefined;
    },
  };
}

/** Returns the labels `a__b` of a volume as sets; one with an empty zone counts for nothing. */
function topologiesOf({ metadata: { labels = {} } }: PersistentVolume): Topology[] {
  return LABELS.flatMap((label) => {
    const values = own(labels, label)
      ?.split("__")
      .map((value) => value.trim());
    return values && !values.includes("") ? [{ label, values }] : [];
  });
}
