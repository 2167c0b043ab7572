import type { Clock } from "@raft2kube/std/clock.ts";
import { AUDIT_LOG_EVENT_BYTES_MAX } from "../limits.ts";
import type { AuditMetrics } from "../metrics/audit.ts";
import type { RemoteAccess } from "../webhook/remote.ts";
import { Audit } from "./audit.ts";
import { Blocking } from "./blocking.ts";
import { type BatchOptions, Collected } from "./collected.ts";
import { LogFile, type LogFileOptions } from "./log-file.ts";
import type { AuditPolicy } from "./policy.ts";
import { type Backend, Losses, type Mode, type Sink } from "./sink.ts";
import { AuditWebhook } from "./webhook.ts";

interface Given {
  readonly mode: Mode;
  readonly batch: BatchOptions;
  /** Bytes of one event; longer ones lose their bodies. Default: several times the largest body. */
  readonly event_bytes_max?: number | undefined;
}

/** The policy of an audit log, and its backends. */
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
  const backend = (sink: Sink, { mode, batch, event_bytes_max }: Given): Backend => {
    const losses = new Losses(sink.name, metrics);
    const most = event_bytes_max ?? AUDIT_LOG_EVENT_BYTES_MAX;
    return mode === "batch"
      ? new Collected(sink, losses, batch, clock, most)
      : new Blocking(sink, losses, mode, most);
  };
  const backends = [
    ...(log ? [backend(new LogFile(log, clock), log)] : []),
    ...(webhook ? [backend(new AuditWebhook(webhook.access, clock), webhook)] : []),
  ];
  return backends.length === 0 ? undefined : new Audit(policy, backends, metrics, clock);
}
