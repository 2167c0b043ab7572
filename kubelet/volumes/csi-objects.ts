import type { Node, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { CSIDriver, VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CSI_DRIVERS,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  SECRETS,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { FairTurns, sharedCalls } from "@raft2kube/std/turns.ts";
import { OBJECT_READS_MAX } from "../limits.ts";
import { CSI_DRIVER_TTL_MS } from "../plugins/limits.ts";
import type { SecretName } from "./csi-plan.ts";
import { VolumeError } from "./volume-error.ts";

/** The API objects that mounting a CSI volume needs. */
export interface CsiObjects {
  /** `orCached` allows one that was read a minute ago at most. */
  csiDriver(name: string, how?: { orCached: boolean }): Promise<CSIDriver | undefined>;
  /** The secret's data as text, for the driver. Throws VolumeError NotFound. */
  secret(name: SecretName): Promise<Record<string, string>>;
  node(name: string): Promise<Node | undefined>;
  attachment(name: string): Promise<VolumeAttachment | undefined>;
  /** Merges `status` into a claim's. Fails with a conflict if the claim was changed meanwhile. */
  patchClaimStatus(
    claim: PersistentVolumeClaim,
    status: Record<string, unknown>,
  ): Promise<PersistentVolumeClaim>;
}

/**
 * Reads them from the API; a CSIDriver may be a minute old where its reader allows it, and is read
 * once for all volumes that ask meanwhile. Secrets, of which a tenant's volumes name many, are read
 * OBJECT_READS_MAX at a time.
 */
export function csiObjects(client: KubeClient, clock: Clock): CsiObjects {
  const turns = new FairTurns(OBJECT_READS_MAX);
  const driver = sharedCalls((name: string) =>
    undefinedIfNotFound(client.resource(CSI_DRIVERS).get({ name })),
  );
  const remembered = new Map<string, { object: CSIDriver | undefined; until_ms: number }>();
  return {
    async csiDriver(name, { orCached } = { orCached: false }) {
      const known = remembered.get(name);
      if (orCached && known && clock.monotonic() < known.until_ms) return known.object;
      const object = await driver(name);
      // An absent CSIDriver is not cached: it is often created a moment after the driver.
      if (object) remembered.set(name, { object, until_ms: clock.monotonic() + CSI_DRIVER_TTL_MS });
      return object;
    },
    node: (name) => undefinedIfNotFound(client.resource(NODES).get({ name })),
    attachment(name) {
      const attachments = client.resource(VOLUME_ATTACHMENTS);
      return undefinedIfNotFound(attachments.get({ name }));
    },
    patchClaimStatus(claim, status) {
      const claims = client.resource(PERSISTENT_VOLUME_CLAIMS);
      const { resourceVersion } = claim.metadata;
      const which = { ...nameOf(claim), subresource: "status" };
      return claims.patch(which, "merge", { metadata: { resourceVersion }, status });
    },
    async secret(name) {
      const secrets = client.resource(SECRETS);
      const secret = await undefinedIfNotFound(turns.run(name.namespace, () => secrets.get(name)));
      if (!secret) {
        throw new VolumeError("NotFound", `secret ${name.namespace}/${name.name} not found`);
      }
      const entries = Object.entries(secret.data ?? {});
      return Object.fromEntries(
        entries.map(([key, value]) => [key, Buffer.from(value, "base64").toString()]),
      );
    },
  };
}
