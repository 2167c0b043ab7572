import type { MemberId, Membership } from "@raft2kube/store/core/types.ts";

/** Whether those that `agrees` says agree are a majority of each half of a configuration. */
export function isQuorum(
  { voters, outgoing }: Pick<Membership, "voters" | "outgoing">,
  agrees: (member: MemberId) => boolean,
): boolean {
  return [voters, outgoing].every((half) => {
    return half.length === 0 || half.filter(agrees).length * 2 > half.length;
  });
}
