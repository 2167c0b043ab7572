import { randomUUID } from "node:crypto";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  GroupControllerServiceCapability_RPC_Type as Capability,
  type CreateVolumeGroupSnapshotRequest,
  GroupController,
  type GroupControllerMethods,
  type VolumeGroupSnapshot,
} from "@raft2kube/proto/gen/csi.ts";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import { type Handlers, serve } from "@raft2kube/rpc/server.ts";
import { SNAPSHOTS } from "../../lib/copies.ts";
import { alreadyExists, invalidArgument, notFound } from "../../lib/errors.ts";
import { requireString } from "../../lib/fields.ts";
import { requireParameters } from "../../lib/parameters.ts";
import { type HostPathDriver, requireVolume } from "./driver.ts";
import { GROUP_VOLUMES_MAX } from "./limits.ts";
import { snapshotMessage, timestampOf } from "./messages.ts";
import { requireSnapshotSpace } from "./snapshots.ts";
import {
  type HostPathSnapshot,
  type HostPathState,
  withoutSnapshot,
  withSnapshot,
} from "./state.ts";
import type { VolumeContents } from "./volume-contents.ts";

/**
 * The GroupController service: snapshots of several volumes under one name. Their contents are
 * copied one after the other, while no other call works on the volumes; pods may write meanwhile.
 */
export function groupControllerService(driver: HostPathDriver): ServedService {
  const handlers: Handlers<GroupControllerMethods> = {
    groupControllerGetCapabilities: () => ({
      capabilities: [{ rpc: { type: Capability.CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT } }],
    }),
    createVolumeGroupSnapshot: async (request) => {
      return { groupSnapshot: groupMessage(await createGroup(driver, request)) };
    },
    deleteVolumeGroupSnapshot: async (request) => {
      const id = requireString("group_snapshot_id", request.groupSnapshotId);
      await driver.pending.run([id], () => deleteGroup(driver, id, request.snapshotIds));
      return {};
    },
    getVolumeGroupSnapshot: (request) => {
      const id = requireString("group_snapshot_id", request.groupSnapshotId);
      const members = membersOf(driver.state.current, id);
      if (members.length === 0) throw notFound(`group snapshot ${id} does not exist`);
      requireMembers(id, members, request.snapshotIds);
      return { groupSnapshot: groupMessage(members) };
    },
  };
  return serve(GroupController, handlers);
}

function membersOf(state: HostPathState, groupId: string): HostPathSnapshot[] {
  return Object.values(state.snapshots).filter(({ group }) => group?.id === groupId);
}

/**
 * Makes all contents, then records them in one write: after a crash all of a group exist, or none.
 */
async function createGroup(
  driver: HostPathDriver,
  request: CreateVolumeGroupSnapshotRequest,
): Promise<HostPathSnapshot[]> {
  const { contents, state, pending, clock } = driver;
  return pending.run([request.name, ...new Set(request.sourceVolumeIds)], async () => {
    const plan = planCreateGroup(state.current, request);
    if (plan.kind === "existing") return plan.members;
    const group = { id: `group-${randomUUID()}`, name: request.name };
    const volumes = plan.sourceVolumeIds.map((id) => requireVolume(driver, id));
    const members = volumes.map(
      ({ id, capacity_bytes, block }): HostPathSnapshot => ({
        id: `snap-${randomUUID()}`,
        name: `${group.id}-${id}`,
        sourceVolumeId: id,
        size_bytes: capacity_bytes,
        block,
        created_ms: clock.now(),
        group,
      }),
    );
    using _ = contents.copies.enter(SNAPSHOTS);
    await createContents(contents, members);
    await state.change((current) => members.reduce(withSnapshot, current));
    return members;
  });
}

/** Makes the content of all members; of none when one fails. */
async function createContents(
  contents: VolumeContents,
  members: readonly HostPathSnapshot[],
): Promise<void> {
  const made: string[] = [];
  try {
    for (const { id, sourceVolumeId, size_bytes, block } of members) {
      const source = { kind: "volumes", id: sourceVolumeId } as const;
      await contents.create("snapshots", id, { capacity_bytes: size_bytes, block, source });
      made.push(id);
    }
  } catch (thrown) {
    for (const id of made) await contents.remove("snapshots", id);
    throw thrown;
  }
}

/**
 * Decides what CreateVolumeGroupSnapshot does; its name makes it idempotent. Pure.
 */
export function planCreateGroup(
  state: HostPathState,
  request: CreateVolumeGroupSnapshotRequest,
):
  | { kind: "existing"; members: HostPathSnapshot[] }
  | { kind: "create"; sourceVolumeIds: string[] } {
  const name = requireString("name", request.name);
  requireParameters("parameters", request.parameters);
  const sourceVolumeIds = [...new Set(request.sourceVolumeIds)].sort();
  if (sourceVolumeIds.length === 0) throw invalidArgument("source_volume_ids is missing");
  if (sourceVolumeIds.length > GROUP_VOLUMES_MAX) {
    throw invalidArgument(`source_volume_ids has more than ${GROUP_VOLUMES_MAX} volumes`);
  }
  for (const id of sourceVolumeIds) requireString("source_volume_ids", id);
  const members = Object.values(state.snapshots).filter(({ group }) => group?.name === name);
  const sources = members.map(({ sourceVolumeId }) => sourceVolumeId).sort();
  if (members.length > 0 && sources.join() !== sourceVolumeIds.join()) {
    throw alreadyExists(`group snapshot ${name} exists, of volumes ${sources.join(", ")}`);
  }
  if (members.length > 0) return { kind: "existing", members };
  requireSnapshotSpace(state, sourceVolumeIds.length);
  return { kind: "create", sourceVolumeIds };
}

async function deleteGroup(
  { contents, state }: HostPathDriver,
  groupId: string,
  snapshotIds: readonly string[],
): Promise<void> {
  const members = membersOf(state.current, groupId);
  if (members.length === 0) return;
  requireMembers(groupId, members, snapshotIds);
  await state.change((current) => members.map(({ id }) => id).reduce(withoutSnapshot, current));
  for (const { id } of members) await contents.remove("snapshots", id);
}

/** Throws INVALID_ARGUMENT unless the ids given, if any, are those of the group. */
function requireMembers(
  groupId: string,
  members: readonly HostPathSnapshot[],
  snapshotIds: readonly string[],
): void {
  if (snapshotIds.length === 0) return;
  const ids = new Set(members.map(({ id }) => id));
  const other = snapshotIds.find((id) => !ids.has(id));
  if (other === undefined && new Set(snapshotIds).size === ids.size) return;
  const what = other === undefined ? "snapshot_ids lacks snapshots" : `snapshot ${other} is not`;
  throw invalidArgument(`${what} of group snapshot ${groupId}`);
}

function groupMessage(members: readonly HostPathSnapshot[]): Init<VolumeGroupSnapshot> {
  const [first] = members;
  return {
    groupSnapshotId: first?.group?.id ?? "",
    snapshots: members.map(snapshotMessage),
    creationTime: timestampOf(first?.created_ms ?? 0),
    readyToUse: true,
  };
}
