import { messageOf } from "@raft2kube/std/errors.ts";
import { internal } from "../../lib/errors.ts";
import type { OnDelete } from "./parameters.ts";

/** The volume or snapshot of the same share that a volume is a copy of; `key` is its record's. */
export type ContentSource = { kind: "snapshot" | "volume"; key: string };

/** A volume of a share, as the driver records it there. */
export interface VolumeRecord {
  version: 1;
  /** A volume that is not `ready` was never given to a caller, or is being deleted. */
  state: "creating" | "ready" | "deleting";
  /** The name of CreateVolume, which makes it idempotent. */
  name: string;
  subDir: string;
  capacity_bytes: number;
  onDelete: OnDelete;
  source?: ContentSource;
}

/** A snapshot: an archive beside this record. */
export interface SnapshotRecord {
  version: 1;
  name: string;
  /** Key of the volume that it was taken of. */
  volumeKey: string;
  /** The capacity of that volume: one that is restored from the snapshot is at least as large. */
  size_bytes: number;
  created_ms: number;
}

const STATES: readonly unknown[] = ["creating", "ready", "deleting"];
const ON_DELETE: readonly unknown[] = ["delete", "retain", "archive"];

/** Reads a volume's record. Throws INTERNAL for a text that the driver did not write. */
export function parseVolume(text: string, where: string): VolumeRecord {
  const value = objectIn(text, where);
  const { state, name, subDir, capacity_bytes, onDelete, source } = value;
  const isWhole =
    STATES.includes(state) &&
    typeof name === "string" &&
    typeof subDir === "string" &&
    isSize(capacity_bytes) &&
    ON_DELETE.includes(onDelete) &&
    isSource(source);
  if (!isWhole) throw damaged(where);
  return value as unknown as VolumeRecord;
}

/** Reads a snapshot's record. Throws INTERNAL for a text that the driver did not write. */
export function parseSnapshot(text: string, where: string): SnapshotRecord {
  const value = objectIn(text, where);
  const { name, volumeKey, size_bytes, created_ms } = value;
  const isWhole =
    typeof name === "string" &&
    typeof volumeKey === "string" &&
    isSize(size_bytes) &&
    isSize(created_ms);
  if (!isWhole) throw damaged(where);
  return value as unknown as SnapshotRecord;
}

function objectIn(text: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged(where, cause);
  }
  if (typeof value !== "object" || value === null || !("version" in value)) throw damaged(where);
  if (value.version !== 1) throw internal(`${where} is of a newer version of this driver`);
  return value as Record<string, unknown>;
}

const isSize = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

function isSource(value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value !== "object" || value === null) return false;
  const { kind, key } = value as Record<string, unknown>;
  return (kind === "snapshot" || kind === "volume") && typeof key === "string";
}

function damaged(where: string, cause?: unknown) {
  const why = cause === undefined ? "" : ` (${messageOf(cause)})`;
  return internal(`${where} is damaged${why}: restore it, or move it away to give up its object`);
}
