import { parseDuration } from "@raft2kube/api/duration.ts";
import { CodedError } from "@raft2kube/std/errors.ts";

/** A flag's duration in Go's form. Throws CodedError `BadFlag`. */
export function duration_ms(flag: string, value: string): number {
  const parsed_ns = parseDuration(value);
  if (parsed_ns !== undefined) return Number(parsed_ns / 1_000_000n);
  throw new CodedError("BadFlag", `--${flag}: "${value}" is not a duration`);
}
