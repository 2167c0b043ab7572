import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { Level, Stage } from "./policy.ts";

/** One event of audit.k8s.io/v1, in upstream's order of fields. */
export interface AuditEvent {
  readonly kind: "Event";
  readonly apiVersion: "audit.k8s.io/v1";
  readonly level: Level;
  readonly auditID: string;
  readonly stage: Stage;
  readonly requestURI: string;
  readonly verb: string;
  readonly user: EventUser;
  readonly impersonatedUser?: EventUser;
  readonly authenticationMetadata?: { readonly impersonationConstraint: string };
  readonly sourceIPs?: readonly string[];
  readonly userAgent?: string;
  readonly objectRef?: Readonly<Record<string, string>>;
  readonly responseStatus?: Partial<Status>;
  readonly requestObject?: unknown;
  readonly responseObject?: unknown;
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface EventUser {
  readonly username?: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: RequestUser["extra"];
}

export function userOf({ name, uid, groups, extra }: RequestUser): EventUser {
  return {
    username: name,
    ...(uid ? { uid } : {}),
    ...(groups.length > 0 ? { groups } : {}),
    ...(extra && Object.keys(extra).length > 0 ? { extra } : {}),
  };
}

/** A time with microseconds, as metav1.MicroTime. */
export const microTime = (ms: number): string => new Date(ms).toISOString().replace("Z", "000Z");

/** Annotation of an event whose bodies were left out, as it was too long (upstream's). */
const TRUNCATED = { "audit.k8s.io/truncated": "true" };

/** An event of at most so many bytes as JSON: without its bodies if need be, else undefined. */
export function within(event: AuditEvent, bytes_max: number): string | undefined {
  const text = JSON.stringify(event);
  if (Buffer.byteLength(text) <= bytes_max) return text;
  const { requestObject: _request, responseObject: _response, ...rest } = event;
  const annotations = { ...rest.annotations, ...TRUNCATED };
  const shorter = JSON.stringify({ ...rest, annotations });
  return Buffer.byteLength(shorter) <= bytes_max ? shorter : undefined;
}
