import { logger } from "@raft2kube/observe/log.ts";
import type { VolumeCondition } from "@raft2kube/proto/gen/csi.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { ownText } from "@raft2kube/std/bytes.ts";
import type { DriverIdentity } from "./driver-identity.ts";
import type { Condition } from "./health-plan.ts";
import {
  CONDITION_CHARS_MAX,
  CONTROLLER_CALL_TIMEOUT_MS,
  LISTED_PAGES_MAX,
  LISTED_VOLUMES_MAX,
} from "./limits.ts";
import { ProvisioningError } from "./provisioning-error.ts";
import { rpcErrorText } from "./rpc-error-text.ts";

type Driver = Pick<DriverIdentity, "name"> & {
  controller: Pick<DriverIdentity["controller"], "listVolumes" | "controllerGetVolume">;
};

const log = logger("csi-health");
const OPTIONS = { timeout_ms: CONTROLLER_CALL_TIMEOUT_MS };

/**
 * Lists the conditions of the volumes of `handles`. Nothing is kept of others, and of a message its
 * first CONDITION_CHARS_MAX characters: a driver may list any number of volumes. Throws RpcError,
 * ProvisioningError for more than LISTED_PAGES_MAX parts.
 */
export async function listConditions(
  driver: Driver,
  handles: ReadonlySet<string>,
): Promise<Map<string, Condition>> {
  const found = new Map<string, Condition>();
  let startingToken = "";
  for (let page = 0; page < LISTED_PAGES_MAX; page++) {
    const request = { startingToken, maxEntries: LISTED_VOLUMES_MAX };
    const { entries, nextToken } = await driver.controller.listVolumes(request, OPTIONS);
    for (const { volume, status } of entries) {
      if (volume && handles.has(volume.volumeId)) {
        note(found, volume.volumeId, status?.volumeCondition);
      }
    }
    if (nextToken === "") return found;
    startingToken = nextToken;
  }
  const message = `lists its volumes in more than ${LISTED_PAGES_MAX} parts`;
  throw new ProvisioningError("BadDriver", `driver ${driver.name} ${message}`);
}

/**
 * Asks for the condition of each volume of `handles`, until `isClosed`. One that the driver does
 * not report is left out, so that the others are known. Throws RpcError if the driver is away.
 */
export async function getConditions(
  { name, controller }: Driver,
  handles: ReadonlySet<string>,
  isClosed: () => boolean,
): Promise<Map<string, Condition>> {
  const found = new Map<string, Condition>();
  for (const volumeId of handles) {
    if (isClosed()) break;
    try {
      const { status } = await controller.controllerGetVolume({ volumeId }, OPTIONS);
      note(found, volumeId, status?.volumeCondition);
    } catch (thrown) {
      if (!(thrown instanceof RpcError) || thrown.status === Status.UNAVAILABLE) throw thrown;
      // It was deleted meanwhile, or its claim's pods will see that it is missing.
      if (thrown.status === Status.NOT_FOUND) continue;
      const error = rpcErrorText(thrown).slice(0, CONDITION_CHARS_MAX);
      log.warn("the condition of a volume is unknown", { driver: name, volume: volumeId, error });
    }
  }
  return found;
}

function note(
  found: Map<string, Condition>,
  handle: string,
  condition: VolumeCondition | undefined,
): void {
  if (!condition) return;
  const { abnormal, message } = condition;
  const text = ownText(message.slice(0, CONDITION_CHARS_MAX));
  found.set(handle, { abnormal, message: text });
}
