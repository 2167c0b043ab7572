import { randomUUID } from "node:crypto";
import type { ControllerMethods, CreateSnapshotRequest } from "@raft2kube/proto/gen/csi.ts";
import type { Handlers } from "@raft2kube/rpc/server.ts";
import { SNAPSHOTS } from "../../lib/copies.ts";
import { alreadyExists, invalidArgument, resourceExhausted } from "../../lib/errors.ts";
import { requireString } from "../../lib/fields.ts";
import { pageOf } from "../../lib/paging.ts";
import { requireParameters } from "../../lib/parameters.ts";
import { type HostPathDriver, requireVolume } from "./driver.ts";
import { SNAPSHOTS_MAX } from "./limits.ts";
import { snapshotMessage } from "./messages.ts";
import {
  type HostPathSnapshot,
  type HostPathState,
  snapshotOf,
  withoutSnapshot,
  withSnapshot,
} from "./state.ts";

type SnapshotMethods = "createSnapshot" | "deleteSnapshot" | "listSnapshots";

/**
 * The Controller's calls on snapshots: a snapshot is a copy of the volume, whole at its return.
 */
export const snapshotHandlers = (
  driver: HostPathDriver,
): Pick<Handlers<ControllerMethods>, SnapshotMethods> => ({
  createSnapshot: async (request) => {
    const snapshot = await createSnapshot(driver, request);
    return { snapshot: snapshotMessage(snapshot) };
  },
  deleteSnapshot: async (request) => {
    const id = requireString("snapshot_id", request.snapshotId);
    await driver.pending.run([id], () => deleteSnapshot(driver, id));
    return {};
  },
  listSnapshots: (request) => {
    const { snapshotId, sourceVolumeId } = request;
    const snapshots = Object.values(driver.state.current.snapshots).filter(
      (snapshot) =>
        (snapshotId === "" || snapshot.id === snapshotId) &&
        (sourceVolumeId === "" || snapshot.sourceVolumeId === sourceVolumeId),
    );
    snapshots.sort((a, b) => (a.id < b.id ? -1 : 1));
    const page = pageOf(snapshots, (snapshot) => snapshot.id, request);
    const entries = page.items.map((snapshot) => ({ snapshot: snapshotMessage(snapshot) }));
    return { entries, nextToken: page.nextToken };
  },
});

async function createSnapshot(
  driver: HostPathDriver,
  request: CreateSnapshotRequest,
): Promise<HostPathSnapshot> {
  const { contents, state, pending, clock } = driver;
  return pending.run([request.name, request.sourceVolumeId], async () => {
    const plan = planCreateSnapshot(state.current, request);
    if (plan.kind === "existing") return plan.snapshot;
    const volume = requireVolume(driver, request.sourceVolumeId);
    const snapshot: HostPathSnapshot = {
      id: `snap-${randomUUID()}`,
      name: request.name,
      sourceVolumeId: volume.id,
      size_bytes: volume.capacity_bytes,
      block: volume.block,
      created_ms: clock.now(),
    };
    const source = { kind: "volumes", id: volume.id } as const;
    const { size_bytes: capacity_bytes, block } = snapshot;
    using _ = contents.copies.enter(SNAPSHOTS);
    await contents.create("snapshots", snapshot.id, { capacity_bytes, block, source });
    await state.change((current) => withSnapshot(current, snapshot));
    return snapshot;
  });
}

/**
 * Decides what CreateSnapshot does; its name makes it idempotent (CSI spec, CreateSnapshot). Pure.
 */
export function planCreateSnapshot(
  state: HostPathState,
  request: CreateSnapshotRequest,
): { kind: "existing"; snapshot: HostPathSnapshot } | { kind: "create" } {
  const name = requireString("name", request.name);
  const sourceVolumeId = requireString("source_volume_id", request.sourceVolumeId);
  requireParameters("parameters", request.parameters);
  const existing = Object.values(state.snapshots).find((snapshot) => snapshot.name === name);
  if (existing && existing.sourceVolumeId !== sourceVolumeId) {
    throw alreadyExists(`snapshot ${name} exists, of volume ${existing.sourceVolumeId}`);
  }
  if (existing) return { kind: "existing", snapshot: existing };
  requireSnapshotSpace(state, 1);
  return { kind: "create" };
}

/** Throws RESOURCE_EXHAUSTED unless the driver may make `count` more snapshots. */
export function requireSnapshotSpace(state: HostPathState, count: number): void {
  if (Object.keys(state.snapshots).length + count <= SNAPSHOTS_MAX) return;
  throw resourceExhausted(`the driver makes ${SNAPSHOTS_MAX} snapshots at most`);
}

async function deleteSnapshot(driver: HostPathDriver, id: string): Promise<void> {
  const { contents, state } = driver;
  const snapshot = snapshotOf(state.current, id);
  if (!snapshot) return;
  if (snapshot.group) {
    throw invalidArgument(`snapshot ${id} is deleted with its group, ${snapshot.group.id}`);
  }
  await state.change((current) => withoutSnapshot(current, id));
  await contents.remove("snapshots", id);
}
