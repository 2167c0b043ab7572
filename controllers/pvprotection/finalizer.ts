import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";

/** Adds a finalizer to an object that has it not. */
export async function protect<T extends KubeObject>(
  writer: ResourceClient<T>,
  object: T,
  finalizer: string,
): Promise<void> {
  const finalizers = object.metadata.finalizers ?? [];
  if (finalizers.includes(finalizer)) return;
  await write(writer, object, [...finalizers, finalizer]);
}

/** Takes a finalizer from an object that has it. */
export async function release<T extends KubeObject>(
  writer: ResourceClient<T>,
  object: T,
  finalizer: string,
): Promise<void> {
  const finalizers = object.metadata.finalizers ?? [];
  if (!finalizers.includes(finalizer)) return;
  await write(
    writer,
    object,
    finalizers.filter((item) => item !== finalizer),
  );
}

async function write<T extends KubeObject>(
  writer: ResourceClient<T>,
  object: T,
  finalizers: string[],
): Promise<void> {
  await undefinedIfNotFound(
    writer.update({ ...object, metadata: { ...object.metadata, finalizers } }),
  );
}
