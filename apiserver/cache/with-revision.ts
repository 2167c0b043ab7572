import type { KubeObject } from "@raft2kube/api/kind.ts";
import { Entry } from "./entry.ts";

/** The same object under another resourceVersion. */
export function withRevision(entry: Entry, revision: number): Entry {
  const object = entry.object<KubeObject>();
  object.metadata.resourceVersion = String(revision);
  return new Entry({ ...entry, revision, body: Buffer.from(JSON.stringify(object)) });
}
