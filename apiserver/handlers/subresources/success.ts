import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";

/** The Status of a call that has nothing else to say. */
export function successStatus(code: number): KubeObject {
  const status: Status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    code,
  };
  return status as unknown as KubeObject;
}
