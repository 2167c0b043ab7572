import { CodedError } from "@raft2kube/std/errors.ts";

/** A request to the labs' runner that cannot be met. */
export class LabError extends CodedError {}
