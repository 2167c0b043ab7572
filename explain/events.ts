import type { Event } from "@raft2kube/api/gen/core/v1.ts";

/** When an event happened last, in ms since 1970; recorders of both APIs write it differently. */
export function timeOf({ series, lastTimestamp, eventTime, metadata }: Event): number {
  const text = series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp;
  return text ? Date.parse(text) : 0;
}

/** The newest event of a reason; with several reasons, the newest of them. */
export function newest(events: readonly Event[], ...reasons: string[]): Event | undefined {
  return events
    .filter(({ reason = "" }) => reasons.includes(reason))
    .sort((a, b) => timeOf(b) - timeOf(a))[0];
}
