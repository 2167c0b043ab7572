import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { AuditOptions } from "@raft2kube/apiserver/audit/options.ts";
import { readAuditPolicy } from "@raft2kube/apiserver/audit/policy.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { logsDir } from "../spec/paths.ts";
import { CommandError } from "../terminal.ts";

const MIB = 1024 * 1024;
/** The bounds of a cluster's audit log: as large as its other logs at most. */
const LOG = { bytes_max: 32 * MIB, backups_max: 4, age_max_days: 0 } as const;

/** The audit log of a cluster with `--audit-policy-file`, in its folder of logs. */
export async function auditOf(config: ClusterConfig): Promise<AuditOptions | undefined> {
  const { auditPolicyFile } = config;
  if (auditPolicyFile === undefined) return undefined;
  const policy = await readAuditPolicy(await readFile(auditPolicyFile, "utf8"));
  const path = join(logsDir(config), "audit.log");
  return { policy, log: { ...LOG, path, mode: "blocking" } };
}

/** Throws CommandError if the policy of a start cannot be used. */
export async function checkAuditPolicy(file: string | undefined): Promise<void> {
  if (file === undefined) return;
  try {
    await readAuditPolicy(await readFile(file, "utf8"));
  } catch (thrown) {
    throw new CommandError("BAD_FLAG", `--audit-policy-file ${file}: ${messageOf(thrown)}`, {
      remedy: "see examples/audit-policy.yaml",
    });
  }
}
