import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { type AddressFamily, familiesOf, isTopologyAuto } from "./desired.ts";
import type { SlicesPlan } from "./plan.ts";
import { hintSlices, type ZoneShares, zoneShares } from "./topology.ts";

/** An Event about a Service's hints. */
export interface HintsNote {
  readonly type: "Normal" | "Warning";
  readonly reason: "TopologyAwareHintsEnabled" | "TopologyAwareHintsDisabled";
  readonly message: string;
}

/** The hints of Services with the mode Auto, and which Services have them. */
export class TopologyHints {
  readonly #nodes: () => readonly Node[];
  #shares: { known: ZoneShares } | undefined;
  readonly #hinted = new Set<string>();

  constructor(nodes: () => readonly Node[]) {
    this.#nodes = nodes;
  }

  /** Nodes have changed: the shares of zones are computed again. */
  moved(): void {
    this.#shares = undefined;
  }

  forget(key: string): void {
    this.#hinted.delete(key);
  }

  /** The plan with hints for a Service of the mode Auto, any other as it is. */
  apply(
    key: string,
    service: Service,
    existing: readonly EndpointSlice[],
    plan: SlicesPlan,
  ): { plan: SlicesPlan; notes: HintsNote[] } {
    const families = familiesOf(service);
    if (!isTopologyAuto(service)) {
      const notes = this.#hinted.delete(key)
        ? families.map((family) => disabled("Topology Aware Hints has been disabled", family))
        : [];
      return { plan, notes };
    }
    this.#shares ??= { known: zoneShares(this.#nodes()) };
    const hinted: SlicesPlan = { create: [], update: [], delete: plan.delete };
    const notes: HintsNote[] = [];
    for (const family of families) {
      const { create, update, refusal } = hintSlices(
        slicesOf(family, existing, plan),
        this.#shares.known,
      );
      hinted.create.push(...create);
      hinted.update.push(...update);
      if (refusal !== undefined) {
        this.#hinted.delete(key);
        notes.push(disabled(refusal, family));
      } else if (!this.#hinted.has(key)) {
        this.#hinted.add(key);
        notes.push(enabled(family));
      }
    }
    return { plan: hinted, notes };
  }
}

function slicesOf(
  family: AddressFamily,
  existing: readonly EndpointSlice[],
  { create, update, delete: gone }: SlicesPlan,
) {
  const rewritten = new Set([...update, ...gone].map(({ metadata }) => metadata.uid));
  const ofFamily = ({ addressType }: EndpointSlice) => addressType === family;
  return {
    create: create.filter(ofFamily),
    update: update.filter(ofFamily),
    unchanged: existing.filter(ofFamily).filter(({ metadata }) => !rewritten.has(metadata.uid)),
  };
}

const disabled = (why: string, family: AddressFamily): HintsNote => ({
  type: "Warning",
  reason: "TopologyAwareHintsDisabled",
  message: `${why}, addressType: ${family}`,
});

const enabled = (family: AddressFamily): HintsNote => ({
  type: "Normal",
  reason: "TopologyAwareHintsEnabled",
  message: `Topology Aware Hints has been enabled, addressType: ${family}`,
});
