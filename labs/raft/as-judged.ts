import { AssertionError } from "@raft2kube/std/assert.ts";
import type { TestMember } from "../../testing/raft/member.ts";
import { describeAssertion } from "../judge.ts";

/** Runs a part of a member's work; an assertion that fails there becomes a judgement. */
export function asJudged<T>({ id, raft }: TestMember, what: string, work: () => T): T {
  const { role, term } = raft.state;
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof AssertionError)) throw thrown;
    const when = `member ${id}, ${role} in term ${term}, ${what}`;
    throw new Error(describeAssertion(thrown, when), { cause: thrown });
  }
}
