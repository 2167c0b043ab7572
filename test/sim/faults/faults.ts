import { COMPARES } from "../check/reference.ts";
import { BACKEND_FAULTS, type BackendFault } from "../world/backend.ts";
import { DISK_FAULTS, type DiskFault } from "../world/disk.ts";
import { PARTITIONS, type PartitionShape } from "../world/partition.ts";
import { MOMENTS, type Moment, SIDES, type Side } from "../world/power.ts";

/** Something that goes wrong, drawn by chance and done once. */
export type Fault =
  | { kind: "crash" }
  | { kind: "leader crash" }
  | { kind: "power cut everywhere" }
  | { kind: "power cut"; side: Side; moment: Moment }
  | { kind: "power cut between writes"; after: number }
  | { kind: "pause"; for_ms: number }
  | { kind: "event loop stalled"; for_ms: number }
  | { kind: "wall clock stepped"; by_ms: number }
  | { kind: "partition"; shape: PartitionShape; for_ms: number }
  | { kind: "link clogged"; for_ms: number }
  | { kind: "leader cut off"; way: "in" | "out" | "both"; beside: number; for_ms: number }
  | { kind: "leader held up"; way: "in" | "out" | "both"; for_ms: number }
  | { kind: "member between two leaders"; behind_ms: number; apart_ms: number }
  | { kind: "leader returns" }
  | { kind: "leadership handed over"; to: "anyone" | "one that installs" }
  | { kind: "disk"; fault: DiskFault }
  | { kind: "backend"; fault: BackendFault }
  | { kind: "disk goes bad"; chance: number }
  | { kind: "byte flipped at rest" }
  | { kind: "byte misread" }
  | { kind: "backend damaged" }
  | { kind: "disk blank" }
  | { kind: "rolling upgrade" };

const POWER_CUTS = SIDES.flatMap((side) => MOMENTS.map((moment) => `power cut ${side} ${moment}`));

/** Every class of fault and of what follows from one; a long run in which one is 0 has failed. */
export const CLASSES: readonly string[] = [
  "crash",
  "power cut everywhere",
  ...POWER_CUTS,
  "pause",
  "event loop stalled",
  "wall clock stepped",
  "clock drifts",
  ...PARTITIONS.map((shape) => `partition ${shape}`),
  "link clogged",
  "leadership handed over",
  "leadership handed over to one that installs",
  ...DISK_FAULTS,
  ...BACKEND_FAULTS,
  "disk goes bad",
  "byte flipped at rest",
  "byte misread",
  "backend damaged",
  "disk blank",
  "message lost",
  "message replayed",
  "message cut off",
  "call broken",
  "asked for hash-kv",
  "asked for lease-keep-alive",
  "unsynced write lost",
  "unsynced write torn",
  "directory entry lost",
  "damage found",
  "member ended itself",
  "member replaced",
  "member upgraded",
  "rolling upgrade done",
  "message between releases",
  "message of another release passed over",
  "snapshot installed",
  "leader elected",
  "configurations compared",
  "went on under a partial partition",
  "watch from the past",
  "watch from ahead",
  "watch event",
  "informer listed",
  "lease renewed",
  "lease expired",
  "update made",
  "update met a newer one",
  "answered compact",
  "answered serializable",
  ...COMPARES,
  "hash compared",
  "hash of the compacted revision",
  "hash where no key lives",
  "lease looked at",
  "start with a checkpointed lease",
];

/** Classes of faults that only runs of the swarm kind have. */
export const SWARM_CLASSES: readonly string[] = [
  "power cut between writes",
  "leader cut off",
  "leader held up",
  "member between two leaders",
  "leader returns",
  "leader returned",
  "own proposal of an earlier term ended",
  "append ended before a conflict",
  "fault where the run had not been",
  "voter added",
  "learner added",
  "learner promoted",
  "voter demoted",
  "member removed",
  "joint change",
  "explicit joint change",
  "changes close together",
];
