import type { Message } from "@raft2kube/store/core/message.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { Role } from "@raft2kube/store/core/state.ts";

/** An input of a core: a message by its kind, or a call of its own member. */
export type CoreEvent =
  | Message["kind"]
  | "tick"
  | "propose commands"
  | "propose change"
  | "request read"
  | "hand over"
  | "persisted"
  | "applied"
  | "change applied"
  | "snapshot reported";

/** The state of a core before an input. */
export type Before = { readonly role: Role; readonly term: number; readonly lastIndex: number };

export interface CoreObserver {
  /** Right before `event` comes in. */
  before(raft: Raft, event: CoreEvent, message: Message | undefined): void;
  /** Right after it, unless the core threw. */
  after(raft: Raft, before: Before, event: CoreEvent): void;
}

/** Lets an observer see everything that comes into a core. It must change nothing. */
export function observe(raft: Raft, observer: CoreObserver): void {
  const around = <T>(event: CoreEvent, message: Message | undefined, act: () => T): T => {
    const { role, term, log } = raft.state;
    const before = { role, term, lastIndex: log.lastIndex };
    observer.before(raft, event, message);
    const result = act();
    observer.after(raft, before, event);
    return result;
  };
  const { step, tick, propose, proposeChange, requestReadIndex, transferLeadership } = raft;
  const { persisted, appliedTo, applyChange, reportSnapshot } = raft;
  Object.assign(raft, {
    step: (message) => around(message.kind, message, () => step.call(raft, message)),
    tick: () => around("tick", undefined, () => tick.call(raft)),
    propose: (data) => around("propose commands", undefined, () => propose.call(raft, data)),
    proposeChange: (change) =>
      around("propose change", undefined, () => proposeChange.call(raft, change)),
    requestReadIndex: (id) =>
      around("request read", undefined, () => requestReadIndex.call(raft, id)),
    transferLeadership: (to) =>
      around("hand over", undefined, () => transferLeadership.call(raft, to)),
    persisted: (id) => around("persisted", undefined, () => persisted.call(raft, id)),
    appliedTo: (index, bytes) =>
      around("applied", undefined, () => appliedTo.call(raft, index, bytes)),
    applyChange: (change) =>
      around("change applied", undefined, () => applyChange.call(raft, change)),
    reportSnapshot: (member, delivered) =>
      around("snapshot reported", undefined, () => reportSnapshot.call(raft, member, delivered)),
  } satisfies Partial<Raft>);
}
