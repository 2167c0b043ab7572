import { peerHashVerb } from "../../scrub/peer-hash.ts";
import { memberPromoteVerb } from "../cluster/member-promote.ts";
import { leaseKeepAliveVerb } from "../lease/lease-keep-alive.ts";
import { leaseTimeToLiveVerb } from "../lease/lease-time-to-live.ts";
import type { LeaderVerb } from "../request/on-leader.ts";

/** Everything that members ask of each other: to answer as the leader, or for a hash. */
export const LEADER_VERBS = [
  leaseKeepAliveVerb,
  leaseTimeToLiveVerb,
  memberPromoteVerb,
  peerHashVerb,
] as unknown as LeaderVerb<never, never>[];
