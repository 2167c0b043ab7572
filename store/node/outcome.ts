import type { Outcome } from "../mvcc/apply/responses.ts";
import type { WatchHub } from "../mvcc/watch/hub.ts";

/** The parts of a member that act on a command's effects. */
export interface OutcomeActions {
  watches: Pick<WatchHub, "notify">;
  onCompacted: () => void;
  onAlarms: () => void;
}

/** Returns what acts on outcomes: watches get the changes, compacted records are removed. */
export function actOnOutcomes(actions: OutcomeActions): (outcome: Outcome) => void {
  return (outcome) => {
    if (outcome.error) return;
    if (outcome.changes) actions.watches.notify(outcome.changes);
    if (outcome.compacted) actions.onCompacted();
    if (outcome.alarmed) actions.onAlarms();
  };
}
