import type { KubeObject } from "@raft2kube/api/kind.ts";
import { ownUtf8 } from "@raft2kube/std/bytes.ts";
import { Entry } from "../object/entry.ts";

/** The same object under another resourceVersion. */
export function withRevision(entry: Entry, revision: number): Entry {
  const object = entry.object<KubeObject>();
  object.metadata.resourceVersion = String(revision);
  return new Entry({ ...entry, revision, body: ownUtf8(JSON.stringify(object)) });
}
