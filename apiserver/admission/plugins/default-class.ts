import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Resource } from "../../resource/resource.ts";

/** The name of the class that is marked as default; of several the newest (upstream). */
export async function defaultClassOf<T extends KubeObject>(
  classes: Resource,
  isDefault: (object: Readonly<T>) => boolean,
): Promise<string | undefined> {
  const [newest] = (await classes.cache())
    .list()
    .map((entry) => entry.shared<T>())
    .filter(isDefault)
    .sort((a, b) => newestFirst(a.metadata, b.metadata));
  return newest?.metadata.name;
}

function newestFirst(a: KubeObject["metadata"], b: KubeObject["metadata"]): number {
  const [first = "", second = ""] = [a.creationTimestamp, b.creationTimestamp];
  if (first !== second) return first < second ? 1 : -1;
  return (a.name ?? "") < (b.name ?? "") ? -1 : 1;
}
