import { parseDuration } from "@raft2kube/api/duration.ts";
import { CodedError } from "@raft2kube/std/errors.ts";

/** The values of some flags that are texts, by the names that commander makes of the flags. */
export type TextFlags<Name extends string> = { readonly [K in NoInfer<Name>]: string };

/** The flag of a name that commander made of it: `--audit-log-path` of `auditLogPath`. */
export const flagOf = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** A flag's duration in Go's form. Throws CodedError `BadFlag`. */
export function duration_ms<Name extends string>(flags: TextFlags<Name>, name: Name): number {
  const parsed_ns = parseDuration(flags[name]);
  if (parsed_ns !== undefined) return Number(parsed_ns / 1_000_000n);
  throw new CodedError("BadFlag", `${flagOf(name)}: "${flags[name]}" is not a duration`);
}
