import type { KubeObject } from "@raft2kube/api/kind.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { ownWrite } from "./internal-write.ts";
import type { Core } from "../core.ts";
import { updateObject } from "./update.ts";

const log = logger("apiserver");

/** Puts labels on the Secret of a token that is used; the request goes on where that fails. */
export async function noteUse(
  core: Core,
  { metadata: { namespace = "", name = "", uid } }: KubeObject,
  labels: Record<string, string>,
): Promise<void> {
  const transform = (current: KubeObject | undefined): KubeObject => {
    const { metadata } = current!;
    return { ...current!, metadata: { ...metadata, labels: { ...metadata.labels, ...labels } } };
  };
  const change = { namespace, name, mayCreate: false, uid, transform };
  try {
    await updateObject(core, core.registry.of("v1", "secrets"), change, ownWrite());
  } catch (thrown) {
    const reason = messageOf(thrown);
    log.warn("a token's use was not noted", { secret: `${namespace}/${name}`, reason });
  }
}
