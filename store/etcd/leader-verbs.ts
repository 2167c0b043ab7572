import { leaseKeepAliveVerb } from "./lease-keep-alive.ts";
import { leaseTimeToLiveVerb } from "./lease-time-to-live.ts";
import { memberPromoteVerb } from "./member-promote.ts";
import { peerHashVerb } from "../scrub/peer-hash.ts";
import type { LeaderVerb } from "./on-leader.ts";

/** Everything that members ask of each other: to answer as the leader, or for a hash. */
export const LEADER_VERBS = [
  leaseKeepAliveVerb,
  leaseTimeToLiveVerb,
  memberPromoteVerb,
  peerHashVerb,
] as unknown as LeaderVerb<never, never>[];
