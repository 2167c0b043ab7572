import { goSwitch } from "@raft2kube/std/go-values.ts";
import { FlagError } from "./flag-error.ts";

/** The allowed values of a gate, and why others are not. */
type Gate = { fixed: boolean; why: string } | "free";

export const GATES: ReadonlyMap<string, Gate> = new Map<string, Gate>([
  ["AllAlpha", { fixed: false, why: "name the features" }],
  ["AllBeta", { fixed: false, why: "name the features" }],
  ["InitialCorruptCheck", "free"],
  ["CompactHashCheck", { fixed: false, why: "compaction hashes are not compared" }],
  ["LeaseCheckpoint", { fixed: true, why: "leases are always checkpointed" }],
  ["LeaseCheckpointPersist", { fixed: true, why: "checkpoints are always kept" }],
  ["SetMemberLocalAddr", { fixed: false, why: "the kernel chooses the address" }],
  ["StopGRPCServiceOnDefrag", "free"],
  ["TxnModeWriteWithSharedBuffer", { fixed: true, why: "transactions copy nothing" }],
]);

/** A gate's value; throws FlagError when it cannot be so here. */
export function checkGate(flag: string, name: string, value: string): boolean {
  const on = goSwitch(value);
  const gate = GATES.get(name);
  if (!gate) throw new FlagError(`${flag}: unrecognized feature gate: ${name}`);
  if (on === undefined) throw new FlagError(`${flag}: invalid value of ${name}: ${value}`);
  if (gate === "free" || gate.fixed === on) return on;
  throw new FlagError(`${flag}: ${name}=${value}: ${gate.why}`);
}
