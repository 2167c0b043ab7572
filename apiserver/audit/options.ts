import type { Clock } from "@raft2kube/std/clock.ts";
import { AUDIT_LOG_EVENT_BYTES_MAX } from "../limits.ts";
import type { AuditMetrics } from "../metrics/audit.ts";
import type { RemoteAccess } from "../webhook/remote.ts";
import { Audit } from "./audit.ts";
import { blocking } from "./blocking.ts";
import { type BatchOptions, collected } from "./collected.ts";
import { LogFile, type LogFileOptions } from "./log-file.ts";
import type { AuditPolicy } from "./policy.ts";
import { Losses, type Mode, type Sink, type Target } from "./sink.ts";
import { auditWebhook } from "./webhook.ts";

type Given = (
  | { readonly mode: "batch"; readonly batch: BatchOptions }
  | { readonly mode: Exclude<Mode, "batch"> }
) & {
  /** Bytes of one event; longer ones lose their bodies. Default: several times the largest body. */
  readonly event_bytes_max?: number | undefined;
};

export interface AuditOptions {
  readonly policy: AuditPolicy;
  readonly log?: (Given & LogFileOptions) | undefined;
  readonly webhook?: (Given & { readonly access: RemoteAccess }) | undefined;
}

/** Makes the audit log of a server; undefined without a backend. */
export function auditOf(
  options: AuditOptions | undefined,
  metrics: AuditMetrics,
  clock: Clock,
): Audit | undefined {
  if (options === undefined) return undefined;
  const { policy, log, webhook } = options;
  const target = (sink: Sink, given: Given): Target => {
    const { mode, event_bytes_max = AUDIT_LOG_EVENT_BYTES_MAX } = given;
    const losses = new Losses(sink.name, metrics);
    const backend =
      given.mode === "batch" ? collected(sink, losses, given.batch, clock) : blocking(sink, losses);
    return { backend, isStrict: mode === "blocking-strict", event_bytes_max };
  };
  const targets = [
    ...(log ? [target(new LogFile(log, clock), log)] : []),
    ...(webhook ? [target(auditWebhook(webhook.access, clock), webhook)] : []),
  ];
  return targets.length === 0 ? undefined : new Audit({ policy, targets, metrics, clock });
}
