import type { MountOptions } from "../mount-options.ts";
import type { OnDelete } from "../parameters.ts";
import type { ContentSource, SnapshotRecord, VolumeRecord } from "../record.ts";
import type { Share } from "../share.ts";

/** A share and how the driver mounts it for itself. */
export type InShare = { share: Share; mount: MountOptions };

export interface NewVolume {
  key: string;
  name: string;
  subDir: string;
  required_bytes: number;
  /** 0 without a limit. */
  limit_bytes: number;
  source: ContentSource | undefined;
  onDelete: OnDelete;
  mode: number | undefined;
}

/** Statistics of a mounted file system (statfs(2)), in bytes and inodes. */
export interface FileSystemUsage {
  total_bytes: number;
  available_bytes: number;
  used_bytes: number;
  inodes: number;
  inodesFree: number;
}

/** The operations of a process process: each one's request and result. */
export interface Operations {
  createVolume: { request: InShare & { volume: NewVolume }; result: VolumeRecord };
  getVolume: { request: InShare & { key: string }; result: VolumeRecord };
  expandVolume: {
    request: InShare & { key: string; required_bytes: number; limit_bytes: number };
    result: VolumeRecord;
  };
  deleteVolume: { request: InShare & { key: string }; result: null };
  createSnapshot: {
    request: InShare & { key: string; name: string; volumeKey: string; created_ms: number };
    result: SnapshotRecord;
  };
  deleteSnapshot: { request: InShare & { key: string }; result: null };
  publish: {
    request: InShare & { subDir: string; key: string | undefined; target: string };
    result: null;
  };
  /** `detach` ends the mount without waiting for dirty pages. */
  unmount: { request: { target: string; detach: boolean }; result: null };
  stats: { request: { path: string }; result: FileSystemUsage };
}

export type OperationName = keyof Operations;
export type RequestOf<N extends OperationName> = Operations[N]["request"];
export type ResultOf<N extends OperationName> = Operations[N]["result"];

/** Carries out each operation. */
export type Performer = {
  [N in OperationName]: (request: RequestOf<N>) => Promise<ResultOf<N>>;
};

/** Messages between driver and process; one operation at a time. */
export type ToProcess = { name: OperationName; request: unknown };
export type FromProcess =
  | { kind: "ready" }
  | { kind: "done"; result: unknown }
  | { kind: "failed"; status: number; message: string };
