/** An event of audit.k8s.io/v1. */
export interface AuditEvent extends Readonly<Record<string, unknown>> {
  readonly auditID: string;
  readonly requestObject: unknown;
  readonly responseObject: unknown;
  readonly annotations: Readonly<Record<string, string>> | undefined;
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
