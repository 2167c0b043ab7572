import { defaultOf } from "@raft2kube/api/default-class.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Resource } from "../../resource/resource.ts";

/** The name of the class that is marked as default; of several the newest (upstream). */
export async function defaultClassOf<T extends KubeObject>(
  classes: Resource,
  isDefault: (object: Readonly<T>) => boolean,
): Promise<string | undefined> {
  const all = (await classes.cache()).list().map((entry) => entry.shared<T>());
  return defaultOf(all, isDefault)?.metadata.name;
}
