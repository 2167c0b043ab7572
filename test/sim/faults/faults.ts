import type { DiskFault, DiskOperation } from "../world/disk.ts";
import type { PartitionShape } from "../world/partition.ts";

/** Something that goes wrong, drawn by chance and done once. */
export type Fault =
  | { kind: "crash" }
  | { kind: "power cut everywhere" }
  | { kind: "power cut at the disk"; at: DiskOperation }
  | { kind: "pause"; for_ms: number }
  | { kind: "event loop stalled"; for_ms: number }
  | { kind: "wall clock stepped"; by_ms: number }
  | { kind: "partition"; shape: PartitionShape; for_ms: number }
  | { kind: "link clogged"; for_ms: number }
  | { kind: "leadership handed over" }
  | { kind: "disk"; fault: DiskFault }
  | { kind: "byte flipped at rest" }
  | { kind: "byte misread" }
  | { kind: "disk blank" };

/** Every class of fault and of what follows from one; a long run in which one is 0 has failed. */
export const CLASSES: readonly string[] = [
  "crash",
  "power cut everywhere",
  "power cut at write",
  "power cut at sync",
  "power cut at create",
  "power cut at rename",
  "power cut at sync folder",
  "pause",
  "event loop stalled",
  "wall clock stepped",
  "clock drifts",
  "partition symmetric",
  "partition one-way",
  "partition isolate one",
  "partition ring",
  "partition bridge",
  "link clogged",
  "leadership handed over",
  "EIO on write",
  "ENOSPC on write",
  "fsync error",
  "write corrupted",
  "write misdirected",
  "byte flipped at rest",
  "byte misread",
  "disk blank",
  "message lost",
  "message replayed",
  "message cut off",
  "unsynced write lost",
  "unsynced write torn",
  "directory entry lost",
  "damage found at start",
  "member ended itself",
  "member replaced",
  "snapshot installed",
  "leader elected",
  "watch from the past",
  "watch from ahead",
  "watch event",
  "lease renewed",
  "lease expired",
  "update made",
  "update met a newer one",
];
