import {
  attachmentName,
  isListedAsAttached,
  uniqueVolumeName,
} from "@raft2kube/client-kube/object/attachments.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { ATTACH_LOOK_MS, ATTACH_WAIT_MS } from "../plugins/limits.ts";
import type { CsiObjects } from "./csi-objects.ts";
import { VolumeError } from "./volume-error.ts";
import type { VolumesInUse } from "./volumes-in-use.ts";

/** How the kubelet learns that a volume is attached. */
export interface Attaching {
  nodeName: string;
  objects: CsiObjects;
  inUse: VolumesInUse;
  clock: Clock;
}

type Look = { context: Record<string, string> } | { why: string };

/**
 * Waits until a volume is attached to this node and reported as in use, and returns what the
 * driver's attaching gave for its mounting. Throws VolumeError NotAttached after ten seconds.
 */
export async function awaitAttached(
  attaching: Attaching,
  driver: string,
  volumeHandle: string,
): Promise<Record<string, string>> {
  const { clock, inUse } = attaching;
  const unique = uniqueVolumeName(driver, volumeHandle);
  const end_ms = clock.monotonic() + ATTACH_WAIT_MS;
  for (;;) {
    const news = inUse.news(unique);
    const look = await lookAt(attaching, driver, volumeHandle);
    if ("context" in look) return look.context;
    if (clock.monotonic() >= end_ms) throw new VolumeError("NotAttached", look.why);
    await delay(clock, ATTACH_LOOK_MS, news);
  }
}

/** Reads the state of an attachment. The order matters: first reported in use, then read. */
async function lookAt(
  { nodeName, objects, inUse }: Attaching,
  driver: string,
  volumeHandle: string,
): Promise<Look> {
  const unique = uniqueVolumeName(driver, volumeHandle);
  const volume = `volume ${volumeHandle} of driver ${driver}`;
  if (!inUse.isShown(unique)) {
    return { why: `${volume} has not been added to VolumesInUse in the node's status yet` };
  }
  const attachment = await objects.attachment(attachmentName(driver, volumeHandle, nodeName));
  const { attached, attachError, attachmentMetadata } = attachment?.status ?? {};
  if (!attached || attachment?.metadata.deletionTimestamp) {
    return { why: `${volume} is not attached: ${attachError?.message ?? "no attachment yet"}` };
  }
  if (!isListedAsAttached(await objects.node(nodeName), unique)) {
    return { why: `${volume} is not attached according to the node's status` };
  }
  return { context: attachmentMetadata ?? {} };
}
