import { CodedError } from "@raft2kube/std/errors.ts";

/** A command that by-hand refuses, or that failed. */
export class ByHandError extends CodedError {}
