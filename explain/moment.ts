import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { humanDuration } from "@raft2kube/api/human-duration.ts";

/** An object as far as it has times. */
export interface Dated {
  readonly kind: string;
  readonly metadata: Pod["metadata"];
  readonly status?: Pod["status"];
  readonly spec?: { readonly nodeName?: string };
  /** The endpoints of an EndpointSlice, each of which may be a pod. */
  readonly endpoints?: readonly { readonly targetRef?: { readonly uid?: string } }[] | null;
}

/** `Pod web-1`. */
export const titleOf = ({ kind, metadata }: Dated): string => `${kind} ${metadata.name ?? ""}`;

/** One step that someone did to an object. */
export interface Moment {
  readonly at_ms: number;
  readonly of: string;
  readonly who: string;
  readonly what: string;
  readonly took_ms?: number;
  /** The steps that a traced one is a part of. */
  readonly depth?: number;
}

/** Moves a moment to its cause if it is dated before that, and says so from a second on. */
export function notBefore(cause_ms: number, moment: Moment): Moment {
  const early_s = (cause_ms - moment.at_ms) / 1_000;
  if (!(early_s > 0)) return moment;
  const clock = early_s < 1 ? "" : ` (by a clock ${humanDuration(early_s)} behind, or more)`;
  return { ...moment, at_ms: cause_ms, what: moment.what + clock };
}
