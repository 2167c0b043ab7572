import { readFileSync } from "node:fs";
import type { AuditOptions } from "@raft2kube/apiserver/audit/options.ts";
import { readAuditPolicy } from "@raft2kube/apiserver/audit/policy.ts";
import { MODES, type Mode } from "@raft2kube/apiserver/audit/sink.ts";
import { wholeNumber } from "../flag-numbers.ts";
import type { FlagsOf, FlagTable } from "../flags.ts";
import { CommandError } from "../terminal.ts";
import { accessIn } from "./apiserver-access.ts";
import { duration_ms, flagOf, type TextFlags } from "./flag-duration.ts";

const modes = (otherwise: Mode) =>
  ({ text: "whether requests wait for it", choices: MODES, otherwise }) as const;

/** kube-apiserver's flags of the audit log. */
export const AUDIT_FLAGS = {
  "--audit-policy-file <file>": "which requests are written to the audit log, YAML",
  "--audit-log-path <file>": "the audit log; - for the standard output",
  "--audit-log-format <format>": { text: "its form", choices: ["json"], otherwise: "json" },
  "--audit-log-maxsize <mib>": ["size at which it is put aside; 0 for 100", "0"],
  "--audit-log-maxbackup <n>": ["files put aside that are kept; 0 for all", "0"],
  "--audit-log-maxage <days>": ["days they are kept; 0 for any number", "0"],
  "--audit-log-mode <mode>": modes("blocking"),
  "--audit-log-batch-buffer-size <n>": ["events that wait at most", "10000"],
  "--audit-log-batch-max-size <n>": ["events written together", "1"],
  "--audit-log-batch-max-wait <time>": ["how long they wait for others", "0s"],
  "--audit-log-truncate-enabled": "leave the bodies out of long events",
  "--audit-log-truncate-max-event-size <bytes>": ["what is long", "102400"],
  "--audit-webhook-config-file <file>": "kubeconfig of a server that gets the events",
  "--audit-webhook-mode <mode>": modes("batch"),
  "--audit-webhook-initial-backoff <time>": ["the pause after a first failure", "10s"],
  "--audit-webhook-batch-buffer-size <n>": ["events that wait at most", "10000"],
  "--audit-webhook-batch-max-size <n>": ["events sent together", "400"],
  "--audit-webhook-batch-max-wait <time>": ["how long they wait for others", "30s"],
  "--audit-webhook-batch-throttle-qps <n>": ["batches each second; 0 for any number", "10"],
  "--audit-webhook-batch-throttle-burst <n>": ["batches at a time after a pause", "15"],
  "--audit-webhook-truncate-enabled": "leave the bodies out of long events",
  "--audit-webhook-truncate-max-event-size <bytes>": ["what is long", "102400"],
  "--audit-webhook-truncate-max-batch-size <bytes>": ["bytes of a batch", "10485760"],
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof AUDIT_FLAGS>;

const MIB = 1024 * 1024;
const LOG_MIB = 100;
const LOG_RETRY_MS = 1_000;
const LOG_BATCH_BYTES_MAX = 10 * MIB;

/** Reads the flags and the files that they name; undefined without an audit log. */
export async function auditOptionsOf(flags: Flags): Promise<AuditOptions | undefined> {
  const { auditPolicyFile, auditLogPath, auditWebhookConfigFile: webhook } = flags;
  const hasBackend = auditLogPath !== undefined || webhook !== undefined;
  if (auditPolicyFile === undefined && !hasBackend) return undefined;
  if (auditPolicyFile === undefined || !hasBackend) {
    const what = "--audit-policy-file and --audit-log-path or --audit-webhook-config-file";
    throw new CommandError("FLAG", `${what} are given together`);
  }
  return {
    policy: await readAuditPolicy(readFileSync(auditPolicyFile, "utf8")),
    log: auditLogPath === undefined ? undefined : auditLogOf(flags, auditLogPath),
    webhook: webhook === undefined ? undefined : await webhookOf(flags, webhook),
  };
}

/** The values of flags that the log and the webhook have alike. */
const backendOf = (flags: Flags, of: "auditLog" | "auditWebhook") => ({
  mode: flags[`${of}Mode`],
  event_bytes_max: flags[`${of}TruncateEnabled`]
    ? whole(flags, `${of}TruncateMaxEventSize`, 1)
    : undefined,
  batch: {
    buffer_max: whole(flags, `${of}BatchBufferSize`, 1),
    batch_max: whole(flags, `${of}BatchMaxSize`, 1),
    wait_ms: duration_ms(flags, `${of}BatchMaxWait`),
  },
});

function auditLogOf(flags: Flags, path: string): AuditOptions["log"] {
  const given = backendOf(flags, "auditLog");
  return {
    ...given,
    path,
    bytes_max: (whole(flags, "auditLogMaxsize") || LOG_MIB) * MIB,
    backups_max: whole(flags, "auditLogMaxbackup"),
    age_max_days: whole(flags, "auditLogMaxage"),
    batch: { ...given.batch, batch_bytes_max: LOG_BATCH_BYTES_MAX, retry_ms: LOG_RETRY_MS },
  };
}

async function webhookOf(flags: Flags, file: string): Promise<AuditOptions["webhook"]> {
  const given = backendOf(flags, "auditWebhook");
  const perSecond = whole(flags, "auditWebhookBatchThrottleQps");
  const capacity = whole(flags, "auditWebhookBatchThrottleBurst");
  return {
    ...given,
    access: await accessIn(file),
    batch: {
      ...given.batch,
      batch_bytes_max: whole(flags, "auditWebhookTruncateMaxBatchSize", 1),
      ...(perSecond > 0 && { throttle: { perSecond, capacity } }),
      retry_ms: duration_ms(flags, "auditWebhookInitialBackoff"),
    },
  };
}

/** The whole number of a flag; `least` is 1 where nothing would fit 0. */
const whole = <Name extends string>(flags: TextFlags<Name>, name: Name, least = 0): number =>
  wholeNumber(flagOf(name), flags[name], least);
