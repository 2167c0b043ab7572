import type { NodePublishVolumeRequest } from "@raft2kube/proto/gen/csi.ts";
import { alreadyExists, invalidArgument, resourceExhausted } from "../../lib/errors.ts";
import { CAPACITY_DEFAULT_BYTES } from "../../lib/limits.ts";
import { type HostPathDriver, makeVolume } from "./driver.ts";
import { INLINE_VOLUMES_MAX } from "./limits.ts";
import { volumeOf } from "./state.ts";

/**
 * Context key that a kubelet sets to "true" for an inline volume of a pod (CSIDriver,
 * volumeLifecycleModes).
 */
const EPHEMERAL = "csi.storage.k8s.io/ephemeral";

/** The caller's id becomes a directory name. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Whether this publish makes its volume itself. */
export function isEphemeral(volumeContext: Readonly<Record<string, string>>): boolean {
  return volumeContext[EPHEMERAL] === "true";
}

/** Makes the inline volume that the request names, unless an earlier attempt did. */
export async function makeEphemeralVolume(
  driver: HostPathDriver,
  request: NodePublishVolumeRequest,
): Promise<void> {
  const id = request.volumeId;
  if (request.volumeCapability?.block) {
    throw invalidArgument("inline volumes are not block devices");
  }
  if (!ID.test(id)) throw invalidArgument(`volume_id is not a plain name: ${id}`);
  const unknown = Object.keys(request.volumeContext).find(
    (key) => !key.startsWith("csi.storage.k8s.io/"),
  );
  if (unknown !== undefined) throw invalidArgument(`volume attribute ${unknown} is not known`);
  const { current } = driver.state;
  const existing = volumeOf(current, id);
  if (existing?.ephemeral) return;
  if (existing) throw alreadyExists(`volume ${id} is not an inline volume`);
  const inline = Object.values(current.volumes).filter((volume) => volume.ephemeral);
  if (inline.length >= INLINE_VOLUMES_MAX) {
    throw resourceExhausted(`the driver holds ${INLINE_VOLUMES_MAX} inline volumes already`);
  }
  await makeVolume(driver, {
    id,
    name: id,
    capacity_bytes: CAPACITY_DEFAULT_BYTES,
    block: false,
    ephemeral: true,
  });
}
