import type { KubeObject } from "@raft2kube/api/kind.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Resource } from "../resource/resource.ts";
import { internalWrite } from "./internal-write.ts";
import { updateObject } from "./update.ts";
import type { Writer } from "./writer.ts";

const log = logger("apiserver");

/** Labels the Secret of a token that is used; the request continues if that fails. */
export async function recordTokenUsage(
  writer: Writer,
  secrets: Resource,
  { metadata: { namespace = "", name = "", uid } }: KubeObject,
  labels: Record<string, string>,
): Promise<void> {
  const transform = (current: KubeObject | undefined): KubeObject => {
    const { metadata } = current!;
    return { ...current!, metadata: { ...metadata, labels: { ...metadata.labels, ...labels } } };
  };
  const change = { namespace, name, mayCreate: false, uid, transform };
  try {
    await updateObject(writer, secrets, change, internalWrite());
  } catch (thrown) {
    const reason = messageOf(thrown);
    const secret = `${namespace}/${name}`;
    log.warn("the usage of a token could not be recorded", { secret, reason });
  }
}
