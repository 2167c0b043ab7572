import type { PodSpec } from "@raft2kube/api/gen/core/v1.ts";
import { BASELINE } from "./baseline.ts";
import type { Check, Finding, Judged } from "./finding.ts";
import { type LevelVersion, minorOf } from "./policy.ts";
import { RESTRICTED } from "./restricted.ts";

/** The newest version whose rules differ from those before it. */
const NEWEST_MINOR = 35;

/** Every rule of a level that a pod breaks. Nothing: it may run. */
export function violations(
  { level, version }: LevelVersion,
  metadata: Judged["metadata"],
  spec: PodSpec,
): Finding[] {
  if (level === "privileged") return [];
  const minor = minorOf(version, NEWEST_MINOR);
  const known = (checks: readonly Check[]) => checks.filter(({ since }) => since <= minor);
  const more = level === "restricted" ? known(RESTRICTED) : [];
  const replaced = new Set(more.map(({ replaces }) => replaces));
  const checks = [...known(BASELINE).filter(({ id }) => !replaced.has(id)), ...more];
  return checks.flatMap((check) => check.find({ metadata, spec, minor }) ?? []);
}

/** The findings with the containers and values they are about. */
export function detailOf(findings: readonly Finding[]): string {
  return findings
    .map(({ reason, detail }) => (detail === "" ? reason : `${reason} (${detail})`))
    .join(", ");
}

export function reasonOf(findings: readonly Finding[]): string {
  return findings.map(({ reason }) => reason).join(", ");
}
