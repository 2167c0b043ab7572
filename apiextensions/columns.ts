/** The columns of `kubectl get` for custom resources. */
import type { CustomResourceDefinitionVersion } from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { Column } from "@raft2kube/api/kind.ts";

/** The columns of a version: the name, then those defined, by default the age. */
export function columnsOf(_version: CustomResourceDefinitionVersion): Column[] {
  throw new Error("not written yet");
}
