import { leaseKeepAliveVerb } from "./lease-keep-alive.ts";
import { leaseTimeToLiveVerb } from "./lease-time-to-live.ts";
import { memberPromoteVerb } from "./member-promote.ts";
import type { LeaderVerb } from "./on-leader.ts";

/** Everything that members pass on to their leader. */
export const LEADER_VERBS = [
  leaseKeepAliveVerb,
  leaseTimeToLiveVerb,
  memberPromoteVerb,
] as unknown as LeaderVerb<never, never>[];
