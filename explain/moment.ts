import type { Pod } from "@raft2kube/api/gen/core/v1.ts";

/** An object as far as it has times. */
export interface Dated {
  readonly kind: string;
  readonly metadata: Pod["metadata"];
  readonly status?: Pod["status"];
  /** The endpoints of an EndpointSlice, each of which may be a pod. */
  readonly endpoints?: readonly { readonly targetRef?: { readonly uid?: string } }[] | null;
}

/** `Pod web-1`. */
export const titleOf = ({ kind, metadata }: Dated): string => `${kind} ${metadata.name ?? ""}`;

/** One step that someone did to an object. */
export interface Moment {
  readonly at_ms: number;
  /** The object's title. */
  readonly of: string;
  readonly who: string;
  readonly what: string;
  /** How long a traced step took. */
  readonly took_ms?: number;
  /** The steps that a traced one is a part of. */
  readonly depth?: number;
}
