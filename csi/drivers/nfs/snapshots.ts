import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  ControllerMethods,
  CreateSnapshotRequest,
  Snapshot,
} from "@raft2kube/proto/gen/csi.ts";
import type { Handlers } from "@raft2kube/rpc/server.ts";
import { SNAPSHOTS } from "../../lib/copies.ts";
import { notFound } from "../../lib/errors.ts";
import { requireString } from "../../lib/fields.ts";
import { requireParameters } from "../../lib/parameters.ts";
import { inShare, type NfsDriver } from "./driver.ts";
import { CONTENT_TIMEOUT_MS } from "./limits.ts";
import { snapshotMessage } from "./messages.ts";
import { copiesOf } from "./share-processes.ts";
import { keyOf, parseId } from "./volume-id.ts";

type SnapshotMethods = "createSnapshot" | "deleteSnapshot";

/** The Controller's calls on snapshots: a snapshot is an archive in the share of its volume. */
export const snapshotHandlers = (
  driver: NfsDriver,
): Pick<Handlers<ControllerMethods>, SnapshotMethods> => ({
  createSnapshot: async (request) => ({ snapshot: await createSnapshot(driver, request) }),
  deleteSnapshot: async (request) => {
    const id = requireString("snapshot_id", request.snapshotId);
    const found = parseId(id);
    if (!found) return {};
    const { share, key } = found;
    await driver.pending.run([key], () =>
      driver.removals.run("deleteSnapshot", { ...inShare(driver, share), key }),
    );
    return {};
  },
});

async function createSnapshot(
  driver: NfsDriver,
  request: CreateSnapshotRequest,
): Promise<Init<Snapshot>> {
  const name = requireString("name", request.name);
  const sourceVolumeId = requireString("source_volume_id", request.sourceVolumeId);
  requireParameters("parameters", request.parameters);
  const source = parseId(sourceVolumeId);
  if (!source) throw notFound(`volume ${sourceVolumeId} does not exist`);
  const { share, key: volumeKey } = source;
  const key = keyOf(name);
  const asked = { key, name, volumeKey, created_ms: driver.clock.now() };
  const record = await driver.pending.run([key, volumeKey], () =>
    driver.processes.run(
      "createSnapshot",
      { ...inShare(driver, share), ...asked },
      { server: copiesOf(share.server), namespace: SNAPSHOTS, timeout_ms: CONTENT_TIMEOUT_MS },
    ),
  );
  return snapshotMessage(share, record);
}
