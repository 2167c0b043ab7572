import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import {
  type ClaimStatusChange,
  conditionsAfter,
} from "@raft2kube/client-kube/object/claim-conditions.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { NodeServiceCapability_RPC_Type as Capability } from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { compareQuantity, valueOf } from "@raft2kube/std/quantity.ts";
import type { CsiDriver } from "../plugins/csi-drivers.ts";
import { DRIVER_CALL_TIMEOUT_MS } from "../plugins/limits.ts";
import type { CsiObjects } from "./csi-objects.ts";
import { capabilityOf, isReadOnly } from "./csi-plan.ts";
import type { VolumeSpec } from "./plugin.ts";

const log = logger("kubelet-volumes");

/** A published volume that may have to grow on the node. */
export interface Expandable {
  spec: VolumeSpec;
  targetPath: string;
  /** Path of the staged volume; empty for a driver that does not stage. */
  stagingPath: string;
}

/**
 * Whether the claim waits for its volume to grow on the node: the volume has grown at the driver's
 * controller, or its growing here was started before. Pure.
 */
export function waitsForExpansion({ claim }: VolumeSpec): boolean {
  if (!claim?.pvc) return false;
  const { status } = claim.pvc;
  const had = status?.capacity?.["storage"];
  const has = claim.pv.spec.capacity?.["storage"];
  if (had === undefined || has === undefined || compareQuantity(has, had) <= 0) return false;
  const state = status?.allocatedResourceStatuses?.["storage"];
  return state === "NodeResizePending" || state === "NodeResizeInProgress";
}

/**
 * Calls NodeExpandVolume for a volume whose claim waits for it, and records the result in the
 * claim's status. A failure does not keep pods from the volume: it is a condition of the claim,
 * and the next sync tries again.
 */
export async function expandOnNode(
  driver: CsiDriver,
  objects: CsiObjects,
  { spec, targetPath, stagingPath }: Expandable,
  now_ms: number,
): Promise<void> {
  if (!waitsForExpansion(spec) || isReadOnly(spec)) return;
  if (!driver.capabilities.has(Capability.EXPAND_VOLUME)) return;
  const { pvc, pv } = spec.claim!;
  if (!pvc) return;
  const storage = pv.spec.capacity?.["storage"] ?? "0";
  const source = pv.spec.csi!;
  const patch = (claim: PersistentVolumeClaim, change: ClaimStatusChange) =>
    objects.patchClaimStatus(claim, {
      ...change.fields,
      conditions: conditionsAfter(claim.status?.conditions ?? [], change, now_ms),
    });
  try {
    const begun = await patch(pvc, {
      fields: { allocatedResourceStatuses: { storage: "NodeResizeInProgress" } },
      without: [],
    });
    try {
      const reference = source.nodeExpandSecretRef;
      const { namespace = "default", name = "" } = reference ?? {};
      await driver.node.nodeExpandVolume(
        {
          volumeId: source.volumeHandle,
          volumePath: targetPath,
          stagingTargetPath: stagingPath,
          capacityRange: { requiredBytes: valueOf(storage) },
          volumeCapability: capabilityOf(spec, driver.capabilities),
          secrets: name === "" ? {} : await objects.secret({ namespace, name }),
        },
        { timeout_ms: DRIVER_CALL_TIMEOUT_MS },
      );
    } catch (thrown) {
      await patch(begun, failure(thrown));
      throw thrown;
    }
    await patch(begun, finished(storage));
  } catch (thrown) {
    const fields = { claim: pvc.metadata.name ?? "", error: messageOf(thrown) };
    log.warn("a volume could not be expanded on the node", fields);
  }
}

const finished = (storage: string): ClaimStatusChange => ({
  fields: { capacity: { storage }, allocatedResourceStatuses: null },
  without: ["Resizing", "FileSystemResizePending", "ControllerResizeError", "NodeResizeError"],
});

/** Statuses after which the same call cannot succeed (CSI spec, NodeExpandVolume). */
const INFEASIBLE: ReadonlySet<number | undefined> = new Set([
  Status.INVALID_ARGUMENT,
  Status.OUT_OF_RANGE,
  Status.NOT_FOUND,
]);

function failure(thrown: unknown): ClaimStatusChange {
  const isInfeasible = INFEASIBLE.has((thrown as { status?: number }).status);
  const storage = isInfeasible ? "NodeResizeInfeasible" : "NodeResizeInProgress";
  return {
    fields: { allocatedResourceStatuses: { storage } },
    without: [],
    with: { NodeResizeError: `NodeExpandVolume failed: ${messageOf(thrown)}` },
  };
}
