import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import { type Answer, objectAnswer } from "../../request/answer.ts";

/** Answers a call that has created something and has nothing else to say, with a Status. */
export function createdAnswer(): Answer {
  const code = 201;
  const status: Status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    code,
  };
  return objectAnswer(status as unknown as KubeObject, undefined, code);
}
