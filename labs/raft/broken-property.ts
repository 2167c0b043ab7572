import type { MemberId } from "@raft2kube/store/core/types.ts";
import type { Violation } from "../../testing/violation.ts";
import { describeJudgement, type Judgement } from "../judge.ts";

/** A safety property that a step of `member` broke, as a judgement; `cause` names its subject. */
export class BrokenProperty extends Error {
  override readonly cause: Violation;
  readonly member: MemberId;

  constructor(member: MemberId, judgement: Judgement, cause: Violation) {
    super(describeJudgement(judgement));
    this.member = member;
    this.cause = cause;
  }
}
