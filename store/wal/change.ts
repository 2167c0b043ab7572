import type { MembershipChange, MembershipStep } from "../core/types.ts";

const ACTIONS: MembershipStep["action"][] = ["add-voter", "add-learner", "remove"];
const TRANSITIONS: MembershipChange["transition"][] = ["auto", "implicit", "explicit"];
const STEP_BYTES = 9;

/** transition u8, number of steps u8, per step action u8 and member u64, then the context. */
export function encodeChange(change: MembershipChange): Buffer {
  const head = Buffer.alloc(2 + change.steps.length * STEP_BYTES);
  head[0] = TRANSITIONS.indexOf(change.transition);
  head[1] = change.steps.length;
  change.steps.forEach((step, i) => {
    head[2 + i * STEP_BYTES] = ACTIONS.indexOf(step.action);
    head.writeBigUInt64LE(step.member, 3 + i * STEP_BYTES);
  });
  return Buffer.concat([head, change.context]);
}

export function decodeChange(bytes: Buffer): MembershipChange {
  const steps: MembershipStep[] = [];
  const count = bytes[1] ?? 0;
  for (let i = 0; i < count; i++) {
    const action = ACTIONS[bytes[2 + i * STEP_BYTES]!];
    if (!action) throw new RangeError(`unknown membership action ${bytes[2 + i * STEP_BYTES]}`);
    steps.push({ action, member: bytes.readBigUInt64LE(3 + i * STEP_BYTES) });
  }
  const transition = TRANSITIONS[bytes[0]!];
  if (!transition) throw new RangeError(`unknown membership transition ${bytes[0]}`);
  return { steps, transition, context: Buffer.from(bytes.subarray(2 + count * STEP_BYTES)) };
}
